"""Why an ESSMS is refused, engaged or in conflict: the chain of facts, the verdicts, and what would change.

One answer for one ESSMS and a reader: what is hidden from a role is hidden here, on top of the rows that the
database gives it. An OG sees its own ESSMS, a supplier those of its own orders, the agencies all of them;
another's is not found, like one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, allowed, require, sees_all
from sons_tracker.operations.cases import registered_grant
from sons_tracker.operations.essms_facts import CaseOfEssms, Chain, Fact, grant_day, read_chain
from sons_tracker.operations.order_replays import (
    DECIDED,
    KNOWN,
    MODES,
    Difference,
    Replay,
    compare,
    read_order_row,
    replay,
)
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.views import VerdictView, verdict_view
from sons_tracker.rules.case import SonsOrder
from sons_tracker.rules.crossing import phase_of
from sons_tracker.rules.crossing_pair import pair_finding, situations
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome, Verdict

_UNKNOWN = "Aucun ESSMS visible ne porte ce numéro."


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about an ESSMS: the vague, the number of an order, the mode, and what it is set against.

    `law_known_on` belongs to the mode `known`; `against` is the mode that it is compared with.
    """

    finess: FinessGeographique
    vague: str | None = None
    order: str | None = None
    mode: str = DECIDED
    law_known_on: date | None = None
    against: str = DECIDED


@dataclass(frozen=True, slots=True)
class ExplainedOrder:
    """An order that names the ESSMS, with what the law says of it in the mode asked, and the difference."""

    number: str
    state: str
    signed_on: date
    received_at: datetime
    replay: Replay
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class ExplainedPair:
    """What the law says of an order and a component of a grant of the ESSMS, whichever came first."""

    order: str
    grant: str
    component: str
    verdict: VerdictView


@dataclass(frozen=True, slots=True)
class Explanation:
    """One ESSMS explained.

    `financing`: `free`, `reserved` or `engaged` for each vague, told to every reader.
    """

    finess: str
    mode: str
    against: str | None
    at: datetime
    known_on: date
    financing: dict[str, str]
    facts: tuple[Fact, ...]
    orders: tuple[ExplainedOrder, ...]
    pairs: tuple[ExplainedPair, ...]
    conflicts: tuple[CaseOfEssms, ...]


async def explain(actor: Actor, question: Question, law: Law, at: datetime) -> Explanation:
    """The explanation of an ESSMS at the business instant `at`, under the texts of `law`.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` for an unknown vague or mode, or a day that does not go with
            it; `NOT_FOUND`, the same for an unknown ESSMS, another's, and an order that does not name it.
    """
    require(actor, "explanation.read")
    _check(question, law)
    async with transaction(actor.context, isolation="repeatable_read", read_only=True) as con:
        chain = await read_chain(con, question.finess, question.vague)
        await _refuse_stranger(con, actor, chain)
        orders = [row for row in chain.orders if question.order in (None, row["number"])]
        if question.order is not None and not orders:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        explained = [await _explained(con, actor, row, question, chain, law, at) for row in orders]
        financing = {}
        for vague in sorted(law.vagues) if question.vague is None else [question.vague]:
            kind = await con.fetchval(
                "select holder_kind from engaged($1, array[$2])", vague, question.finess
            )
            financing[vague] = {None: "free", "reservation": "reserved"}.get(kind, "engaged")
        pairs = await _pairs(con, [row["id"] for row in orders], chain.grants, law, known_on(at))
    hides = not allowed(actor, "side.read")
    return Explanation(
        str(question.finess),  # plain text: a JSON encoder knows no subclass
        question.mode,
        None if question.mode == question.against else question.against,
        at,
        question.law_known_on or known_on(at),
        financing,
        tuple(_discreet(fact) for fact in chain.facts) if hides else chain.facts,
        tuple(explained),
        () if hides else pairs,
        tuple(_nameless(case) for case in chain.conflicts) if hides else chain.conflicts,
    )


def _check(question: Question, law: Law) -> None:
    faults = []
    if question.vague is not None and question.vague not in law.vagues:
        known = ", ".join(sorted(law.vagues))
        faults.append(Fault("?vague", f"Cette vague est inconnue ; les vagues connues : {known}."))
    faults += [
        Fault(f"?{name}", f"Ce mode est inconnu ; les modes : {', '.join(MODES)}.")
        for name, mode in (("mode", question.mode), ("against", question.against))
        if mode not in MODES
    ]
    if (KNOWN in (question.mode, question.against)) != (question.law_known_on is not None):
        faults.append(
            Fault("?known_on", "Le jour où le droit était connu va avec le mode « known », et avec lui seul.")
        )
    if faults:
        raise SonsError(ErrorCode.INVALID_REQUEST, faults[0].message, tuple(faults))


