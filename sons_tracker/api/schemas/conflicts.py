"""Bodies and answers about conflicts: what is asked and answered, what is decided, what each reader sees."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import ActionOut, actions_out
from sons_tracker.api.schemas.endings import Prose
from sons_tracker.api.schemas.lots import After, Identifier
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Count, Strict
from sons_tracker.operations.conflict_decisions import Proposal
from sons_tracker.operations.conflict_reading import ConflictPage, ConflictView, DecisionView
from sons_tracker.operations.conflict_steps import Asked, Given
from sons_tracker.rules.conflicts import (
    OUTCOME_WORDS,
    POSITION_WORDS,
    QUESTION_WORDS,
    CaseQuestion,
    CaseSide,
)
from sons_tracker.rules.lifecycle import CONFLICT_WORDS, ORDER_WORDS
from sons_tracker.rules.money import euros
from sons_tracker.rules.motivations import Template

ConflictState = Literal["open", "precisions_asked", "og_choice", "decided", "executed", "closed"]
Side = Annotated[int, Meta(ge=1, le=2, description="1 : ce qui est en place, ou l'acte le plus ancien.")]


class ConflictsQuery(Strict, frozen=True, kw_only=True):
    """Filtre et page de la liste ; « after » est le « next » de la page précédente."""

    state: ConflictState | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: After | None = None


class ContestIn(Strict, frozen=True, kw_only=True):
    """La contestation d'un refus : pourquoi cette commande devrait tenir les ESSMS."""

    reason: Prose


class AssignIn(Strict, frozen=True, kw_only=True):
    """À qui le dossier est attribué ; null le retire à son contrôleur."""

    person_id: Identifier | None


class ConflictQuestionIn(Strict, frozen=True, kw_only=True):
    """Ce qui est demandé, tel que le destinataire le lira."""

    text: Prose


class OpinionIn(Strict, frozen=True, kw_only=True):
    """L'avis demandé à une ARS."""

    ars_id: Identifier
    text: Prose


class ConflictCorrectionIn(Strict, frozen=True, kw_only=True):
    """Ce qu'une réponse a d'incomplet ou d'inexact, et ce qui manque : rien n'est décidé avant la réponse."""

    of_question: Identifier
    lacking: Literal["incomplete", "incorrect"]
    text: Prose


class ConflictAnswerIn(Strict, frozen=True, kw_only=True):
    """La réponse à une question : une position, ou pour le client la commande qu'il choisit."""

    text: Prose
    position: Annotated[
        Literal["maintained", "perimeter_error", "withdrawn", "favourable", "unfavourable"] | None,
        Meta(
            description="Un fournisseur maintient, reconnaît une erreur ou se retire ; une ARS se prononce."
        ),
    ] = None
    chosen_side: Side | None = None


class ConflictDecisionIn(Strict, frozen=True, kw_only=True):
    """Une décision motivée. « version » est celle du dossier tel qu'il a été lu : s'il a changé, elle est
    refusée."""

    outcome: Literal["maintained", "one_refused", "both_refused", "dismissed"]
    refused: Annotated[list[Side], Meta(max_length=2, description="Les parties refusées.")]
    template: Annotated[str, Meta(min_length=1, max_length=60, description="Un modèle de motivation.")]
    motivation: Prose
    version: Count


class ConflictReasonIn(Strict, frozen=True, kw_only=True):
    """Le motif de ce qui est repris."""

    reason: Prose


class ConflictSideOut(msgspec.Struct, frozen=True):
    """Une partie du dossier : une commande et son état, ou un financement ESMS numérique."""

    side: int
    kind: Literal["order", "grant"]
    order_id: str | None
    order: str | None
    order_state: str | None
    order_state_label: str | None
    supplier_id: str | None
    grant: str | None
    holds: bool


class ConflictQuestionOut(msgspec.Struct, frozen=True):
    """Une question et sa réponse ; « answer_due_at » est le dernier instant pour répondre,
    « delay_source » ce qui le fixe."""

    id: str
    kind: str
    label: str
    organisation_id: str
    side: int | None
    of_question: str | None
    lacking: str | None
    text: str
    asked_at: str
    answer_due_at: str | None
    delay_source: str | None
    answered_at: str | None
    position: str | None
    position_label: str | None
    chosen_side: int | None
    answer: str | None
    withdrawn_at: str | None


class ConflictFindingOut(msgspec.Struct, frozen=True):
    """Un constat : la règle, la phrase, la source, les faits."""

    found_at: str
    rule: str
    outcome: str
    message: str
    source: str
    remedy: str | None
    readings: list[str]
    a_confirmer: bool
    facts: dict[str, Any]
    law_digest: str


class ConflictDecisionOut(msgspec.Struct, frozen=True):
    """Une décision. Une partie lit ce qui la concerne ; la motivation est pour l'organisme gestionnaire et
    les agences."""

    outcome: str
    label: str
    refused: list[int]
    template: str
    motivation: str | None
    notice: str
    sources: str
    four_eyes: bool
    proposed_at: str
    approved_at: str | None
    dropped_at: str | None
    drop_reason: str | None


class ConflictEventOut(msgspec.Struct, frozen=True):
    """Une étape du dossier."""

    at: str
    event: str
    before: str | None
    after: str | None
    role: str
    facts: dict[str, Any]


class ConflictOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un dossier de conflit, tel que votre rôle le lit."""

    id: str
    number: str
    vague: str
    family: str
    family_label: str
    state: str
    state_label: str
    version: int
    og: str | None
    essms: list[str]
    counterparts: list[str]
    opened_at: str
    opened_for: str
    assigned: bool
    ceased_at: str | None
    at_stake_ttc: str | None
    sides: list[ConflictSideOut]
    questions: list[ConflictQuestionOut]
    findings: list[ConflictFindingOut]
    decisions: list[ConflictDecisionOut]
    events: list[ConflictEventOut]
    actions: list[ActionOut]


class ConflictLineOut(msgspec.Struct, frozen=True):
    """Un dossier dans la liste ; « essms » en est le nombre."""

    id: str
    number: str
    family: str
    state: str
    state_label: str
    og: str | None
    essms: int
    opened_at: str
    at_stake_ttc: str | None


class ConflictsOut(msgspec.Struct, frozen=True):
    """Une page de dossiers, du plus récent au plus ancien."""

    conflicts: list[ConflictLineOut]
    next: str | None


class TemplateOut(msgspec.Struct, frozen=True):
    """Un modèle de motivation : un début, ce que les parties liront, et ses sources."""

    code: str
    label: str
    outcomes: list[str]
    text: str
    notice: str
    sources: str


class TemplatesOut(msgspec.Struct, frozen=True):
    """Les modèles qui conviennent à la famille du dossier."""

    templates: list[TemplateOut]


def asked(body: ConflictQuestionIn) -> Asked:
    return Asked(body.text)


def correction(body: ConflictCorrectionIn) -> Asked:
    return Asked(body.text, UUID(body.of_question), body.lacking)


def given(body: ConflictAnswerIn) -> Given:
    return Given(body.text, body.position, body.chosen_side)


def proposal(body: ConflictDecisionIn) -> Proposal:
    refused = tuple(sorted(set(body.refused)))
    return Proposal(body.outcome, refused, body.template, body.motivation, body.version)


def templates_out(found: tuple[Template, ...]) -> TemplatesOut:
    return TemplatesOut(
        [TemplateOut(t.code, t.label, list(t.outcomes), t.text, t.notice, t.sources) for t in found]
    )


def conflicts_out(page: ConflictPage, following: str | None) -> ConflictsOut:
    """A page of cases; `following` is its « next »."""
    lines = [
        ConflictLineOut(
            str(line.id), line.number, line.family, line.state, CONFLICT_WORDS[line.state], line.og,
            line.essms, paris_text(line.opened_at), _euros(line.at_stake_ttc_cents),
        )
        for line in page.conflicts
    ]  # fmt: skip
    return ConflictsOut(lines, following)


def conflict_out(view: ConflictView) -> ConflictOut:
    """A case as JSON shows it."""
    return ConflictOut(
        id=str(view.id),
        number=view.number,
        vague=view.vague,
        family=view.family,
        family_label=view.label,
        state=view.state,
        state_label=CONFLICT_WORDS[view.state],
        version=view.version,
        og=view.og,
        essms=list(view.essms),
        counterparts=list(view.counterparts),
        opened_at=paris_text(view.opened_at),
        opened_for=view.opened_for,
        assigned=view.assigned,
        ceased_at=None if view.ceased_at is None else paris_text(view.ceased_at),
        at_stake_ttc=_euros(view.at_stake_ttc_cents),
        sides=[_side(side) for side in view.sides],
        questions=[_question(question) for question in view.questions],
        findings=[
            ConflictFindingOut(
                paris_text(one.found_at), one.rule, one.outcome, one.message, one.source, one.remedy,
                list(one.readings), one.a_confirmer, one.facts, one.law_digest,
            )
            for one in view.findings
        ],
        decisions=[_decision(decision) for decision in view.decisions],
        events=[
            ConflictEventOut(paris_text(one.at), one.event, one.before, one.after, one.role, one.facts)
            for one in view.events
        ],
        actions=actions_out(view.actions),
    )  # fmt: skip


def _side(side: CaseSide) -> ConflictSideOut:
    state = side.order_state
    return ConflictSideOut(
        side.side,
        "order" if side.kind == "order" else "grant",
        None if side.order_id is None else str(side.order_id),
        side.order_number,
        state,
        None if state is None else ORDER_WORDS[state],
        None if side.supplier_id is None else str(side.supplier_id),
        side.grant_reference,
        side.holds,
    )


def _question(question: CaseQuestion) -> ConflictQuestionOut:
    instants = (question.answer_due_at, question.answered_at, question.withdrawn_at)
    due, answered, withdrawn = (None if at is None else paris_text(at) for at in instants)
    return ConflictQuestionOut(
        str(question.id), question.kind, QUESTION_WORDS[question.kind], str(question.organisation_id),
        question.side, None if question.of_question is None else str(question.of_question), question.lacking,
        question.text, paris_text(question.asked_at), due, question.delay_source, answered, question.position,
        None if question.position is None else POSITION_WORDS[question.position], question.chosen_side,
        question.answer, withdrawn,
    )  # fmt: skip


def _decision(decision: DecisionView) -> ConflictDecisionOut:
    instants = (decision.approved_at, decision.dropped_at)
    approved, dropped = (None if at is None else paris_text(at) for at in instants)
    return ConflictDecisionOut(
        decision.outcome, OUTCOME_WORDS.get(decision.outcome, "décidé"), list(decision.refused),
        decision.template, decision.motivation, decision.notice, decision.sources, decision.four_eyes,
        paris_text(decision.proposed_at), approved, dropped, decision.drop_reason,
    )  # fmt: skip


def _euros(cents: int | None) -> str | None:
    return None if cents is None else euros(cents)
