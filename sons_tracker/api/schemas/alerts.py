"""Questions and answers about alerts: they are shown to the agencies, and decide nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.lots import After, Identifier, when
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.schemas.queue import PartyOut
from sons_tracker.api.strict import FinessJuridiqueText, Motivation, Strict
from sons_tracker.exchanges.tables import Sheet
from sons_tracker.operations.alert_reading import AlertFilter, AlertPage, AlertView
from sons_tracker.operations.alerts import AlertRun
from sons_tracker.rules.families import PATTERNS
from sons_tracker.rules.identifiers import parse_juridique

PatternCode = Literal[
    "tranche_threshold", "tranche_changes", "one_signer_many_og", "one_account_two_suppliers", "out_of_hours",
    "before_og_existed", "two_applications",
]  # fmt: skip
AlertStateCode = Literal["open", "dismissed", "ceased"]
STATE_WORDS = {"open": "à regarder", "dismissed": "écartée", "ceased": "n'est plus constatée"}


class AlertsFilters(Strict, frozen=True, kw_only=True):
    """Filtres d'une liste d'alertes."""

    state: AlertStateCode | None = None
    pattern: PatternCode | None = None
    og: FinessJuridiqueText | None = None
    supplier: Identifier | None = None


class AlertsQuery(AlertsFilters, frozen=True, kw_only=True):
    """Filtres et page d'une liste d'alertes ; « after » est le « next » de la page précédente."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: After | None = None


class AlertsExportQuery(AlertsFilters, frozen=True, kw_only=True):
    """Filtres de l'export des alertes, et son format."""

    format: Literal["csv", "xlsx"] = "csv"


class DismissalIn(Strict, frozen=True, kw_only=True):
    """Pourquoi une alerte est écartée."""

    reason: Motivation


class SubjectOut(msgspec.Struct, frozen=True):
    """Un acte que vise une alerte : son genre, et son numéro ou son identifiant."""

    kind: Literal["order", "va", "cancellation", "amendment", "grant", "essms"]
    id: str


class AlertOut(msgspec.Struct, frozen=True, kw_only=True):
    """Une alerte. « score » : ce que pèse son motif, de 0 à 100 ; « facts » : ce qui a été vu, montants en
    centimes."""

    id: str
    number: str
    pattern: PatternCode
    pattern_label: str
    state: AlertStateCode
    state_label: str
    message: str
    ogs: list[str]
    suppliers: list[PartyOut]
    subjects: list[SubjectOut]
    facts: dict[str, Any]
    score: int
    raised_at: str
    last_raised_at: str
    ceased_at: str | None
    dismissed_at: str | None
    dismissed_by: str | None
    dismiss_reason: str | None


class AlertsOut(msgspec.Struct, frozen=True):
    """Une page d'alertes, de la plus récente à la plus ancienne ; « next » est null à la dernière."""

    alerts: list[AlertOut]
    next: str | None


class PatternRunOut(msgspec.Struct, frozen=True):
    """Un motif après une recherche : les nouvelles alertes, et celles que personne n'a écartées."""

    pattern: PatternCode
    label: str
    new: int
    open: int


class AlertRunOut(msgspec.Struct, frozen=True):
    """Ce qu'une recherche a levé, revu, rouvert (numéros), et ce qu'elle ne constate plus."""

    patterns: list[PatternRunOut]
    returned: int
    reopened: list[str]
    ceased: int


def alert_filter(query: AlertsFilters) -> AlertFilter:
    """The filter of a question."""
    return AlertFilter(
        query.state,
        query.pattern,
        None if query.og is None else parse_juridique(query.og, "?og"),
        None if query.supplier is None else UUID(query.supplier),
    )


def alert_out(alert: AlertView) -> AlertOut:
    """An alert as it is shown."""
    return AlertOut(
        id=str(alert.id),
        number=alert.number,
        pattern=alert.pattern,  # type: ignore[arg-type]
        pattern_label=PATTERNS[alert.pattern].label,
        state=alert.state,
        state_label=STATE_WORDS[alert.state],
        message=alert.message,
        ogs=list(alert.ogs),
        suppliers=[PartyOut(str(one), name) for one, name in alert.suppliers],
        subjects=[SubjectOut(kind, name) for kind, name in alert.subjects],  # type: ignore[arg-type]
        facts=dict(alert.facts),
        score=alert.score,
        raised_at=paris_text(alert.raised_at),
        last_raised_at=paris_text(alert.last_raised_at),
        ceased_at=when(alert.ceased_at),
        dismissed_at=when(alert.dismissed_at),
        dismissed_by=None if alert.dismissed_by is None else str(alert.dismissed_by),
        dismiss_reason=alert.dismiss_reason,
    )


def alerts_out(page: AlertPage, following: str | None) -> AlertsOut:
    """A page of alerts."""
    return AlertsOut([alert_out(alert) for alert in page.alerts], following)


def alert_run_out(run: AlertRun) -> AlertRunOut:
    """What a run raised, as it is shown."""
    patterns = [
        PatternRunOut(code, pattern.label, run.new[code], run.open[code])  # type: ignore[arg-type]
        for code, pattern in PATTERNS.items()
    ]
    return AlertRunOut(patterns, run.returned, list(run.reopened), run.ceased)


def alert_sheet(page: AlertPage) -> Sheet:
    """Alerts as a table for a spreadsheet; words for people, instants ISO 8601."""
    columns = (
        "Alerte", "Motif", "État", "Poids", "Constat", "OG", "Fournisseurs", "Actes", "Levée le", "Revue le",
        "Raison d'écarter",
    )  # fmt: skip
    rows = [
        (
            alert.number,
            PATTERNS[alert.pattern].label,
            STATE_WORDS[alert.state],
            alert.score,
            alert.message,
            ", ".join(alert.ogs),
            " ; ".join(name for _, name in alert.suppliers),
            ", ".join(name for _, name in alert.subjects),
            paris_text(alert.raised_at),
            paris_text(alert.last_raised_at),
            alert.dismiss_reason,
        )
        for alert in page.alerts
    ]
    return Sheet("Alertes", columns, rows, frozenset())
