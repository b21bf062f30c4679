"""Orders, valid by default: a register of synthetic ESSMS, a referenced solution, suppliers, requests.

Every call brings its own organisations and numbers: tests share a database and never clean it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.operations import clock, enactment, orders
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.requests import OrderRequest, RequestedEssms
from sons_tracker.operations.views import OrderView
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from tests.factories import AT, Account, a_finess, a_siren, an_account

SIGNED_ON = date(2022, 6, 1)
REFERENCE = date(2022, 1, 3)
_numbers = itertools.count(1)

Seeded = Any
"""What the factories write through: `Everything`, or a connection of a superuser."""


class Everything:
    """Reads and seeds as the administrator, each statement in a transaction of its own.

    The owner of the tables would not do: row-level security is forced on it too, so that an owner who is
    no superuser reads nothing.
    """

    async def execute(self, sql: str, *args: Any) -> Any:
        async with transaction(LOCAL_ADMIN.context) as con:
            return await con.execute(sql, *args)

    async def fetch(self, sql: str, *args: Any) -> Any:
        async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
            return await con.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> Any:
        async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
            return await con.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
            return await con.fetchval(sql, *args)


async def prepare_instance() -> None:
    """A sandbox whose law is enacted: what every deposit needs."""
    await clock.declare(LOCAL_ADMIN, "sandbox")
    await enactment.enact(LOCAL_ADMIN, law.load().law, AT)


async def an_extraction(
    owner: Seeded,
    register: str = "establishment",
    on: date = REFERENCE,
    scope: str = "stock",
) -> None:
    """Declares an extraction as imported."""
    await owner.execute(
        "insert into sons.extraction (register, extracted_on, scope, format, file_name, file_sha256,"
        " rows_read, rows_new, rows_changed, rows_absent, rows_warned, imported_at)"
        " values ($1, $2, $3, 'test', 'test', sha256('test'), 0, 0, 0, 0, 0, now()) on conflict do nothing",
        register,
        on,
        scope,
    )


async def an_og(
    owner: Seeded,
    essms: int,
    *,
    category: str = "500",
    aggregate: str = "4400",
    valid_from: date = REFERENCE,
) -> tuple[FinessJuridique, tuple[FinessGeographique, ...]]:
    """An OG of so many ESSMS in the register of 3 January 2022; returns its number and theirs, sorted."""
    og = FinessJuridique(a_finess())
    numbers = sorted(FinessGeographique(a_finess()) for _ in range(essms))
    await an_extraction(owner, on=valid_from)
    await owner.execute(
        "insert into sons.legal_entity (finess_juridique, valid_from, name, stub)"
        " values ($1, $2, 'OG de test (fictif)', false)",
        og,
        valid_from,
    )
    await owner.execute(
        "insert into sons.establishment (finess_geographique, valid_from, finess_juridique, name, category,"
        " aggregate, departement, in_service)"
        " select n, $2, $3, 'ESSMS de test (fictif)', $4, $5, '75', true from unnest($1::text[]) as n",
        numbers,
        valid_from,
        og,
        category,
        aggregate,
    )
    return og, tuple(numbers)


@dataclass(frozen=True, slots=True)
class ASolution:
    """A solution in the list: its code, its version, the SIREN of its editor."""

    solution: str
    version: str
    editor_siren: str


async def a_solution(
    owner: Seeded,
    *,
    dispositif: str = "MS1-V1",
    status: str = "referenced",
    referenced_from: date | None = date(2022, 3, 1),
    referenced_to: date | None = None,
    complete_file_on: date | None = None,
    kind: str = "dui",
    listed_on: date = date(2022, 3, 7),
) -> ASolution:
    """A solution with one version in the list of the ANS."""
    number = next(_numbers)
    made = ASolution(f"SOL{number}", f"SOL{number}-1", a_siren())
    await an_extraction(owner, "referencing", listed_on)
    await owner.execute(
        "insert into sons.referencing (solution_version, dispositif, valid_from, version_label, solution,"
        " solution_name, solution_kind, editor_siren, editor_name, status, complete_file_on,"
        " referenced_from, referenced_to)"
        " values ($1, $2, $3, '1', $4, $4, $5, $6, 'Éditeur de test (fictif)', $7, $8, $9, $10)",
        made.version,
        dispositif,
        listed_on,
        made.solution,
        kind,
        made.editor_siren,
        status,
        complete_file_on,
        referenced_from,
        referenced_to,
    )
    return made


async def a_grant(
    owner: Seeded,
    number: str,
    *,
    solution: str | None,
    components: tuple[str, ...] = ("equipment",),
    project: str = "acquisition",
    year: int = 2022,
    state: str = "agreed",
    dui_referenced: bool | None = True,
    agreed_on: date = date(2022, 5, 1),
) -> str:
    """An ESMS numérique grant of one ESSMS; returns its reference."""
    reference = f"G-{next(_numbers):06d}"
    columns = {
        "grant_reference": reference,
        "finess_geographique": number,
        "valid_from": date(2022, 1, 3),
        "call_year": year,
        "project": project,
        "components": list(components),
        "solution": solution,
        "dui_referenced": dui_referenced,
        "state": state,
        "requested_on": date(2022, 4, 1),
        "agreed_on": agreed_on,
        f"{state}_on": agreed_on,
        "equipment_cents": 1_450_000,
    }
    names, values = list(columns), list(columns.values())
    holders = ", ".join(f"${i + 1}" for i in range(len(names)))
    await owner.execute(f"insert into sons.esms_grant ({', '.join(names)}) values ({holders})", *values)
    return reference


def a_request(og: str, numbers: tuple[str, ...], solution: ASolution, **changes: object) -> OrderRequest:
    """An order that the law accepts, but for what `changes` says."""
    in_place = changes.pop("dui_in_place", solution.solution)
    unit = changes.pop("unit_ttc_cents", None)
    lines = tuple(RequestedEssms(FinessGeographique(n), unit, in_place) for n in numbers)  # type: ignore[arg-type]
    return OrderRequest(
        **{  # type: ignore[arg-type]
            "dispositif": "MS1-V1",
            "og": FinessJuridique(og),
            "essms": lines,
            "solution_version": solution.version,
            "signed_on": SIGNED_ON,
            "already_equipped": True,
            "supplier_reference": None,
            "order_document_sha256": None,
            **changes,
        }
    )


def a_key() -> Key:
    """A new idempotency key."""
    number = next(_numbers)
    return Key(f"key-{number}", "test", number.to_bytes(32, "big"))


@dataclass(slots=True)
class Kept:
    """A render that keeps the view it was given."""

    view: OrderView | None = None

    def __call__(self, view: OrderView) -> Answer:
        self.view = view
        return Answer(409 if view.decision == "refused" else 201, b"{}")


async def deposit(
    actor: Actor, request: OrderRequest, at: datetime = AT, key: Key | None = None
) -> OrderView:
    """Deposits and returns what the actor was told."""
    kept = Kept()
    await orders.submit(actor, request, law.load().law, at, key or a_key(), kept)
    assert kept.view is not None
    return kept.view


async def an_accepted_order(owner: Seeded, essms: int = 1) -> tuple[Account, OrderRequest, OrderView]:
    """An order that was deposited and accepted, with its editor."""
    og, numbers = await an_og(owner, essms)
    solution = await a_solution(owner)
    editor = await an_account("editor", siren=solution.editor_siren)
    request = a_request(og, numbers, solution)
    return editor, request, await deposit(editor.actor, request)


def id_of(view: OrderView) -> UUID:
    """The identifier of a kept order."""
    assert view.identity is not None
    return view.identity.id
