"""Reading suppliers: one whole or pages of them, as far as the actor may see."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, allowed, require, sees_all
from sons_tracker.operations.enrolment import enrolment_of, enrolments_of
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.supplier_views import (
    ChangeState,
    ChangeView,
    FileView,
    Mandate,
    SupplierPage,
    SupplierSummary,
    SupplierView,
    Who,
    change_actions,
    supplier_actions,
)
from sons_tracker.rules.lifecycle import SUPPLIER

_UNKNOWN = "Aucun fournisseur visible ne porte cet identifiant."


async def find_supplier(actor: Actor, supplier_id: UUID, at: datetime) -> SupplierView:
    """A supplier at the business instant `at`: the actor's own, or any for an agent.

    The numbers of its accounts are shown to its members and to the payer, masked to everyone else.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown supplier and for another organisation.
    """
    require(actor, "supplier.read")
    async with transaction(actor.context, read_only=True) as con:
        return await load_supplier(con, actor, supplier_id, at, numbers=True)


async def list_suppliers(
    actor: Actor, at: datetime, after: UUID | None, limit: int, state: str | None = None
) -> SupplierPage:
    """A page of at most `limit` editors and distributors, with their enrolment at `at`.

    `state` keeps the suppliers whose latest file is in that state, or with `absent` those that have none.

    Raises:
        SonsError: `FORBIDDEN` for who is no agent.
    """
    require(actor, "supplier.list")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(_PAGE, after, limit + 1, at, state)
        known = await enrolments_of(con, [row["id"] for row in rows], at)
    found = tuple(SupplierSummary(**dict(row), enrolment=known.get(row["id"])) for row in rows[:limit])
    return SupplierPage(found, found[-1].id if len(rows) > limit else None)


_PAGE = """
select o.id, o.kind, o.name, o.siren from organisation o
where o.kind in ('editor', 'distributor') and ($1::uuid is null or o.id > $1)
  and ($4::text is null or $4 = coalesce(
    (select coalesce(d.decision, 'submitted') from enrolment e
     left join enrolment_decision d on (d.supplier_id, d.number) = (e.supplier_id, e.number)
       and d.decided_at <= $3
     where e.supplier_id = o.id and e.submitted_at <= $3 order by e.number desc limit 1), 'absent'))
order by o.id limit $2
"""
_FILE = """
select e.*, p.name as submitter, d.decision, d.decided_at, coalesce(d.reasons, '{}') as reasons,
  array(select array[kind, encode(sha256, 'hex')] from enrolment_piece i
        where (i.supplier_id, i.number) = (e.supplier_id, e.number) order by kind) as pieces
from enrolment e left join person p on p.id = e.submitted_by
left join enrolment_decision d on (d.supplier_id, d.number) = (e.supplier_id, e.number)
  and d.decided_at <= $2
where e.supplier_id = $1 and e.submitted_at <= $2 order by e.number desc limit 1
"""
_CHANGES = """
select c.*, a.iban, a.bic, asker.name as requester, other.name as confirmer, stopper.name as stopper
from bank_account_change c
left join bank_account a on a.id = c.id and $3
left join person asker on asker.id = c.requested_by
left join person other on other.id = c.confirmed_by
left join person stopper on stopper.id = c.stopped_by
where c.supplier_id = $1 and c.requested_at <= $2
order by c.requested_at desc, c.id
"""
# The list as it is known that day; a version that was referenced once is enough: whether it was on the day of
# a signature is R11's question, asked again for each order.
_LISTED = """
select exists (
  select from referencing r join organisation o on o.id = $1
  where r.solution = $2 and r.valid_from <= $3 and (r.valid_to is null or r.valid_to > $3)
    and r.referenced_from <= $3
    and case o.kind when 'editor' then r.editor_siren = o.siren else exists (
      select from distributor d where d.solution = r.solution and d.distributor_siren = o.siren
        and d.valid_from <= $3 and (d.valid_to is null or d.valid_to > $3) and d.distributes_from <= $3) end)
