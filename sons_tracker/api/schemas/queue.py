"""Questions and answers about the reviewers' queue and its saved views: amounts are strings in euros."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.lots import After, Identifier, when
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Amount, Day, FinessJuridiqueText, Strict, Text
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.exchanges.tables import Sheet
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.queue import QueueCase, QueuePage
from sons_tracker.operations.queue_facts import QueueFilter
from sons_tracker.operations.saved_views import SavedView
from sons_tracker.rules.families import FAMILIES
from sons_tracker.rules.french import count_fr
from sons_tracker.rules.identifiers import parse_juridique
from sons_tracker.rules.lifecycle import CONFLICT_WORDS
from sons_tracker.rules.money import euros, parse_euros

FamilyCode = Literal[
    "two_orders", "already_financed", "order_grant", "two_grants", "cancelled_then_acquisition",
    "two_numbers", "perimeter_differs",
]  # fmt: skip
ConflictStateCode = Literal["open", "precisions_asked", "og_choice", "decided", "executed", "closed"]
Assignee = Annotated[
    str,
    Meta(
        pattern="^(me|none|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?!\\n)$",
        description="« me », « none », ou l'identifiant d'une personne.",
        extra_json_schema={
            "x-attendu": "« me », « none » ou un identifiant en 36 caractères, en minuscules."
        },
    ),
]
Couloir = Annotated[str, Meta(pattern="^MS[1-9](?!\\n)$", examples=["MS1"])]
ViewName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=80,
        pattern="^[^\\s\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]"
        "([^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*[^\\s])?(?!\\n)$",
        extra_json_schema={"x-attendu": "Un nom ne commence ni ne finit par une espace."},
    ),
]


class QueueFilters(Strict, frozen=True, kw_only=True):
    """Filtres de la file ; sans « state », tout dossier qui n'est pas clos. Les deux jours d'ouverture sont
    compris. « sort » range par risque, ou du plus ancien au plus récent."""

    family: FamilyCode | None = None
    state: ConflictStateCode | None = None
    assigned: Assignee | None = None
    couloir: Couloir | None = None
    supplier: Identifier | None = None
    og: FinessJuridiqueText | None = None
    region: Text | None = None
    at_stake_from: Amount | None = None
    risk_from: Annotated[int, Meta(ge=0, le=100)] | None = None
    overdue: bool | None = None
    opened_from: Day | None = None
    opened_to: Day | None = None
    sort: Literal["risk", "age"] | None = None


class QueueQuery(QueueFilters, frozen=True, kw_only=True):
    """Filtres et page de la file. « view » nomme une de vos vues ; ce qui est dit en plus l'emporte sur elle.
    « after » est le « next » de la page précédente, du même ordre."""

    view: ViewName | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: After | None = None


class QueueExportQuery(QueueFilters, frozen=True, kw_only=True):
    """Filtres de l'export de la file, et son format."""

    view: ViewName | None = None
    format: Literal["csv", "xlsx"] = "csv"


class SavedViewIn(Strict, frozen=True, kw_only=True):
    """Une vue : son nom, ses filtres. Une vue du même nom est remplacée."""

    name: ViewName
    filters: QueueFilters


class SavedViewNameIn(Strict, frozen=True, kw_only=True):
    """La vue à retirer."""

    name: ViewName


class SavedViewOut(msgspec.Struct, frozen=True):
    """Une vue enregistrée, telle que la file la lit."""

    name: str
    filters: dict[str, Any]
    saved_at: str


class SavedViewsOut(msgspec.Struct, frozen=True):
    """Vos vues, par nom."""

    views: list[SavedViewOut]


class PartyOut(msgspec.Struct, frozen=True):
    """Une organisation ou une personne, par son identifiant et son nom."""

    id: str
    name: str


class CaseClockOut(msgspec.Struct, frozen=True):
    """L'horloge d'un dossier : jours ouvrés écoulés, arrêtée ou non par une demande de correction, prochaine
    réponse attendue, réponses en retard."""

    working_days: int
    stopped: bool
    next_due_at: str | None
    overdue: int


class RiskReasonOut(msgspec.Struct, frozen=True):
    """Ce qui pèse dans un risque."""

    code: str
    points: int
    message: str


class RiskOut(msgspec.Struct, frozen=True):
    """Le risque d'un dossier, de 0 à 100, et ses raisons, la plus lourde d'abord. Il ne décide de rien."""

    score: int
    reasons: list[RiskReasonOut]


class QueueCaseOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un dossier dans la file. « paid_ttc » : ce que ses commandes ont reçu pour ses ESSMS."""

    id: str
    number: str
    family: FamilyCode
    family_label: str
    state: ConflictStateCode
    state_label: str
    og: str | None
    og_name: str | None
    suppliers: list[PartyOut]
    assigned: PartyOut | None
    dispositifs: list[str]
    essms: int
    opened_at: str
    last_found_at: str
    ceased_at: str | None
    at_stake_ttc: str
    paid_ttc: str
    clock: CaseClockOut
    risk: RiskOut


class StateCountOut(msgspec.Struct, frozen=True):
    """Combien de dossiers du filtre sont dans un état, sans tenir compte de l'état ni du risque demandés."""

    state: ConflictStateCode
    label: str
    count: int


