"""What time and the list of the ANS do to orders: the 120 days, the clôture, the referencing that comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import savepoint
from sons_tracker.law import load
from sons_tracker.operations.actors import SCHEDULER, Actor
from sons_tracker.operations.acts import OrderParties, tell, tell_all
from sons_tracker.operations.calendar_moves import follow_calendar
from sons_tracker.operations.claims import claiming
from sons_tracker.operations.conflict_acts import open_contests
from sons_tracker.operations.deadlines import Due
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.endings import DELAY_PASSED, Ending, end_order, end_orders
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.catalogue import READINGS, RULES
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.lifecycle import OPEN_STATES
from sons_tracker.rules.referencing import delay_finding
from sons_tracker.rules.verdicts import Outcome


async def complete_file_passed(con: asyncpg.Connection, due: Due, at: datetime) -> None:
    """The delay of a conditional order is over (R12, S0:1602): it lapses, unless a submission within the
    delay is known by now (C16). What is known is looked at when the clock comes round, the lapse is dated by
    the delay."""
    dossier = await _dossier(con, due, at)
    over = max(
        known_on(at), known_on(due.due_at) + timedelta(days=1)
    )  # the clock may stand at the last instant
    if dossier.state != "waiting_referencing" or not _delay_failed(dossier, over):
        return
    ending = Ending("lapsed", DELAY_PASSED, str(RULES["R12"].source), {"rule": "R12"})
    await end_order(con, SCHEDULER, due.due_at, dossier, ending)


_MET = """
select o.id, o.number, o.supplier_id, o.og_id, o.state,
  exists (select from financing_request r where r.order_id = o.id and r.kind = 'solde'
          and r.state <> 'inadmissible') as asked,
  exists (select from va v where v.order_id = o.id and v.state = 'signed') as signed,
  exists (select from payment p where p.order_id = o.id and p.kind = 'advance'
          and p.state in ('paid', 'to_recover')) as advanced
from purchase_order o where o.id = any($1) and o.state = any($2) order by o.id for no key update
"""


async def clotures_passed(con: asyncpg.Connection, dues: Sequence[Due], at: datetime) -> None:
    """The clôture (R21, R22): what is not performed lapses, and a paid advance is to recover (S0:1666).

    A solde asked in time goes on. A VA signed in time whose solde was not asked leaves the advance to a
    reviewer (C15); when no advance is out there is nothing to review.
    """
    instants = {due.order_id: due.due_at for due in dues}
    met = [row for row in await con.fetch(_MET, list(instants), list(OPEN_STATES)) if not row["asked"]]
    held: list[tuple[OrderParties, datetime]] = []
    lost: list[tuple[OrderParties, datetime]] = []
    for row in met:
        performed = row["state"] == "validated" and row["signed"] and row["advanced"]
        order = OrderParties(row["id"], row["number"], row["supplier_id"], row["og_id"])
        (held if performed else lost).append((order, instants[order.id]))
    if held:
        to_review = "update purchase_order set state = 'to_review' where id = any($1)"
        await con.execute(to_review, [order.id for order, _ in held])
        facts = {"rule": "R22", "reading": READINGS["C15"].title}
        await tell_all(con, SCHEDULER, "order.to_review", [(order, at, facts) for order, at in held])
    if lost:
        ending = Ending("lapsed", "cloture", str(RULES["R22"].source), {"rule": "R22"})
        await end_orders(con, SCHEDULER, lost, ending)


async def refused_after_cloture(
    con: asyncpg.Connection, actor: Actor, at: datetime, dossier: Dossier
) -> None:
    """A solde has just been declared inadmissible: when the clôture has already met the order, what it would
    have done without that request is done now (R22, C15). The dossier is that of before the refusal."""
    passed = await con.fetchval(
        "select exists (select from deadline where order_id = $1 and kind = 'cloture'"
        " and fired_at is not null) and not exists (select from deadline where order_id = $1"
        " and kind = 'cloture' and fired_at is null and superseded_at is null)",
        dossier.id,
    )
    if not passed:
        return
    advance = dossier.payment("advance")
    if advance is not None and advance.state == "paid":
        await con.execute("update purchase_order set state = 'to_review' where id = $1", dossier.id)
        facts = {"rule": "R22", "reading": READINGS["C15"].title}
        await tell(con, actor, at, "order.to_review", dossier, facts)
    else:
        ending = Ending("lapsed", "cloture", str(RULES["R22"].source), {"rule": "R22"})
        await end_order(con, actor, at, dossier, ending)


async def referencing_came(con: asyncpg.Connection, due: Due, at: datetime) -> None:
    """The day from which the version was announced as referenced: the order waits no longer (R11)."""
    dossier = await _dossier(con, due, at)
    await _referenced(con, SCHEDULER, due.due_at, dossier)


_TOUCHED = """
select distinct o.id from purchase_order o
join referencing r on r.solution_version = o.solution_version and r.dispositif = o.dispositif
  and r.valid_from <= $1 and (r.valid_to is null or r.valid_to > $1)
where o.state = 'waiting_referencing' and r.referenced_from <= $1
   or o.state = 'lapsed' and o.conditional and coalesce(r.complete_file_on, r.referenced_from) is not null