"""


async def lock_supplier(con: asyncpg.Connection, supplier_id: UUID) -> None:
    """Makes the acts on one supplier follow each other until the transaction ends."""
    await con.execute(
        "select pg_advisory_xact_lock(hashtext('sons.supplier'), hashtext($1))", str(supplier_id)
    )


async def load_supplier(
    con: asyncpg.Connection, actor: Actor, supplier_id: UUID, at: datetime, *, numbers: bool = False
) -> SupplierView:
    """`find_supplier` in the caller's transaction; without `numbers` every account stays masked.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    organisation = None
    if actor.organisation_id == supplier_id or sees_all(actor, "supplier.read"):
        organisation = await con.fetchrow(
            "select id, kind, name, siren from organisation where id = $1 and kind = any($2)",
            supplier_id,
            list(SUPPLIER),
        )
    if organisation is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    row = await con.fetchrow(_FILE, supplier_id, at)
    shown = numbers and allowed(actor, "bank_number.read")
    rows = await con.fetch(_CHANGES, supplier_id, at, shown)
    started = [one for one in rows if one["stopped_at"] is None and _has_begun(one, at)]
    in_force = max(started, key=lambda one: one["takes_effect_at"])["id"] if started else None
    view = SupplierView(
        **dict(organisation),
        enrolment=await enrolment_of(con, supplier_id, at),
        file=None if row is None else _file(row),
        changes=tuple(_change(one, actor, at, in_force) for one in rows),
    )
    listed = False
    if view.file is not None and allowed(actor, "enrolment.decide"):
        listed = await con.fetchval(_LISTED, supplier_id, view.file.solution, known_on(at))
    return replace(view, actions=supplier_actions(view, actor, listed=listed))


def _has_begun(row: Any, at: datetime) -> bool:
    return row["takes_effect_at"] is not None and row["takes_effect_at"] <= at


def _file(row: Any) -> FileView:
    mandate = None
    if row["mandated_id"] is not None:
        mandate = Mandate(row["mandated_id"], row["mandate_from_on"], row["mandate_to_on"])
    return FileView(
        number=row["number"],
        submitted_at=row["submitted_at"],
        submitted_by=Who(row["submitted_by"], row["submitter"]),
        certificate_reference=row["certificate_reference"],
        solution=row["solution"],
        representative_name=row["representative_name"],
        representative_function=row["representative_function"],
        representative_id=row["representative_id"],
        mandate=mandate,
        vat_liable=row["vat_liable"],
        vat_from_on=row["vat_from_on"],
        pieces=tuple((kind, digest) for kind, digest in row["pieces"]),
        decision=row["decision"],
        decided_at=row["decided_at"],
        reasons=tuple(row["reasons"]),
    )


def _change(row: Any, actor: Actor, at: datetime, in_force: UUID | None) -> ChangeView:
    state: ChangeState
    if row["stopped_at"] is not None:
        state = "stopped"
    elif row["takes_effect_at"] is None:
        state = "asked"
    elif not _has_begun(row, at):
        state = "confirmed"
    else:
        state = "in_force" if row["id"] == in_force else "replaced"
    view = ChangeView(
        id=row["id"],
        iban_masked=row["iban_masked"],
        iban=row["iban"],
        bic=row["bic"],
        state=state,
        requested_at=row["requested_at"],
        requested_by=Who(row["requested_by"], row["requester"]),
        confirmed_at=row["confirmed_at"],
        confirmed_by=_who(row["confirmed_by"], row["confirmer"]),
        takes_effect_at=row["takes_effect_at"],
        stopped_at=row["stopped_at"],
        stopped_by=_who(row["stopped_by"], row["stopper"]),
    )
    return replace(view, actions=change_actions(view, actor))


def _who(person_id: UUID | None, name: str | None) -> Who | None:
    return None if person_id is None else Who(person_id, name)