async def _refuse_stranger(con: asyncpg.Connection, actor: Actor, chain: Chain) -> None:
    """An OG asks about an ESSMS that was its own, a supplier about one that it named; else: not found."""
    if sees_all(actor, "explanation.read"):
        known = bool(chain.facts)
    else:
        known = bool(chain.orders)
        if actor.role == "og" and not known:
            own = await con.fetchval(
                "select finess_juridique from organisation where id = $1", actor.organisation_id
            )
            known = own in chain.attached_to
    if not known:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)


async def _explained(
    con: asyncpg.Connection,
    actor: Actor,
    order: asyncpg.Record,
    question: Question,
    chain: Chain,
    law: Law,
    at: datetime,
) -> ExplainedOrder:
    row = await read_order_row(con, actor, order["id"])
    day = question.law_known_on or known_on(at)
    shown = await replay(con, actor, row, question.finess, chain, question.mode, law, at, day)
    difference = None
    if question.mode != question.against:
        other = await replay(con, actor, row, question.finess, chain, question.against, law, at, day)
        difference = compare(other, shown, chain, row["number"])
        if not allowed(actor, "side.read"):
            difference = replace(
                difference,
                rules=tuple(
                    replace(rule, facts=tuple(_discreet(fact) for fact in rule.facts))
                    for rule in difference.rules
                ),
            )
    return ExplainedOrder(
        row["number"], row["state"], row["signed_on"], row["received_at"], shown, difference
    )


_MET = """
select o.id, o.number, o.solution, o.signed_on, o.vague, s.live,
       exists (select from payment p where p.order_id = o.id and p.state = 'to_recover') as to_recover,
       k.cancelled_at, k.for_acquisition
from purchase_order o join order_state s on s.state = o.state
left join cancellation k on k.order_id = o.id and k.state = 'carried_out'
where o.id = any($1) and o.state <> 'rejected' order by o.received_at, o.id
"""


async def _pairs(
    con: asyncpg.Connection, orders: list[Any], grants: Iterable[Any], law: Law, today: date
) -> tuple[ExplainedPair, ...]:
    """Each order that ever held the ESSMS before each grant known today; a refused order never held it."""
    standing = [g for g in grants if g["valid_from"] <= today and (g["valid_to"] or date.max) > today]
    pairs = []
    for row in await con.fetch(_MET, orders) if standing else ():
        met = SonsOrder(
            number=row["number"],
            solution=row["solution"],
            signed_on=row["signed_on"],
            live=row["live"],
            va_deposited_at=None,  # what R29 alone reads; the pair is judged apart from its lock
            cancelled_at=row["cancelled_at"],
            for_acquisition=row["for_acquisition"],
            advance_to_recover=row["to_recover"],
        )
        for grant in standing:
            facts = registered_grant(grant)
            phase = phase_of(law.calls, facts.year, today)
            for one in situations(met, facts, grant["requested_on"], phase):
                on = max(met.signed_on, facts.agreed_on or grant_day(grant)) if one.later else met.signed_on
                rule, finding = pair_finding(law.vagues[row["vague"]], one, on, today)
                verdict = verdict_view(Verdict(rule, (), finding))
                pairs.append(ExplainedPair(row["number"], facts.reference, one.component, verdict))
    return tuple(sorted(pairs, key=lambda pair: pair.verdict.outcome != Outcome.FAIL))


def _nameless(case: CaseOfEssms) -> CaseOfEssms:
    """A case without its family nor its outcome, which would tell what the other side is and what became of
    it."""
    return replace(case, family="", label="", outcome=None)


def _discreet(fact: Fact) -> Fact:
    """A case without its family, which would tell what the other side is."""
    if fact.kind not in ("conflict", "decision"):
        return fact
    text = f"Le dossier {fact.reference} concerne cet ESSMS et votre commande."
    if fact.kind == "decision":
        text = f"Le dossier {fact.reference} est décidé ; la notification vous en dit l'issue."
    return replace(fact, text=text)
