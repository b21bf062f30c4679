"""What a reviewer settles: verdicts that hold a deposit, an advance that the clôture left in doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from sons_tracker.db.journal import Said
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform, tell
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.endings import Ending, end_order, release_claims, unplan
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.recoveries import open_recovery
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import READINGS, RULES
from sons_tracker.rules.deeds import reasons
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.texts import Law

LIFTED, UPHELD = "lifted", "upheld"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The decision on the open verdicts of one rule: `lifted` lets the order go on, `upheld` rejects it."""

    rule: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The state of the order after a decision."""

    order_id: UUID
    order_number: str
    state: str


Render = Callable[[Settled | Refused], Answer]


async def settle_review(
    actor: Actor,
    order_id: UUID,
    settlements: tuple[Settlement, ...],
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Settles every open verdict of an order, rule by rule, each with a reason.

    One upheld verdict rejects the order and frees its ESSMS; all lifted, it goes on as if accepted.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` when the rules are not exactly the open ones,
            and those of `perform`.
    """
    require(actor, "order.review")

    async def work(con: asyncpg.Connection) -> Settled | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = reasons("settle_review", dossier, law, at)
        if against:
            return Refused("review.refused", "order", str(order_id), against)
        _check_rules(dossier, settlements)
        parties = (dossier.supplier_id, dossier.og_id)
        rejected = any(s.decision == UPHELD for s in settlements)
        if not rejected and dossier.total_ttc_cents is None:
            return Refused("review.refused", "order", str(order_id), (_NO_AMOUNT,))
        await con.executemany(
            "insert into verdict_settlement (order_id, rule, supplier_id, og_id, decision, reason,"
            " decided_at, decided_by) values ($1, $2, $3, $4, $5, $6, $7, $8)",
            [(order_id, s.rule, *parties, s.decision, s.reason, at, actor.person_id) for s in settlements],
        )
        if rejected:
            state = "rejected"
        else:
            waits = dossier.conditional and dossier.referenced_on(known_on(at)) is None
            state = "waiting_referencing" if waits else "submitted"
        await con.execute("update purchase_order set state = $2 where id = $1", order_id, state)
        if rejected:
            await release_claims(con, {order_id: at}, "rejected")
            await con.execute(
                "update deadline set superseded_at = $2 where order_id = $1 and fired_at is null"
                " and superseded_at is null",
                order_id,
                at,
            )
        facts = {
            "state": state,
            "settled": [
                {"rule": s.rule, "decision": s.decision, "reason": Said(s.reason)} for s in settlements
            ],
        }
        await tell(con, actor, at, "review.settled", dossier, facts)
        return Settled(order_id, dossier.number, state)

    return await perform(actor, at, key, work, render)


async def settle_advance(
    actor: Actor,
    order_id: UUID,
    keep: bool,
    reason: str,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Decides of a paid advance whose VA was in time and whose solde was not asked in time (C15).

    Kept: the order is settled at its advance, the solde is lost. Otherwise the advance is to recover (R22).
    One that the bank gave back meanwhile cannot be kept; the order then lapses with nothing to recover.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, and those of `perform`.
    """
    require(actor, "advance.settle")

    async def work(con: asyncpg.Connection) -> Settled | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = reasons("settle_advance", dossier, law, at)
        if against:
            return Refused("review.refused", "order", str(order_id), against)
        if not keep:
            ending = Ending("lapsed", "reclaimed", str(RULES["R22"].source), {"motivation": Said(reason)})
            await end_order(con, actor, at, dossier, ending)
            return Settled(order_id, dossier.number, "lapsed")
        if not dossier.advance_is_out:
            return Refused("review.refused", "order", str(order_id), (_GIVEN_BACK,))
        await unplan(con, {order_id: at}, "order_ended", kind="solde")
        await con.execute("update purchase_order set state = 'settled' where id = $1", order_id)
        # what was advanced for an ESSMS that left the perimeter has no solde left to be compensated in (C10)
        advance = dossier.payment("advance")
        removed = sum(line.received_ttc_cents for line in dossier.lines if line.removed)
        if advance is not None and removed:
            await open_recovery(con, actor, at, advance.id, removed, "over_advance", _REMOVED)
        facts = {"motivation": Said(reason), "source": str(RULES["R22"].source)}
        await tell(con, actor, at, "advance.kept", dossier, facts)
        return Settled(order_id, dossier.number, "settled")

    return await perform(actor, at, key, work, render)


_REMOVED = f"Lecture C10 : {READINGS['C10'].title}"
_GIVEN_BACK = Reason(
    "La banque a rendu l'avance depuis la clôture : il n'y a plus d'avance à garder.",
    "Décider que l'avance n'est pas acquise ; rien ne sera à recouvrer.",
    "R22",
    str(RULES["R22"].source),
)
_NO_AMOUNT = Reason(
    "La commande n'a pas de montant : la tranche de l'organisme gestionnaire n'est pas connue.",
    "Charger l'extraction FINESS de référence, puis faire déposer une nouvelle commande.",
    "R14",
    str(RULES["R14"].source),
)


def _check_rules(dossier: Dossier, settlements: tuple[Settlement, ...]) -> None:
    """Each open rule is settled, once, and no other."""
    wanted = {verdict.rule for verdict in dossier.open_verdicts}
    given = [settlement.rule for settlement in settlements]
    told = (
        ("Le verdict de la règle {} n'est pas réglé.", wanted - set(given)),
        ("La règle {} n'a pas de verdict en attente.", set(given) - wanted),
        ("La règle {} est citée deux fois.", {rule for rule in given if given.count(rule) > 1}),
    )
    faults = [
        Fault("$.settlements", sentence.format(rule)) for sentence, rules in told for rule in sorted(rules)
    ]
    if faults:
        raise SonsError(
            ErrorCode.INVALID_REQUEST,
            "Chaque verdict en attente doit être réglé une fois, et lui seul.",
            tuple(faults),
        )