class QueueOut(msgspec.Struct, frozen=True):
    """Une page de la file ; « next » est null à la dernière."""

    cases: list[QueueCaseOut]
    counts: list[StateCountOut]
    next: str | None


def queue_filter(query: QueueFilters, actor: Actor) -> QueueFilter:
    """The filter of a question asked by an actor.

    Raises:
        SonsError: `INVALID_REQUEST` when « me » is nobody.
    """
    assigned = None
    if query.assigned not in {None, "none"}:
        assigned = actor.person_id if query.assigned == "me" else UUID(query.assigned)
        if assigned is None:
            problem = "« me » ne désigne personne : cette demande n'est faite au nom d'aucune personne."
            raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("?assigned", problem),))
    return QueueFilter(
        family=query.family,
        state=query.state,
        assigned_to=assigned,
        unassigned=query.assigned == "none",
        couloir=query.couloir,
        supplier=None if query.supplier is None else UUID(query.supplier),
        og=None if query.og is None else parse_juridique(query.og, "?og"),
        region=query.region,
        at_stake_from=None
        if query.at_stake_from is None
        else parse_euros(query.at_stake_from, "?at_stake_from"),
        risk_from=query.risk_from,
        overdue=bool(query.overdue),
        opened_from=query.opened_from,
        opened_to=query.opened_to,
    )


def plain_filters(query: QueueFilters) -> dict[str, Any]:
    """The filters that say something, as JSON keeps them."""
    names = QueueFilters.__struct_fields__
    return {
        name: value
        for name, value in msgspec.to_builtins(query).items()
        if name in names and value is not None
    }


def saved_view_out(view: SavedView) -> SavedViewOut:
    """A view as it is shown."""
    return SavedViewOut(view.name, dict(view.filters), paris_text(view.saved_at))


def queue_out(page: QueuePage, following: str | None) -> QueueOut:
    """A page of the queue as it is shown."""
    counts = [StateCountOut(s, CONFLICT_WORDS[s], n) for s, n in page.counts.items()]  # type: ignore[arg-type]
    return QueueOut([_case(case) for case in page.cases], counts, following)


def _case(case: QueueCase) -> QueueCaseOut:
    return QueueCaseOut(
        id=str(case.id),
        number=case.number,
        family=case.family,  # type: ignore[arg-type]
        family_label=FAMILIES[case.family].label,
        state=case.state,  # type: ignore[arg-type]
        state_label=CONFLICT_WORDS[case.state],
        og=case.og,
        og_name=case.og_name,
        suppliers=[PartyOut(str(one), name) for one, name in case.suppliers],
        assigned=None if case.assigned is None else PartyOut(str(case.assigned[0]), case.assigned[1]),
        dispositifs=list(case.dispositifs),
        essms=case.essms,
        opened_at=paris_text(case.opened_at),
        last_found_at=paris_text(case.last_found_at),
        ceased_at=when(case.ceased_at),
        at_stake_ttc=euros(case.at_stake_ttc_cents),
        paid_ttc=euros(case.paid_ttc_cents),
        clock=CaseClockOut(
            case.clock.working_days, case.clock.stopped, when(case.clock.next_due_at), case.clock.overdue
        ),
        risk=RiskOut(
            case.risk.score, [RiskReasonOut(r.code, r.points, r.message) for r in case.risk.reasons]
        ),
    )


_MONEY = ("En jeu (€ TTC)", "Versé (€ TTC)")


def queue_sheet(page: QueuePage) -> Sheet:
    """A page of the queue as a table for a spreadsheet; words for people, instants ISO 8601."""
    columns = (
        "Dossier", "Famille", "État", "Risque", "Raisons", "OG", "Nom de l'OG", "Fournisseurs", "Dispositifs",
        "ESSMS", *_MONEY, "Ouvert le", "Jours ouvrés", "Horloge", "Prochaine réponse", "Réponses en retard",
        "Affecté à",
    )  # fmt: skip
    rows = [
        (
            case.number,
            FAMILIES[case.family].label,
            CONFLICT_WORDS[case.state],
            case.risk.score,
            " ".join(
                f"{reason.message} ({count_fr(reason.points, 'point')})" for reason in case.risk.reasons
            ),
            case.og,
            case.og_name,
            " ; ".join(name for _, name in case.suppliers),
            ", ".join(case.dispositifs),
            case.essms,
            case.at_stake_ttc_cents,
            case.paid_ttc_cents,
            paris_text(case.opened_at),
            case.clock.working_days,
            "arrêtée" if case.clock.stopped else "en cours",
            when(case.clock.next_due_at),
            case.clock.overdue,
            None if case.assigned is None else case.assigned[1],
        )
        for case in page.cases
    ]
    return Sheet("File", columns, rows, frozenset(_MONEY))
