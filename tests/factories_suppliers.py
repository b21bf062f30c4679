"""Suppliers, valid by default: a file validated by an agent, an account confirmed by a second person."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sons_tracker.operations import bank_accounts, enrolment_files
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.bank_numbers import BankNumbers
from sons_tracker.operations.enrolment_files import CERTIFICATE, EXEMPTION, MANDATE, EnrolmentFile
from sons_tracker.operations.idempotency import Answer
from sons_tracker.operations.supplier_views import SupplierView
from tests.factories import AT, Account, a_siren, an_account
from tests.factories_orders import Everything, a_key, an_extraction

LONG_AGO = AT - timedelta(days=300)
"""When the suppliers of these factories enrolled: before any order of the other factories is paid."""
REFERENCED_ON = date(2022, 3, 1)
LISTED_ON = date(2022, 3, 7)
_numbers = itertools.count(1)


def an_iban(bank: str = "20041", *, wrong_national_key: bool = False) -> str:
    """A valid French IBAN that no other test has: a fictitious account, by default of a real bank code."""
    branch, account = "01005", f"{next(_numbers):011d}"
    key = 97 - (89 * int(bank) + 15 * int(branch) + 3 * int(account)) % 97
    national = f"{bank}{branch}{account}{(key + wrong_national_key) % 100:02d}"
    check = 98 - int(national + "152700") % 97  # FR00, letters as numbers
    return f"FR{check:02d}{national}"


def some_numbers(iban: str | None = None) -> BankNumbers:
    """An account of its own."""
    return BankNumbers(iban or an_iban(), "PSSTFRPPXXX")


def digest(text: str) -> bytes:
    """The SHA-256 of a piece."""
    return hashlib.sha256(text.encode()).digest()


@dataclass(slots=True)
class Told:
    """A render that keeps what it was given."""

    outcome: SupplierView | Refused | None = None

    def __call__(self, outcome: SupplierView | Refused) -> Answer:
        self.outcome = outcome
        return Answer(409 if isinstance(outcome, Refused) else 200, b"{}")

    @property
    def view(self) -> SupplierView:
        assert isinstance(self.outcome, SupplierView), self.outcome
        return self.outcome

    @property
    def refused(self) -> Refused:
        assert isinstance(self.outcome, Refused), self.outcome
        return self.outcome


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A supplier that can be paid: two of its persons, the code of its solution, its account."""

    account: Account
    second: Account
    solution: str
    numbers: BankNumbers = field(repr=False)
    bank_account_id: UUID

    @property
    def actor(self) -> Actor:
        return self.account.actor

    @property
    def supplier_id(self) -> UUID:
        return organisation_of(self.account)


def organisation_of(account: Account) -> UUID:
    """The organisation that an account acts for."""
    assert account.actor.organisation_id is not None
    return account.actor.organisation_id


async def another_person(account: Account) -> Account:
    """A second person of the same supplier."""
    return await an_account(account.actor.role, siren=account.siren)


async def a_solution_of(account: Account) -> str:
    """A referenced solution that this supplier edits or distributes; the one that the list shows, if any."""
    everything = Everything()
    listed = await everything.fetchval(
        "select r.solution from referencing r left join distributor d on d.solution = r.solution"
        " where case $1 when 'editor' then r.editor_siren = $2 else d.distributor_siren = $2 end"
        " and r.referenced_from <= $3 order by 1 limit 1",
        account.actor.role,
        account.siren,
        REFERENCED_ON,
    )
    if listed is not None:
        return str(listed)
    solution = f"DUI{next(_numbers)}"
    distributes = account.actor.role == "distributor"
    await an_extraction(everything, "referencing", LISTED_ON)
    await everything.execute(
        "insert into referencing (solution_version, dispositif, valid_from, version_label, solution,"
        " solution_name, solution_kind, editor_siren, editor_name, status, referenced_from)"
        " values ($1 || '-1', 'MS1-V1', $2, '1', $1, $1, 'dui', $3, 'Éditeur de test (fictif)', 'referenced',"
        " $4)",
        solution,
        LISTED_ON,
        a_siren() if distributes else account.siren,
        REFERENCED_ON,
    )
    if distributes:
        await everything.execute(
            "insert into distributor (solution, distributor_siren, distributes_from, valid_from,"
            " distributor_name) values ($1, $2, $3, $4, 'Distributeur de test (fictif)')",
            solution,
            account.siren,
            REFERENCED_ON,
            LISTED_ON,
        )
    return solution


