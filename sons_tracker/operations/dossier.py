"""Loading the life of an order: what decides what can be done with it now."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, sees_all
from sons_tracker.operations.enrolment import enrolment_of
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.signatories import signatory_of
from sons_tracker.rules.case import Referencing
from sons_tracker.rules.dossier import (
    Dossier,
    DossierAmendment,
    DossierCancellation,
    DossierLine,
    DossierPayment,
    DossierRequest,
    DossierVa,
    OpenCorrection,
    OpenVerdict,
    RefusedVerdict,
)

_HELD = ("review", "unknown")
_UNKNOWN = "Aucune commande visible ne porte cet identifiant."

_ORDER = """
select id, number, state, version, dispositif, vague, signed_on, received_at, conditional, supplier_id, og_id,
       og_finess_juridique, solution_version, solution, order_document_sha256 is not null as document,
       total_ttc_cents, verdicts
from purchase_order where id = $1 and ($2 or supplier_id = $3 or og_id = $3)
"""
_LINES = """
select l.finess_geographique as finess, l.unit_ttc_cents, l.advance_ttc_cents, l.solde_ttc_cents,
       exists (select from claim c where c.order_id = l.order_id
               and c.finess_geographique = l.finess_geographique
               and c.release_reason in ('removed_from_perimeter', 'decided')) as removed,
       coalesce(e.planned, 0)::bigint as planned_ttc_cents,
       coalesce(e.received, 0)::bigint as received_ttc_cents
from order_line l
left join (select finess_geographique, sum(amount_ttc_cents) filter (where movement = 'planned') as planned,
                  sum(amount_ttc_cents) filter (where movement <> 'planned') as received
           from ledger_entry where order_id = $1 group by finess_geographique) e using (finess_geographique)
where l.order_id = $1 order by l.finess_geographique
"""
_REQUESTS = """
select id, kind, state, received_at, referenced_on, reason from financing_request
where order_id = $1 order by received_at, id
"""
_PAYMENTS = """
select id, kind, state, amount_ttc_cents, due_ttc_cents, paid_at from payment
where order_id = $1 order by kind
"""
_CORRECTION = """
select id, request_id, kind, reason, asked_at, answer_due_at from correction
where order_id = $1 and answered_at is null
"""
_REFERENCINGS = """
select dispositif, status, complete_file_on, referenced_from, referenced_to from referencing
where solution_version = $1 and dispositif = $2 and valid_from <= $3 and (valid_to is null or valid_to > $3)
order by referenced_from
"""
_VA = """
select v.id, v.state, v.prepared_at, s.signed_at,
       array(select l.finess_geographique from va_line l where l.va_id = v.id order by 1) as essms
from va v left join va_signature s on s.va_id = v.id
where v.order_id = $1 and v.state <> 'withdrawn'
"""
_CANCELLATION = """
select c.id, c.state, c.motive, c.for_acquisition, c.asked_at, c.required, c.answer_due_at, c.document,
       case when c.asked_for = c.og_id then 'og' else 'supplier' end as asked_by,
       array(select p.kind from cancellation_piece p where p.cancellation_id = c.id) as given,
       (select p.given_at from cancellation_piece p
        where p.cancellation_id = c.id and p.kind = 'renunciation') as attested_at
from cancellation c where c.order_id = $1 and c.state in ('open', 'to_settle')
"""
_AMENDMENT = """
select a.id, a.number, a.proposed_by as proposer_id, a.document,
       case when a.proposed_for = a.og_id then 'og' else 'supplier' end as proposed_by,
       array(select l.finess_geographique from amendment_line l
             where l.amendment_id = a.id order by 1) as removed