order by o.id
"""


async def follow_list(con: asyncpg.Connection, actor: Actor, at: datetime) -> int:
    """After an import of the ANS list, in its transaction: moves the orders that waited for what it says.

    Orders whose version is referenced are no longer under condition (R11); an order that lapsed is reopened
    when a submission within the delay is learnt, unless an ESSMS was taken meanwhile (C16). `actor` is the
    administrator that imports. Returns the number of orders moved.
    """
    moved = 0
    for row in await con.fetch(_TOUCHED, known_on(at)):
        dossier = await load_dossier(con, actor, row["id"], at, lock=True)
        if dossier.state == "waiting_referencing":
            moved += await _referenced(con, actor, at, dossier)
        elif dossier.state == "lapsed" and _may_reopen(dossier, at):
            moved += await _reopen(con, actor, at, dossier)
    return moved


async def _dossier(con: asyncpg.Connection, due: Due, at: datetime) -> Dossier:
    assert due.order_id is not None
    return await load_dossier(con, SCHEDULER, due.order_id, at, lock=True)


async def _referenced(con: asyncpg.Connection, actor: Actor, at: datetime, dossier: Dossier) -> bool:
    since = dossier.referenced_on(known_on(at))
    if dossier.state != "waiting_referencing" or since is None or _delay_failed(dossier, known_on(at)):
        return False
    await con.execute("update purchase_order set state = 'submitted' where id = $1", dossier.id)
    await _supersede(con, at, dossier.id, ("complete_file", "referencing"))
    facts = {"referenced_on": since.isoformat()}
    await tell(con, actor, at, "order.submitted", dossier, facts)
    return True


def _delay_failed(dossier: Dossier, on: date) -> bool:
    """Whether the delay of R12 is missed, as it stands on that day."""
    dispositif, _ = dispositif_of(load().law, dossier.dispositif)
    finding = delay_finding(dispositif, dossier.referencings, dossier.signed_on, on)
    return finding.outcome is Outcome.FAIL


def _may_reopen(dossier: Dossier, at: datetime) -> bool:
    """Whether a lapsed order lapsed for its delay, and a submission within it is known now (C16).

    The clôture frees for good: after it nothing can be performed.
    """
    dispositif, _ = dispositif_of(load().law, dossier.dispositif)
    cloture = dispositif.cloture.find(known_on(at), known_on(at))
    over = cloture is not None and cloture.value is not None and at > cloture.value.at
    lapsed_for_delay = all(r.state == "inadmissible" for r in dossier.requests) and not any(
        p.state != "planned" for p in dossier.payments
    )
    finding = delay_finding(dispositif, dossier.referencings, dossier.signed_on, known_on(at))
    return lapsed_for_delay and not over and finding.outcome is Outcome.PASS


_RETAKE = """
insert into claim (vague, finess_geographique, holder_kind, holder_id, supplier_id, og_id, claimed_at)
select $1, finess, 'order', $2, $3, $4, $5 from unnest($6::text[]) as finess order by finess
on conflict (vague, finess_geographique) where released_at is null do nothing
returning finess_geographique
"""


async def _reopen(con: asyncpg.Connection, actor: Actor, at: datetime, dossier: Dossier) -> bool:
    essms = [line.finess for line in dossier.kept]
    taken: set[str] = set()
    try:
        async with savepoint(con):
            await con.execute(
                "update purchase_order set state = 'waiting_referencing' where id = $1", dossier.id
            )
            with claiming(_TakenError):
                held = await con.fetch(
                    _RETAKE,
                    dossier.vague,
                    dossier.id,
                    dossier.supplier_id,
                    dossier.og_id,
                    at,
                    essms,
                )
            taken = set(essms) - {row["finess_geographique"] for row in held}
            if taken:
                raise _TakenError
    except _TakenError:
        if not taken:  # it is an old number of one of them that is held
            rows = await con.fetch("select finess_geographique from engaged($1, $2)", dossier.vague, essms)
            taken = {row["finess_geographique"] for row in rows}
        facts = {"reading": "C16", "essms_taken": sorted(taken)}
        await tell(con, actor, at, "order.reopening_refused", dossier, facts)
        await open_contests(con, actor, at, dossier, _TAKEN_MEANWHILE, "", load().law)
        return False
    await tell(con, actor, at, "order.reopened", dossier, {"reading": "C16"})
    # a text may have moved its fermeture and its clôture while it was over
    await follow_calendar(con, actor, load().law, at, [dossier.id])
    reopened = await load_dossier(con, actor, dossier.id, at)
    await _referenced(con, actor, at, reopened)
    return True


async def _supersede(con: asyncpg.Connection, at: datetime, order_id: UUID, kinds: tuple[str, ...]) -> None:
    """The deadlines of these kinds, and their reminders, have nothing to say any more."""
    await con.execute(
        "update deadline set superseded_at = $2 where order_id = $1 and fired_at is null"
        " and superseded_at is null and (kind = any($3) or kind = 'reminder' and facts ->> 'of' = any($3))",
        order_id,
        at,
        list(kinds),
    )


_TAKEN_MEANWHILE = (
    "Un dossier complet remis dans le délai rouvre cette commande, mais une autre engage ses ESSMS depuis."
)


class _TakenError(Exception):
    """An ESSMS of a lapsed order was taken meanwhile: nothing of the reopening stands."""