def a_file(solution: str, representative: Actor, **changes: Any) -> EnrolmentFile:
    """A file that the legal representative submits, but for what `changes` says; its pieces follow."""
    values: dict[str, Any] = {
        "certificate_reference": "ANS-REF-0001",
        "solution": solution,
        "representative_name": "Camille Exemple",
        "representative_function": "Présidente",
        "representative_id": representative.person_id,
        "mandate": None,
        "vat_liable": True,
        "vat_from_on": REFERENCED_ON,
        **changes,
    }
    pieces = {CERTIFICATE: digest("certificate")}
    if values["mandate"] is not None:
        pieces[MANDATE] = digest("mandate")
    if not values["vat_liable"]:
        pieces[EXEMPTION] = digest("exemption")
    return EnrolmentFile(**{"pieces": pieces, **values})


async def submitted(account: Account, file: EnrolmentFile, at: datetime = LONG_AGO) -> Told:
    """What the supplier is told when it submits a file."""
    told = Told()
    await enrolment_files.submit(account.actor, organisation_of(account), file, at, a_key(), told)
    return told


async def validated(supplier_id: UUID, number: int = 1, at: datetime = LONG_AGO) -> Told:
    """What a reviewer is told who validates a file."""
    told, reviewer = Told(), await an_account("reviewer")
    await enrolment_files.validate(reviewer.actor, supplier_id, number, at, a_key(), told)
    return told


async def change_asked(account: Account, numbers: BankNumbers | None = None, at: datetime = LONG_AGO) -> Told:
    """What a member is told who asks for another account."""
    told, asked = Told(), numbers or some_numbers()
    supplier_id, statement = organisation_of(account), digest("rib")
    await bank_accounts.ask(account.actor, supplier_id, asked, statement, at, a_key(), told)
    return told


async def change_confirmed(account: Account, change_id: UUID, at: datetime = LONG_AGO) -> Told:
    """What a member is told who confirms a change."""
    told = Told()
    await bank_accounts.confirm(account.actor, organisation_of(account), change_id, at, a_key(), told)
    return told


async def change_stopped(
    account: Account, supplier_id: UUID, change_id: UUID, at: datetime = LONG_AGO
) -> Told:
    """What a member or a payer is told who stops a change."""
    told = Told()
    await bank_accounts.stop(account.actor, supplier_id, change_id, at, a_key(), told)
    return told


async def enrol(account: Account, *, at: datetime = LONG_AGO, vat_liable: bool = True) -> Enrolled:
    """Makes the supplier of an account one that can be paid, as of some days after `at`.

    A second person joins it; a solution is listed for it unless one was.
    """
    second = await another_person(account)
    solution = await a_solution_of(account)
    file = a_file(solution, account.actor, vat_liable=vat_liable)
    assert (await submitted(account, file, at)).view.file is not None
    supplier_id, numbers = organisation_of(account), some_numbers()
    assert (await validated(supplier_id, at=at)).view.enrolment is not None
    change = (await change_asked(account, numbers, at)).view.changes[0]
    confirmed = (await change_confirmed(second, change.id, at)).view.changes[0]
    assert confirmed.takes_effect_at is not None
    return Enrolled(account, second, solution, numbers, change.id)


async def an_enrolled_supplier(
    role: str = "editor", *, at: datetime = LONG_AGO, vat_liable: bool = True
) -> Enrolled:
    """A new editor or distributor that can be paid."""
    return await enrol(await an_account(role), at=at, vat_liable=vat_liable)
