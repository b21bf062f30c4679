"""What a decided conflict does to its orders, in the transaction that executes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import tell
from sons_tracker.operations.calendar_moves import follow_calendar
from sons_tracker.operations.case_files import load_facts, order_file
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.endings import DECIDED, Ending, end_order, unplan
from sons_tracker.operations.recoveries import open_recovery
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.actions import Reason, reason_of
from sons_tracker.rules.assessment import Assessment, assess
from sons_tracker.rules.conflicts import CaseFile, loses, state_fr, takes_over
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.french import count_fr
from sons_tracker.rules.life_endings import advance_settled, no_solde_asked
from sons_tracker.rules.schedule import Deadline, Reminder
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome


async def carry_out(
    con: asyncpg.Connection, actor: Actor, case: CaseFile, law: Law, at: datetime
) -> dict[str, Any] | tuple[Reason, ...]:
    """Executes the approved decision of a locked case; returns what was done, or why it cannot be.

    A refused order loses the ESSMS of the case: all it has, and it is rejected; some, and it goes on without
    them. The order that was refused for it takes its place whole, if the law lets it (C17). A grant is not
    ours to refuse: the history says that it is signalled.
    """
    decision = case.decision
    assert decision is not None, "the case is decided"
    orders = sorted((side.order_id for side in case.orders if side.order_id is not None), key=str)
    dossiers = {one: await load_dossier(con, actor, one, at, lock=True) for one in orders}
    source = f"Décision du conflit {case.number}"
    done: dict[str, Any] = {"outcome": decision.outcome, "lost": {}, "retained": None, "signalled": []}
    for side in case.sides:
        if side.side not in decision.refused:
            continue
        if side.order_id is None:
            done["signalled"].append(side.grant_reference)
        elif loses(side):
            lost = await lose(con, actor, dossiers[side.order_id], case.essms, source, law, at)
            if isinstance(lost, tuple):
                return lost
            done["lost"][side.order_number] = lost
    winner = takes_over(case)
    if winner is not None and winner.order_id is not None:
        against = await retain(con, actor, dossiers[winner.order_id], source, law, at)
        if against:
            return against
        done["retained"] = winner.order_number
    return done


async def lose(
    con: asyncpg.Connection,
    actor: Actor,
    dossier: Dossier,
    essms: Sequence[str],
    source: str,
    law: Law,
    at: datetime,
) -> list[str] | tuple[Reason, ...]:
    """Takes these ESSMS from a live order, in the caller's transaction; returns those that it held.

    What is planned for them is taken back from the ledger; what was paid is compensated in the solde (C10),
    or, once the order is settled, to recover.
    """
    lost = sorted(line.finess for line in dossier.kept if line.finess in set(essms))
    if len(lost) == len(dossier.kept):
        ending = Ending("rejected", DECIDED, source, {"essms": lost})
        await end_order(con, actor, at, dossier, ending)
        return lost
    if against := _against_part(dossier, law, at):
        return against
    await con.execute(
        "update claim set released_at = $3, release_reason = 'decided'"
        " where order_id = $1 and finess_geographique = any($2) and released_at is null",
        dossier.id,
        lost,
        at,
    )
    await unplan(con, {dossier.id: at}, DECIDED, essms=tuple(lost))
    if dossier.state == "settled":
        for payment in await con.fetch(_RECEIVED, dossier.id, lost):
            await open_recovery(con, actor, at, payment["id"], payment["received"], DECIDED, source)
    await tell(con, actor, at, "order.essms_lost", dossier, {"essms": lost, "source": source})
    return lost


_RECEIVED = """
select p.id, sum(e.amount_ttc_cents)::bigint as received from payment p
join ledger_entry e on e.payment_id = p.id and e.movement <> 'planned' and e.finess_geographique = any($2)
where p.order_id = $1 and p.state = 'paid'
group by p.id, p.kind having sum(e.amount_ttc_cents) > 0 order by p.kind
"""


def _against_part(dossier: Dossier, law: Law, at: datetime) -> tuple[Reason, ...]:
    """Why an order cannot lose a part of its ESSMS now: an amount that is fixed and not paid yet."""
    if dossier.state != "settled":
        return (*advance_settled(dossier, law, at), *no_solde_asked(dossier, law, at))
    if any(payment.state != "paid" for payment in dossier.payments):
        return (
            Reason(
                f"Un versement de la commande {dossier.number} est déjà à recouvrer, ou n'est pas payé.",
                "Attendre la fin de ce recouvrement, puis exécuter la décision.",
            ),
        )
    return ()


async def retain(
    con: asyncpg.Connection, actor: Actor, dossier: Dossier, source: str, law: Law, at: datetime
) -> tuple[Reason, ...]:
    """Gives an order the ESSMS that it was refused (C17), or that it could not take again (C16), all of them;
    returns why not, or nothing.

    It is assessed again with the facts of its deposit and the law of today, as if the other had not been
    there. Its planned payments and its deadlines begin now.
    """
    assessment = await _assessed(con, dossier.id, law, at)
    failed = [verdict for verdict in assessment.verdicts if verdict.outcome is Outcome.FAIL]
    if failed:
        return tuple(reason_of(verdict) for verdict in failed)
    if dossier.total_ttc_cents is None:
        return (Reason(f"La commande {dossier.number} n'a pas de montant : elle ne peut être reprise."),)
    lapsed = dossier.state == "lapsed"
    waiting = "waiting_referencing" if assessment.conditional or lapsed else "submitted"
    state = "to_review" if not lapsed and await _held_at_deposit(con, dossier.id) else waiting
    await con.execute("update purchase_order set state = $2 where id = $1", dossier.id, state)
    essms = [line.finess for line in dossier.kept]
    taken = await con.fetch(
        "insert into claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id,"
        " claimed_at) select $1, finess, 'order', $2, $3, $4, $5 from unnest($6::text[]) as finess"
        " order by finess on conflict (vague, finess_geographique) where released_at is null do nothing"
        " returning finess_geographique",
        dossier.vague,
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        at,
        essms,
    )
    missing = sorted(set(essms) - {row["finess_geographique"] for row in taken})
    if missing:
        return (
            Reason(
                f"{count_fr(len(missing), 'ESSMS', 'ESSMS')} de la commande {dossier.number}"
                f" ({', '.join(missing)}) sont encore engagés ailleurs : elle est"
                f" {state_fr(dossier.state)} et ne peut être reprise en partie.",
                "Instruire d'abord le conflit qui porte sur ces ESSMS.",
                "R05",
            ),
        )
    if lapsed:  # its payments are planned since its deposit; a text may have moved its calendar meanwhile
        await tell(con, actor, at, "order.reopened", dossier, {"reading": "C16", "source": source})
        await follow_calendar(con, actor, law, at, [dossier.id])
        return ()
    await con.execute(
        "insert into payment (order_id, supplier_id, og_id, kind, state, amount_ttc_cents,"
        " order_advance_ttc_cents, order_solde_ttc_cents, condition)"
        " select o.id, o.supplier_id, o.og_id, p.kind, 'planned',"
        " case p.kind when 'advance' then o.advance_ttc_cents else o.solde_ttc_cents end,"
        " o.advance_ttc_cents, o.solde_ttc_cents, p.condition"
        " from purchase_order o, unnest($2::text[], $3::text[]) as p (kind, condition) where o.id = $1"
        " and case p.kind when 'advance' then o.advance_ttc_cents else o.solde_ttc_cents end > 0",
        dossier.id,
        [payment.kind for payment in assessment.payments],
        [payment.condition for payment in assessment.payments],
    )
    await _plan(con, dossier, assessment, at)
    await tell(con, actor, at, "order.retained", dossier, {"state": state, "source": source})
    return ()


async def _assessed(con: asyncpg.Connection, order_id: UUID, law: Law, at: datetime) -> Assessment:
    file = await order_file(con, order_id)
    facts = await load_facts(con, [file], [law], known_on(at))
    (case,) = facts.cases(file, [law])
    return assess(case, law, file.signed_on, known_on(at))


async def _held_at_deposit(con: asyncpg.Connection, order_id: UUID) -> bool:
    """Whether the deposit left a verdict for a person to settle, besides the one that a conflict settled."""
    found: bool = await con.fetchval(
        "select exists (select from purchase_order o, jsonb_to_recordset(o.verdicts) as v (outcome text)"
        " where o.id = $1 and v.outcome in ('review', 'unknown'))",
        order_id,
    )
    return found


async def _plan(con: asyncpg.Connection, dossier: Dossier, assessment: Assessment, at: datetime) -> None:
    """Its deadlines, as at a deposit; of the reminders those that are still to come."""
    planned: list[Deadline | Reminder] = [
        *assessment.deadlines,
        *(reminder for reminder in assessment.reminders if reminder.at > at),
    ]
    await con.execute(
        "insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
        " select d.rule, $1::uuid::text, d.due_at, d.kind, $1, $2, $3, d.facts"
        " from unnest($4::text[], $5::timestamptz[], $6::text[], $7::jsonb[])"
        " as d (rule, due_at, kind, facts)",
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        [one.rule for one in planned],
        [one.at for one in planned],
        [one.kind for one in planned],
        [one.facts for one in planned],
    )
