"""Bodies and answers about the life of an order: requests, corrections, reviews, what can be done now."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import ActionOut, actions_out
from sons_tracker.api.schemas.orders import OrderOut, VerdictOut, assessment_out, paris_text, verdict_out
from sons_tracker.api.strict import Motivation, Sha256, Strict, Text
from sons_tracker.operations.corrections import CorrectionView
from sons_tracker.operations.order_life import OrderLife
from sons_tracker.operations.requests_filed import RequestSummary, RequestView
from sons_tracker.operations.reviews import Settled, Settlement
from sons_tracker.rules.lifecycle import ORDER_WORDS, REQUEST_WORDS


class AdvanceRequestIn(Strict, frozen=True, kw_only=True):
    """Une demande d'avance : comment l'OG a signé le bon de commande, et l'empreinte de cette pièce.

    Le format exact est celui du schéma en vigueur à l'instant du dépôt.
    """

    signature: Literal["handwritten", "electronic"]
    order_document_sha256: Sha256 | None = None
    note: Text | None = None


class RequestValidationIn(Strict, frozen=True, kw_only=True):
    """La motivation est exigée quand une règle laisse la décision à une personne."""

    reason: Motivation | None = None


class RequestRefusalIn(Strict, frozen=True, kw_only=True):
    """Pourquoi la demande est irrecevable."""

    reason: Motivation


class OrderCorrectionIn(Strict, frozen=True, kw_only=True):
    """Ce qui est à corriger : la commande, la demande d'avance ou la demande de solde."""

    about: Literal["order", "advance", "solde"]
    kind: Literal["incomplete", "incorrect"]
    reason: Motivation


class OrderCorrectionAnswerIn(Strict, frozen=True, kw_only=True):
    """La réponse du fournisseur ; « advance » redépose la demande d'avance."""

    answer: Motivation
    advance: AdvanceRequestIn | None = None


class SettlementIn(Strict, frozen=True, kw_only=True):
    """La décision sur les verdicts en attente d'une règle : levés, ou maintenus."""

    rule: Annotated[str, Meta(pattern="^R[0-9]{2}(?!\\n)$", max_length=3)]
    decision: Literal["lifted", "upheld"]
    reason: Motivation


class ReviewIn(Strict, frozen=True, kw_only=True):
    """Chaque règle en attente, une fois, avec sa motivation."""

    settlements: Annotated[list[SettlementIn], Meta(min_length=1, max_length=50)]


class AdvanceDecisionIn(Strict, frozen=True, kw_only=True):
    """Après la clôture, VA signée à temps et solde non demandé : l'avance est laissée, ou réclamée."""

    keep: bool
    reason: Motivation


class RequestsQuery(Strict, frozen=True, kw_only=True):
    """Filtres et page d'une file de demandes, de la plus ancienne à la plus récente."""

    state: Literal["requested", "to_correct", "validated", "paid", "inadmissible"] | None = None
    kind: Literal["advance", "solde"] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Annotated[str, Meta(max_length=200)] | None = None


class RequestOut(msgspec.Struct, frozen=True):
    """Une demande d'avance ou de solde, avec son dernier dépôt et ce que le droit en dit."""

    id: str
    order_id: str
    order_number: str
    kind: Literal["advance", "solde"]
    state: str
    state_label: str
    received_at: str
    filed_at: str
    filings: int
    schema: str
    content: dict[str, Any]
    verdicts: list[VerdictOut]
    referenced_on: str | None
    decided_at: str | None
    reason: str | None


class RequestSummaryOut(msgspec.Struct, frozen=True):
    """Une demande dans une file."""

    id: str
    order_id: str
    order_number: str
    dispositif: str
    kind: str
    state: str
    state_label: str
    received_at: str


class RequestsOut(msgspec.Struct, frozen=True):
    """Une page de demandes ; « next » est null à la dernière."""

    requests: list[RequestSummaryOut]
    next: str | None


class OrderRequestsOut(msgspec.Struct, frozen=True):
    """Les demandes d'une commande, les irrecevables comprises."""

    requests: list[RequestOut]


class OrderCorrectionOut(msgspec.Struct, frozen=True):
    """Une demande de correction ; l'étape suivante attend sa réponse."""

    id: str
    order_id: str
    order_number: str
    request_id: str | None
    kind: str
    reason: str
    asked_at: str
    answer_due_at: str | None
    answered_at: str | None
    answer: str | None


class SettledOut(msgspec.Struct, frozen=True):
    """La commande après une décision."""

    id: str
    number: str
    state: str
    state_label: str


class OrderLifeOut(OrderOut, frozen=True, kw_only=True):
    """Une commande avec ce qui peut être fait maintenant, et pourquoi pas le reste."""

    state_label: str
    removed: list[str]
    correction: OrderCorrectionOut | None
    actions: list[ActionOut]


def settlements(body: ReviewIn) -> tuple[Settlement, ...]:
    """The decisions of a body."""
    return tuple(Settlement(one.rule, one.decision, one.reason) for one in body.settlements)


def request_out(view: RequestView) -> RequestOut:
    """A request as JSON shows it."""
    return RequestOut(
        str(view.id),
        str(view.order_id),
        view.order_number,
        view.kind,  # type: ignore[arg-type]
        view.state,
        REQUEST_WORDS[view.state],
        paris_text(view.received_at),
        paris_text(view.filed_at),
        view.filings,
        view.schema,
        view.content,
        [verdict_out(verdict) for verdict in view.verdicts],
        None if view.referenced_on is None else view.referenced_on.isoformat(),
        None if view.decided_at is None else paris_text(view.decided_at),
        view.reason,
    )


def request_summary_out(view: RequestSummary) -> RequestSummaryOut:
    """A line of a queue."""
    return RequestSummaryOut(
        str(view.id),
        str(view.order_id),
        view.order_number,
        view.dispositif,
        view.kind,
        view.state,
        REQUEST_WORDS[view.state],
        paris_text(view.received_at),
    )


def correction_out(view: CorrectionView) -> OrderCorrectionOut:
    """A correction as JSON shows it."""
    return OrderCorrectionOut(
        str(view.id),
        str(view.order_id),
        view.order_number,
        None if view.request_id is None else str(view.request_id),
        view.kind,
        view.reason,
        paris_text(view.asked_at),
        None if view.answer_due_at is None else paris_text(view.answer_due_at),
        None if view.answered_at is None else paris_text(view.answered_at),
        view.answer,
    )


def settled_out(settled: Settled) -> SettledOut:
    """The state after a decision."""
    return SettledOut(str(settled.order_id), settled.order_number, settled.state, ORDER_WORDS[settled.state])


def order_life_out(life: OrderLife) -> OrderLifeOut:
    """An order with its actions, as JSON shows it."""
    shape = msgspec.structs.asdict(assessment_out(life.order))
    return OrderLifeOut(
        **shape,
        state_label=ORDER_WORDS[shape["state"]],
        removed=list(life.removed),
        correction=None if life.correction is None else correction_out(life.correction),
        actions=actions_out(life.actions),
    )
