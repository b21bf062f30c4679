"""A planted nation written into a scratch database, in sets.

The register goes through its own import. Orders, claims, grants, signatures and accounts are the state of
years: no guard would let a program of today write it in one go (an instant that is past, an end without its
steps). So the owner takes the triggers of those tables off while it copies, in that database only, and puts
them back; every CHECK, key and unique index stays in force, `one_live_financing` first of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime, time, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db import migrate, roles
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.registers import import_register
from sons_tracker.operations.views import VerdictView
from sons_tracker.registers.planted_nation import (
    OVER,
    SUPPLIERS,
    Nation,
    PlantedGrant,
    PlantedOrder,
    PlantedReservation,
    solution_of,
)
from sons_tracker.registers.planted_register import PlantedRegister
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.money import share
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law

Rows = Iterable[tuple[Any, ...]]

_TABLES: Mapping[str, str] = {
    "organisation": "id, kind, name, siren, finess_juridique",
    "person": "id, name",
    "membership": "person_id, organisation_id, organisation_kind, role",
    "esms_grant": "grant_reference, finess_geographique, valid_from, valid_to, call_year, project, call,"
    " components, solution, dui_referenced, state, requested_on, agreed_on, first_paid_on, vsr_on, paid_on,"
    " rejected_on, abandoned_on, withdrawn_on, recovered_on",
    "purchase_order": "id, number, vague, dispositif, state, version, supplier_id, og_id, editor_id,"
    " og_finess_juridique, solution_version, solution, signed_on, received_at, already_equipped, decision,"
    " conditional, ordered, tranche, essms_of_og, extraction_on, rate_ttc_cents, total_ttc_cents,"
    " advance_ttc_cents, solde_ttc_cents, law_digest, known_on, applied, verdicts",
    "order_line": "order_id, finess_geographique, supplier_id, og_id, ceiling_ttc_cents, unit_ttc_cents,"
    " advance_percent, advance_ttc_cents, solde_ttc_cents",
    "reservation": "id, number, vague, dispositif, supplier_id, og_id, og_finess_juridique, solution_version,"
    " essms, most_essms, most_renewals, state, version, reserved_at, expires_at, renewed, law_digest",
    "reservation_line": "reservation_id, finess_geographique, supplier_id, og_id",
    "claim": "vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at,"
    " released_at, release_reason",
    "cancellation": "id, order_id, supplier_id, og_id, number, state, version, motive, for_acquisition,"
    " required, asked_at, asked_by, asked_for, asked_role, cancelled_at, verdicts, law_digest, known_on,"
    " closed_at, closed_by, closed_role",
    "financing_request": "id, order_id, supplier_id, og_id, kind, state, version, received_at, decided_at,"
    " reason",
    "va": "id, order_id, supplier_id, og_id, number, state, version, covered, statement, statement_sha256,"
    " prepared_at, prepared_by, verdicts, law_digest, known_on",
    "va_signature": "va_id, order_id, supplier_id, og_id, kind, statement_sha256, consent, signer_name,"
    " signer_function, signed_at, auth_level, evidence, verdicts, law_digest, known_on",
    "bank_account": "id, supplier_id, iban, bic, statement_sha256",
    "bank_account_change": "id, supplier_id, supplier_kind, iban_masked, requested_at, requested_by",
}
_GRANT_DATES = (
    "requested",
    "agreed",
    "first_paid",
    "vsr",
    "paid",
    "rejected",
    "abandoned",
    "withdrawn",
    "recovered",
)
_LAPSES, _RESERVED = timedelta(days=130), timedelta(days=4000)  # no scheduler lets go of it meanwhile
_COPY_TIMEOUT = 600


async def load_register(register: PlantedRegister, law: Law, at: datetime) -> None:
    """Imports the two extractions of the register, legal entities first; the engine is started."""
    known = at.astimezone(PARIS).date()
    categories = required(law.register.nomenclature.in_force(known, known))
    nomenclature = {code: category.aggregate for code, category in categories.items()}
    with TemporaryDirectory(prefix="sons-mesure-") as folder:
        for path in register.write(Path(folder)):
            report = await import_register(LOCAL_ADMIN, path, nomenclature=nomenclature, at=at, scope="stock")
            assert report.written, report


async def load_nation(owner_dsn: str, nation: Nation, register: PlantedRegister, law: Law) -> None:
    """Copies the orders, grants and parties of a nation; `owner_dsn` is that of the scratch database."""
    con = await migrate.connect(owner_dsn)
    try:
        await con.execute(f"set role {roles.OWNER}")
        async with con.transaction(), _unguarded(con):
            for table, rows in _Copy(nation, register, law).tables().items():
                await con.copy_records_to_table(
                    table,
                    schema_name="sons",
                    columns=[name.strip() for name in _TABLES[table].split(",")],
                    records=rows,
                    timeout=_COPY_TIMEOUT,
                )
        await con.execute("reset role")
        await con.execute("analyze")
    finally:
        await con.close()


@asynccontextmanager
async def _unguarded(con: asyncpg.Connection) -> AsyncIterator[None]:
    """The triggers of the tables off, and their row-level security not forced on the owner, until leaving."""
    forced = set(
        await con.fetchval(
            "select array_agg(relname::text) from pg_class where relnamespace = 'sons'::regnamespace"
            " and relforcerowsecurity"
        )
    )
    for off, on in (("disable", "no force"), ("enable", "force")):
        for table in _TABLES:
            await con.execute(f"alter table sons.{table} {off} trigger user")
            if table in forced:
                await con.execute(f"alter table sons.{table} {on} row level security")
        if off == "disable":
            yield
            await con.execute("set constraints all immediate")  # a pending check forbids the second round


class _Copy:
    """The rows of each table, in the order in which they refer to each other."""

    def __init__(self, nation: Nation, register: PlantedRegister, law: Law) -> None:
        self._nation, self._digest = nation, law.digest
        self._counts = register.counted(), register.counted_later()

    def tables(self) -> dict[str, Rows]:
        orders = self._nation.orders
        return {
            "organisation": chain(self._suppliers(), self._ogs()),
            "person": ((self._person(n), f"Personne fictive {n}") for n in range(SUPPLIERS)),
            "membership": (
                (self._person(n), self._supplier(n), "editor", "editor") for n in range(SUPPLIERS)
            ),
            "esms_grant": map(self._grant, self._nation.grants),
            "purchase_order": map(self._order, orders),
            "order_line": chain.from_iterable(map(self._lines, orders)),
            "reservation": map(self._reservation, self._nation.reservations),
            "reservation_line": map(self._reservation_line, self._nation.reservations),
            "claim": chain(
                chain.from_iterable(map(self._claims, orders)),
                map(self._reservation_claim, self._nation.reservations),
            ),
            "cancellation": (self._cancellation(order) for order in orders if order.ending),
            "financing_request": (self._request(order) for order in orders if order.solde_asked_at),
            "va": (self._va(order) for order in orders if order.id in self._nation.signers),
            "va_signature": (self._signature(order) for order in orders if order.id in self._nation.signers),
            "bank_account": (self._account(*held) for held in self._nation.accounts.items()),
            "bank_account_change": (self._account_change(*held) for held in self._nation.accounts.items()),
        }

    def _supplier(self, rank: int) -> UUID:
        return self._nation.id("supplier", rank)

    def _person(self, rank: int) -> UUID:
        return self._nation.id("person", rank)

    def _og(self, og: str) -> UUID:
        return self._nation.id("og", og)

    def _parties(self, order: PlantedOrder) -> tuple[UUID, UUID, UUID]:
        return order.id, self._supplier(order.supplier), self._og(order.og)

    def _suppliers(self) -> Rows:
        for rank in range(SUPPLIERS):
            yield self._supplier(rank), "editor", f"Éditeur {rank} (fictif)", f"{800_000_000 + rank}", None

    def _ogs(self) -> Rows:
        reserved = {reservation.place.og for reservation in self._nation.reservations}
        for og in sorted({order.og for order in self._nation.orders} | reserved):
            yield self._og(og), "og", f"OG {og} (fictif)", None, og

    def _grant(self, grant: PlantedGrant) -> tuple[Any, ...]:
        return (
            grant.reference,
            grant.finess,
            grant.since or self._nation.terms.earlier,
            grant.until,
            grant.year,
            grant.project,
            grant.call,
            list(grant.components),
            grant.solution,
            grant.dui_referenced,
            grant.state,
            *(grant.dates.get(name) for name in _GRANT_DATES),
        )

    def _order(self, order: PlantedOrder) -> tuple[Any, ...]:
        later = order.signed_on >= self._nation.terms.later
        count = self._counts[later].get(order.og, len(order.lines))
        tranche = self._nation.terms.tranche(count)
        advance, solde = share(order.unit_cents, self._nation.terms.advance_percent)
        lines = len(order.lines)
        return (
            order.id,
            order.number,
            self._nation.terms.vague,
            order.dispositif,
            order.state,
            1,
            self._supplier(order.supplier),
            self._og(order.og),
            self._supplier(order.supplier),
            order.og,
            f"{order.solution}-1",
            order.solution,
            order.signed_on,
            order.received_at,
            True,
            _DECISIONS.get(order.state, "accepted"),
            False,
            lines,
            tranche,
            count,
            self._nation.terms.later if later else self._nation.terms.earlier,
            order.unit_cents,
            lines * order.unit_cents,
            lines * advance,
            lines * solde,
            self._digest,
            order.signed_on,
            [],
            [self._verdict(rule, essms) for rule, essms in order.refused],
        )

    def _verdict(self, rule: str, essms: tuple[str, ...]) -> dict[str, Any]:
        said = VerdictView(rule, essms, "fail", "Refus planté (fictif).", "mesure", None, {}, (), False, None)
        return asdict(said)

    def _lines(self, order: PlantedOrder) -> Rows:
        advance, solde = share(order.unit_cents, self._nation.terms.advance_percent)
        parties = self._parties(order)
        for finess in order.lines:
            amounts = (order.unit_cents, order.unit_cents, self._nation.terms.advance_percent)
            yield parties[0], finess, *parties[1:], *amounts, advance, solde

    def _claims(self, order: PlantedOrder) -> Rows:
        if order.state == "rejected":
            return
        parties = self._parties(order)
        for finess in order.lines:
            released: tuple[datetime | None, str | None] = (None, None)
            if finess not in order.held:
                reason = order.state if order.state in OVER else "removed_from_perimeter"
                released = (order.ending.at if order.ending else order.received_at + _LAPSES, reason)
            yield self._nation.terms.vague, finess, "order", *parties, order.received_at, *released

    def _reservation(self, made: PlantedReservation) -> tuple[Any, ...]:
        terms = self._nation.terms
        supplier, og = self._supplier(made.supplier), self._og(made.place.og)
        product = f"{solution_of(made.supplier)}-1"
        parties = (made.id, made.number, terms.vague, made.place.dispositif, supplier, og, made.place.og)
        until = made.reserved_at + _RESERVED
        return *parties, product, 1, 1, 0, "active", 1, made.reserved_at, until, 0, self._digest

    def _reservation_line(self, made: PlantedReservation) -> tuple[Any, ...]:
        return made.id, made.place.finess, self._supplier(made.supplier), self._og(made.place.og)

    def _reservation_claim(self, made: PlantedReservation) -> tuple[Any, ...]:
        line = self._reservation_line(made)
        held = (self._nation.terms.vague, made.place.finess, "reservation", made.id, *line[2:])
        return *held, made.reserved_at, None, None

    def _cancellation(self, order: PlantedOrder) -> tuple[Any, ...]:
        assert order.ending is not None
        at, person = order.ending.at, self._person(order.supplier)
        return (
            self._nation.id("cancellation", order.id),
            *self._parties(order),
            1,
            "carried_out",
            2,
            order.ending.motive,
            order.ending.for_acquisition,
            ["statement"],
            at,
            person,
            self._supplier(order.supplier),
            "editor",
            at,
            [],
            self._digest,
            at.date(),
            at,
            person,
            "editor",
        )

    def _request(self, order: PlantedOrder) -> tuple[Any, ...]:
        at, said = order.solde_asked_at, "La commande a pris fin."
        return (
            self._nation.id("solde", order.id),
            *self._parties(order),
            "solde",
            "inadmissible",
            2,
            at,
            at,
            said,
        )

    def _va(self, order: PlantedOrder) -> tuple[Any, ...]:
        said: tuple[Any, ...] = (self._person(order.supplier), [], self._digest, order.signed_on)
        at = order.received_at + _SIGNED_AFTER
        text = (_STATEMENT, hashlib.sha256(_STATEMENT.encode()).digest())
        return self._va_id(order), *self._parties(order), 1, "signed", 2, len(order.lines), *text, at, *said

    def _signature(self, order: PlantedOrder) -> tuple[Any, ...]:
        return (
            self._va_id(order),
            *self._parties(order),
            "eidas_simple",
            hashlib.sha256(_STATEMENT.encode()).digest(),
            "Lu et approuvé (fictif)",
            self._nation.signers[order.id],
            "Direction",
            order.received_at + _SIGNED_AFTER,
            "eidas_simple",
            {"planted": True},
            [],
            self._digest,
            order.signed_on,
        )

    def _va_id(self, order: PlantedOrder) -> UUID:
        return self._nation.id("va", order.id)

    def _account(self, supplier: int, rank: int) -> tuple[Any, ...]:
        account = self._nation.id("account", supplier)
        return account, self._supplier(supplier), _iban(rank), "AGRIFRPP", hashlib.sha256(b"").digest()

    def _account_change(self, supplier: int, rank: int) -> tuple[Any, ...]:
        account, iban = self._nation.id("account", supplier), _iban(rank)
        asked = datetime.combine(self._nation.terms.working_days[0], time(9), PARIS)
        masked = f"{iban[:4]} •••• {iban[-4:]}"
        return account, self._supplier(supplier), "editor", masked, asked, self._person(supplier)


_DECISIONS = {"rejected": "refused", "to_review": "to_review"}
_SIGNED_AFTER = timedelta(days=60)
_STATEMENT = "Attestation plantée (fictive)."


def _iban(rank: int) -> str:
    """An invented French account with a valid key."""
    body = f"3000600001{rank:011d}00"
    key = 98 - int(f"{body}152700") % 97  # F and R are 15 and 27
    return f"FR{key:02d}{body}"