from amendment a where a.order_id = $1 and a.state = 'proposed'
"""


async def load_dossier(
    con: asyncpg.Connection, actor: Actor, order_id: UUID, at: datetime, *, lock: bool = False
) -> Dossier:
    """The life of an order that the actor may see, as known at the business instant `at`.

    With `lock`, nobody else moves the order until the commit.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown order and for another organisation's.
    """
    row = await con.fetchrow(
        _ORDER + ("for update" if lock else ""),
        order_id,
        sees_all(actor, "order.read"),
        actor.organisation_id,
    )
    if row is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    lines = tuple(DossierLine(**dict(line)) for line in await con.fetch(_LINES, order_id))
    requests = tuple(DossierRequest(**dict(request)) for request in await con.fetch(_REQUESTS, order_id))
    payments = tuple(DossierPayment(**dict(payment)) for payment in await con.fetch(_PAYMENTS, order_id))
    correction = await con.fetchrow(_CORRECTION, order_id)
    return Dossier(
        id=row["id"],
        number=row["number"],
        state=row["state"],
        version=row["version"],
        dispositif=row["dispositif"],
        vague=row["vague"],
        signed_on=row["signed_on"],
        received_at=row["received_at"],
        conditional=row["conditional"],
        supplier_id=row["supplier_id"],
        og_id=row["og_id"],
        og_finess=row["og_finess_juridique"],
        solution_version=row["solution_version"],
        solution=row["solution"],
        order_document_present=row["document"],
        total_ttc_cents=row["total_ttc_cents"],
        lines=lines,
        referencings=await _referencings(con, row["solution_version"], row["dispositif"], known_on(at)),
        requests=requests,
        payments=payments,
        correction=None if correction is None else OpenCorrection(**dict(correction)),
        open_verdicts=_open_verdicts(row, requests),
        refused_verdicts=tuple(
            RefusedVerdict(v["rule"], v["message"], v["remedy"])
            for v in row["verdicts"]
            if v["outcome"] == "fail"
        ),
        missing_enrolment=await _missing_enrolment(con, row["supplier_id"], at),
        va=_va(await con.fetchrow(_VA, order_id)),
        cancellation=_cancellation(await con.fetchrow(_CANCELLATION, order_id)),
        amendment=_amendment(await con.fetchrow(_AMENDMENT, order_id)),
        signatory=await signatory_of(con, actor),
    )


def _va(row: Any | None) -> DossierVa | None:
    return None if row is None else DossierVa(**{**dict(row), "essms": tuple(row["essms"])})


def _cancellation(row: Any | None) -> DossierCancellation | None:
    if row is None:
        return None
    return DossierCancellation(
        **{**dict(row), "required": tuple(row["required"]), "given": tuple(row["given"])}
    )


def _amendment(row: Any | None) -> DossierAmendment | None:
    return None if row is None else DossierAmendment(**{**dict(row), "removed": tuple(row["removed"])})


async def _missing_enrolment(con: asyncpg.Connection, supplier_id: UUID, at: datetime) -> tuple[str, ...]:
    """What the supplier's enrolment lacks; a role that may not see enrolments decides nothing by it."""
    found = await enrolment_of(con, supplier_id, at)
    return ("aucun dossier d'enrôlement n'est déposé",) if found is None else found.missing


async def _referencings(
    con: asyncpg.Connection, version: str, dispositif: str, known: date
) -> tuple[Referencing, ...]:
    """What the list of the ANS known that day says of the version under the dispositif."""
    found = await con.fetch(_REFERENCINGS, version, dispositif, known)
    return tuple(Referencing(**dict(row)) for row in found)


def _open_verdicts(row: Any, requests: tuple[DossierRequest, ...]) -> tuple[OpenVerdict, ...]:
    """The verdicts that hold a deposit; once an advance was validated they are settled, and what is to be
    reviewed is the advance itself (C15)."""
    if row["state"] != "to_review" or any(r.state in ("validated", "paid") for r in requests):
        return ()
    return tuple(
        OpenVerdict(v["rule"], tuple(v["essms"]), v["outcome"], v["message"])
        for v in row["verdicts"]
        if v["outcome"] in _HELD
    )
