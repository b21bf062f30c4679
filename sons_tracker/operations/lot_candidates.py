"""What may enter a payment lot, and why the rest may not: asked when it is prepared, and when approved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from sons_tracker.operations.enrolment import Enrolment, enrolments_of
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.case import Referencing
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.french import date_fr
from sons_tracker.rules.lifecycle import ORDER_WORDS, PAYMENT_WORDS

MOST_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A payment that somebody would put into a lot, with what decides it; amounts in cents TTC.

    `referenced_on` is the day that the validated request of its kind rests on (R11), None without one.
    `ending`: a cancellation of its order is asked and not carried out.
    """

    payment_id: UUID
    state: str
    kind: str
    due_ttc_cents: int | None
    order_id: UUID
    order_number: str
    order_state: str
    supplier_id: UUID
    og_id: UUID
    solution_version: str
    dispositif: str
    referenced_on: date | None
    ending: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate, the account that it would be paid to, and what stands against it: nothing, or reasons."""

    candidate: Candidate
    bank_account_id: UUID | None
    reasons: tuple[Reason, ...]


# The order first, then its payment, as everything that moves an order does; in one order among themselves.
_CANDIDATES = """
select p.id as payment_id, p.state, p.kind, p.due_ttc_cents, o.id as order_id, o.number as order_number,
  o.state as order_state, o.supplier_id, o.og_id, o.solution_version, o.dispositif, r.referenced_on,
  exists (select from cancellation c where c.order_id = o.id and c.state in ('open', 'to_settle')) as ending
from purchase_order o join payment p on p.order_id = o.id
left join financing_request r on r.order_id = p.order_id and r.kind = p.kind and r.state = 'validated'
where {which}
order by o.id, p.id for update of o, p
"""
_ASKED = _CANDIDATES.format(which="p.id = any($1)")
_DUE = _CANDIDATES.format(
    which="p.state = 'due' and p.id in"
    " (select id from payment where state = 'due' order by due_at, id limit $1)"
)
_LISTED = """
select v.version, v.dispositif, r.status, r.complete_file_on, r.referenced_from, r.referenced_to
from unnest($1::text[], $2::text[]) as v (version, dispositif)
join referencing r on r.solution_version = v.version and r.dispositif = v.dispositif
  and r.valid_from <= $3 and (r.valid_to is null or r.valid_to > $3)
"""


async def lock_candidates(con: asyncpg.Connection, payments: Sequence[UUID] | None) -> list[Candidate]:
    """These payments, or the oldest `MOST_LINES` that are due; nobody else moves them until the commit.

    A payment that another transaction has just taken is found as that one left it, or no longer found due.
    """
    rows = await (con.fetch(_DUE, MOST_LINES) if payments is None else con.fetch(_ASKED, list(payments)))
    return [Candidate(**dict(row)) for row in rows]


async def judge(
    con: asyncpg.Connection, candidates: Sequence[Candidate], at: datetime, state: str = "due"
) -> list[Judged]:
    """What stands against paying each, in a constant number of statements; `state`: where it must stand.

    R11 is asked again: the day that the request rests on must still be covered by the list as known at `at`.
    """
    enrolments = await enrolments_of(con, sorted({c.supplier_id for c in candidates}), at)
    versions = sorted({(c.solution_version, c.dispositif) for c in candidates})
    listed: dict[tuple[str, str], list[Referencing]] = {}
    rows = await con.fetch(_LISTED, [v for v, _ in versions], [d for _, d in versions], known_on(at))
    for row in rows:
        facts = dict(row)
        listed.setdefault((facts.pop("version"), row["dispositif"]), []).append(Referencing(**facts))
    return [
        Judged(
            one,
            _account(enrolments.get(one.supplier_id)),
            _reasons(
                one,
                state,
                enrolments.get(one.supplier_id),
                listed.get((one.solution_version, one.dispositif), []),
            ),
        )
        for one in candidates
    ]


def _account(enrolment: Enrolment | None) -> UUID | None:
    return None if enrolment is None else enrolment.bank_account_id


def _reasons(
    one: Candidate, state: str, enrolment: Enrolment | None, listed: list[Referencing]
) -> tuple[Reason, ...]:
    reasons: list[Reason] = []
    if one.state != state:
        now, wanted = PAYMENT_WORDS[one.state], PAYMENT_WORDS[state]
        reasons.append(Reason(f"Ce versement est « {now} » ; il faudrait qu'il soit « {wanted} »."))
    if one.order_state != "validated":
        word = ORDER_WORDS[one.order_state]
        reasons.append(Reason(f"La commande {one.order_number} est « {word} » : plus rien n'est à payer."))
    if one.ending:
        reasons.append(
            Reason(
                f"Une annulation de la commande {one.order_number} est demandée et n'est pas achevée.",
                "Attendre la fin de cette annulation ; le versement entrera dans un lot suivant.",
            )
        )
    if one.referenced_on is None:
        reasons.append(Reason("Aucune demande validée ne fonde ce versement."))
    elif not any(line.covers(one.referenced_on) for line in listed):
        reasons.append(
            Reason(
                f"La liste de l'ANS connue ce jour ne dit plus la version {one.solution_version} référencée"
                f" le {date_fr(one.referenced_on)}, jour retenu à la validation.",
                "Faire vérifier le référencement ; le versement pourra entrer dans un lot suivant.",
                "R11",
                str(RULES["R11"].source),
            )
        )
    if enrolment is None or not enrolment.complete:
        missing = ("aucun dossier n'est déposé",) if enrolment is None else enrolment.missing
        reasons.append(
            Reason(
                f"Le fournisseur n'est pas enrôlé : {' ; '.join(missing)}.",
                "Compléter l'enrôlement ; le versement entrera dans un lot suivant.",
            )
        )
    return tuple(reasons)
