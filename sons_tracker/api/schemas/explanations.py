"""The explanation of an ESSMS: question and answer."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.orders import Code, VerdictOut, paris_text, verdict_out
from sons_tracker.api.strict import Day, Strict
from sons_tracker.operations.essms_facts import CaseOfEssms, Fact
from sons_tracker.operations.explanations import ExplainedOrder, Explanation, Question
from sons_tracker.operations.order_replays import Difference, Replay, RuleChange, VersionChange
from sons_tracker.rules.identifiers import FinessGeographique

Mode = Annotated[
    Literal["decided", "today", "known"],
    Meta(
        description="« decided » : ce qui a été décidé au dépôt ; « today » : les faits et le droit"
        " d'aujourd'hui ; « known » : les faits d'aujourd'hui sous le droit connu le jour « known_on »."
    ),
]


class ExplanationQuery(Strict, frozen=True, kw_only=True):
    """Ce qui est demandé d'un ESSMS : une vague, une commande par son numéro, un mode, et le mode auquel
    le comparer. « known_on » va avec le mode « known »."""

    vague: Code | None = None
    order: Code | None = None
    mode: Mode = "decided"
    known_on: Day | None = None
    against: Mode = "decided"


class FactOut(msgspec.Struct, frozen=True):
    """Un fait : le jour dont il parle, jusqu'à quand, et l'instant depuis lequel il est connu ici."""

    on: str
    kind: Literal["register", "succession", "order", "claim", "reservation", "grant", "conflict", "decision"]
    text: str
    until: str | None
    learnt_at: str
    reference: str | None


class AppliedVersionOut(msgspec.Struct, frozen=True):
    """Une version d'une valeur du droit : depuis quand elle vaut, et quand elle fut publiée."""

    name: str
    depuis: str
    publie_le: str


class ReplayOut(msgspec.Struct, frozen=True):
    """Ce que le droit dit de la commande pour cet ESSMS, dans un mode."""

    mode: Literal["decided", "today", "known"]
    known_on: str
    law_digest: str
    outcome: Literal["pass", "warn", "review", "unknown", "fail"]
    verdicts: list[VerdictOut]
    applied: list[AppliedVersionOut]


class VersionChangeOut(msgspec.Struct, frozen=True):
    """Une valeur du droit qui n'est plus la même."""

    name: str
    before: AppliedVersionOut | None
    after: AppliedVersionOut | None


class RuleChangeOut(msgspec.Struct, frozen=True):
    """Une règle qui répond autrement, avec les faits qui l'expliquent et les versions qui ont changé."""

    rule: str
    before: str | None
    after: str | None
    message_before: str | None
    message_after: str | None
    facts: list[FactOut]
    versions: list[VersionChangeOut]


class DifferenceOut(msgspec.Struct, frozen=True):
    """Deux réponses côte à côte, règle par règle."""

    before: Literal["decided", "today", "known"]
    after: Literal["decided", "today", "known"]
    rules: list[RuleChangeOut]
    versions: list[VersionChangeOut]


class ExplainedOrderOut(msgspec.Struct, frozen=True):
    """Une commande qui nomme l'ESSMS."""

    number: str
    state: str
    signed_on: str
    received_at: str
    replay: ReplayOut
    difference: DifferenceOut | None


class ExplainedPairOut(msgspec.Struct, frozen=True):
    """Ce que le droit dit d'une commande et d'un volet d'un financement ESMS numérique, quel que soit le
    premier des deux."""

    order: str
    grant: str
    component: Literal["equipment", "usage"]
    verdict: VerdictOut


class CaseOfEssmsOut(msgspec.Struct, frozen=True):
    """Un dossier de conflit qui parle de l'ESSMS ; sa famille n'est dite qu'à qui peut tout en lire."""

    id: str
    number: str
    family: str | None
    label: str | None
    state: str
    decided_on: str | None
    outcome: str | None


class ExplanationOut(msgspec.Struct, frozen=True):
    """Un ESSMS expliqué : la chaîne des faits, les verdicts sur chaque commande qui le nomme, les paires
    avec les financements ESMS numérique, les dossiers de conflit."""

    finess: str
    mode: Literal["decided", "today", "known"]
    against: Literal["decided", "today", "known"] | None
    at: str
    known_on: str
    financing: dict[str, Literal["free", "reserved", "engaged"]]
    facts: list[FactOut]
    orders: list[ExplainedOrderOut]
    pairs: list[ExplainedPairOut]
    conflicts: list[CaseOfEssmsOut]


def question_of(finess: FinessGeographique, query: ExplanationQuery) -> Question:
    """The question of a query string."""
    return Question(finess, query.vague, query.order, query.mode, query.known_on, query.against)


def explanation_out(view: Explanation) -> ExplanationOut:
    """An explanation as JSON shows it."""
    return ExplanationOut(
        view.finess,
        view.mode,  # type: ignore[arg-type]
        view.against,  # type: ignore[arg-type]
        paris_text(view.at),
        view.known_on.isoformat(),
        view.financing,  # type: ignore[arg-type]
        [_fact(fact) for fact in view.facts],
        [_order(order) for order in view.orders],
        [
            ExplainedPairOut(pair.order, pair.grant, pair.component, verdict_out(pair.verdict))  # type: ignore[arg-type]
            for pair in view.pairs
        ],
        [_case(case) for case in view.conflicts],
    )


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _fact(fact: Fact) -> FactOut:
    return FactOut(
        fact.on.isoformat(),
        fact.kind,  # type: ignore[arg-type]
        fact.text,
        _day(fact.until),
        paris_text(fact.learnt_at),
        fact.reference,
    )


def _order(order: ExplainedOrder) -> ExplainedOrderOut:
    return ExplainedOrderOut(
        order.number,
        order.state,
        order.signed_on.isoformat(),
        paris_text(order.received_at),
        _replay(order.replay),
        None if order.difference is None else _difference(order.difference),
    )


def _replay(replay: Replay) -> ReplayOut:
    return ReplayOut(
        replay.mode,  # type: ignore[arg-type]
        replay.known_on.isoformat(),
        replay.law_digest,
        replay.outcome,  # type: ignore[arg-type]
        [verdict_out(verdict) for verdict in replay.verdicts],
        [AppliedVersionOut(v.name, v.depuis, v.publie_le) for v in replay.applied],
    )


def _difference(found: Difference) -> DifferenceOut:
    return DifferenceOut(
        found.before,  # type: ignore[arg-type]
        found.after,  # type: ignore[arg-type]
        [_rule(rule) for rule in found.rules],
        [_version(version) for version in found.versions],
    )


def _rule(change: RuleChange) -> RuleChangeOut:
    return RuleChangeOut(
        change.rule,
        change.before,
        change.after,
        change.message_before,
        change.message_after,
        [_fact(fact) for fact in change.facts],
        [_version(version) for version in change.versions],
    )


def _version(change: VersionChange) -> VersionChangeOut:
    before, after = (
        None if one is None else AppliedVersionOut(one.name, one.depuis, one.publie_le)
        for one in (change.before, change.after)
    )
    return VersionChangeOut(change.name, before, after)


def _case(case: CaseOfEssms) -> CaseOfEssmsOut:
    return CaseOfEssmsOut(
        str(case.id),
        case.number,
        case.family or None,
        case.label or None,
        case.state,
        _day(case.decided_on),
        case.outcome,
    )
