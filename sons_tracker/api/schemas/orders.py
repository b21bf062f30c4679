"""Bodies and answers about orders: amounts are strings in euros, dates ISO 8601, FINESS numbers text."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.strict import (
    Amount,
    Count,
    Day,
    FinessGeographiqueText,
    FinessJuridiqueText,
    Sha256,
    Strict,
    Text,
)
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.order_reading import OrderSummary
from sons_tracker.operations.requests import MOST_ESSMS, OrderRequest, RequestedEssms
from sons_tracker.operations.views import OrderView, VerdictView
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.identifiers import parse_geographique, parse_juridique
from sons_tracker.rules.money import euros, parse_euros

Code = Annotated[str, Meta(min_length=1, max_length=80, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*(?!\\n)$")]


class EssmsIn(Strict, frozen=True, kw_only=True):
    """Un ESSMS commandé : son FINESS géographique, le montant demandé s'il est inférieur au barème, et le
    code de la solution aujourd'hui en service."""

    finess: FinessGeographiqueText
    unit_ttc: Amount | None = None
    dui_in_place: Code | None = None


class OrderIn(Strict, frozen=True, kw_only=True):
    """Un bon de commande de la prestation Ségur, à simuler ou à déposer.

    Chaque ESSMS est son FINESS géographique, ou un objet qui précise le montant et le DUI en place.
    « dui_in_place » vaut pour les ESSMS qui n'en disent rien eux-mêmes.
    """

    dispositif: Annotated[Code, Meta(examples=["MS1-V1"])]
    og: FinessJuridiqueText
    essms: Annotated[
        list[FinessGeographiqueText | EssmsIn],
        Meta(min_length=1, max_length=MOST_ESSMS, description="Les ESSMS commandés, chacun une fois."),
    ]
    solution_version: Code
    signed_on: Day
    already_equipped: bool | None = None
    dui_in_place: Code | None = None
    supplier_reference: Text | None = None
    order_document_sha256: Sha256 | None = None


class BulkIn(Strict, frozen=True, kw_only=True):
    """Un dépôt en nombre : chaque commande est décidée pour elle-même."""

    orders: Annotated[
        list[Any],
        Meta(
            min_length=1,
            max_length=1000,
            description="De 1 à 1 000 commandes, chacune de la forme d'un dépôt simple.",
        ),
    ]


class OrderQuery(Strict, frozen=True, kw_only=True):
    """« verdicts=all » donne un verdict par ESSMS au lieu de groupes."""

    verdicts: Literal["grouped", "all"] = "grouped"


class OrdersQuery(Strict, frozen=True, kw_only=True):
    """Filtres et page d'une liste de commandes ; « after » est le « next » de la page précédente."""

    state: Code | None = None
    dispositif: Code | None = None
    og: FinessJuridiqueText | None = None
    essms: FinessGeographiqueText | None = None
    signed_from: Day | None = None
    signed_to: Day | None = None
    supplier_reference: Text | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Annotated[str, Meta(max_length=200)] | None = None


class VerdictOut(msgspec.Struct, frozen=True):
    """Le verdict d'une règle, pour les ESSMS nommés ou, sans ESSMS, pour la commande."""

    rule: str
    essms: list[str]
    outcome: Literal["pass", "warn", "review", "unknown", "fail"]
    message: str
    source: str
    remedy: str | None
    facts: dict[str, str]
    readings: list[str]
    a_confirmer: bool


class LineOut(msgspec.Struct, frozen=True):
    """Un ESSMS et ses montants en euros TTC ; null quand la tranche n'est pas connue."""

    finess: str
    dui_in_place: str | None
    unit_ttc: str | None
    advance_ttc: str | None
    solde_ttc: str | None


class PaymentOut(msgspec.Struct, frozen=True):
    """Un versement : ce qui était prévu au dépôt et, une fois connu, ce qui est dû, puis payé."""

    kind: Literal["advance", "solde"]
    state: str
    amount_ttc: str
    condition: str
    due_ttc: str | None
    due_at: str | None
    paid_at: str | None


class DeadlineOut(msgspec.Struct, frozen=True):
    """Un dernier instant, inclus, à l'heure de Paris."""

    kind: str
    at: str
    label: str
    source: str
    a_confirmer: bool


class AssessmentOut(msgspec.Struct, frozen=True, kw_only=True):
    """Ce que le droit dit d'une commande : décision, montants, échéances, et tous les verdicts."""

    dispositif: str
    og: str
    solution_version: str
    signed_on: str
    supplier_reference: str | None
    decision: Literal["accepted", "to_review", "refused"]
    eligible: bool
    conditional: bool
    tranche: str | None
    essms_of_og: int | None
    count_basis: str | None
    extraction_on: str | None
    ordered: int
    rate_ttc: str | None
    unit_ttc: str | None
    total_ttc: str | None
    advance_ttc: str | None
    solde_ttc: str | None
    lines: list[LineOut]
    payments: list[PaymentOut]
    deadlines: list[DeadlineOut]
    verdicts: list[VerdictOut]
    law_digest: str
    known_on: str


class OrderOut(AssessmentOut, frozen=True, kw_only=True):
    """Une commande déposée."""

    id: str
    number: str
    state: str
    version: int
    received_at: str


class OrderSummaryOut(msgspec.Struct, frozen=True):
    """Une commande dans une liste."""

    id: str
    number: str
    state: str
    dispositif: str
    og: str
    solution_version: str
    signed_on: str
    received_at: str
    supplier_reference: str | None
    decision: str
    ordered: int
    tranche: str | None
    total_ttc: str | None


class OrdersOut(msgspec.Struct, frozen=True):
    """Une page de commandes, de la plus récente à la plus ancienne ; « next » est null à la dernière."""

    orders: list[OrderSummaryOut]
    next: str | None


class BulkLineOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Le sort d'une commande d'un dépôt en nombre : « order » si elle est déposée, « problem » sinon."""

    line: int
    status: int
    order: Any = None
    problem: Any = None


class BulkOut(msgspec.Struct, frozen=True):
    """Le compte rendu d'un dépôt en nombre, dans l'ordre des commandes."""

    deposited: Count
    refused: Count
    malformed: Count
    results: list[BulkLineOut]


def order_request(body: OrderIn) -> OrderRequest:
    """The request of a body, its identifiers and amounts read.

    Raises:
        SonsError: `INVALID_REQUEST` with every number and amount that is wrong, and its path.
    """
    faults: list[Fault] = []
    lines: list[RequestedEssms] = []
    for index, asked in enumerate(body.essms):
        one = asked if isinstance(asked, EssmsIn) else EssmsIn(finess=asked)
        path = f"$.essms[{index}]" + (".finess" if isinstance(asked, EssmsIn) else "")
        try:
            number = parse_geographique(one.finess, path)
            unit = None if one.unit_ttc is None else parse_euros(one.unit_ttc, f"$.essms[{index}].unit_ttc")
        except SonsError as error:
            faults += error.faults
            continue
        if unit == 0:
            faults.append(Fault(f"$.essms[{index}].unit_ttc", "Un montant nul ne peut être financé."))
        lines.append(RequestedEssms(number, unit, one.dui_in_place or body.dui_in_place))
    og = None
    try:
        og = parse_juridique(body.og, "$.og")
    except SonsError as error:
        faults += error.faults
    if faults or og is None:
        count = "Une valeur est mal formée" if len(faults) == 1 else f"{len(faults)} valeurs sont mal formées"
        detail = f"{count} : {faults[0].where}. {faults[0].message}"
        raise SonsError(ErrorCode.INVALID_REQUEST, detail, tuple(faults))
    return OrderRequest(
        dispositif=body.dispositif,
        og=og,
        essms=tuple(lines),
        solution_version=body.solution_version,
        signed_on=body.signed_on,
        already_equipped=body.already_equipped,
        supplier_reference=body.supplier_reference,
        order_document_sha256=None
        if body.order_document_sha256 is None
        else bytes.fromhex(body.order_document_sha256),
    )


def verdict_out(verdict: VerdictView) -> VerdictOut:
    """A verdict as it is shown; what a role may not see was taken out before."""
    return VerdictOut(
        verdict.rule,
        list(verdict.essms),
        verdict.outcome,  # type: ignore[arg-type]
        verdict.message,
        verdict.source,
        verdict.remedy,
        verdict.facts,
        list(verdict.readings),
        verdict.a_confirmer,
    )


def assessment_out(view: OrderView) -> AssessmentOut | OrderOut:
    """A simulation, or a kept order, as JSON shows it."""
    shape: dict[str, Any] = {
        "dispositif": view.dispositif,
        "og": view.og,
        "solution_version": view.solution_version,
        "signed_on": view.signed_on.isoformat(),
        "supplier_reference": view.supplier_reference,
        "decision": view.decision,
        "eligible": view.eligible,
        "conditional": view.conditional,
        "tranche": view.tranche,
        "essms_of_og": view.essms_of_og,
        "count_basis": view.count_basis,
        "extraction_on": None if view.extraction_on is None else view.extraction_on.isoformat(),
        "ordered": view.ordered,
        "rate_ttc": _euros(view.rate_ttc_cents),
        "unit_ttc": _euros(view.unit_ttc_cents),
        "total_ttc": _euros(view.total_ttc_cents),
        "advance_ttc": _euros(view.advance_ttc_cents),
        "solde_ttc": _euros(view.solde_ttc_cents),
        "lines": [
            LineOut(
                line.finess,
                line.dui_in_place,
                _euros(line.unit_ttc_cents),
                _euros(line.advance_ttc_cents),
                _euros(line.solde_ttc_cents),
            )
            for line in view.lines
        ],
        "payments": [
            PaymentOut(
                p.kind,  # type: ignore[arg-type]
                p.state,
                euros(p.amount_ttc_cents),
                p.condition,
                _euros(p.due_ttc_cents),
                None if p.due_at is None else paris_text(p.due_at),
                None if p.paid_at is None else paris_text(p.paid_at),
            )
            for p in view.payments
        ],
        "deadlines": [
            DeadlineOut(d.kind, paris_text(d.at), d.label, d.source, d.a_confirmer) for d in view.deadlines
        ],
        "verdicts": [verdict_out(verdict) for verdict in view.verdicts],
        "law_digest": view.law_digest,
        "known_on": view.known_on.isoformat(),
    }
    kept = view.identity
    if kept is None:
        return AssessmentOut(**shape)
    return OrderOut(
        id=str(kept.id),
        number=kept.number,
        state=kept.state,
        version=kept.version,
        received_at=paris_text(kept.received_at),
        **shape,
    )


def summary_out(order: OrderSummary) -> OrderSummaryOut:
    """A line of a list."""
    return OrderSummaryOut(
        str(order.id),
        order.number,
        order.state,
        order.dispositif,
        order.og,
        order.solution_version,
        order.signed_on.isoformat(),
        paris_text(order.received_at),
        order.supplier_reference,
        order.decision,
        order.ordered,
        order.tranche,
        _euros(order.total_ttc_cents),
    )


def _euros(cents: int | None) -> str | None:
    return None if cents is None else euros(cents)


def paris_text(at: datetime) -> str:
    """An instant with its Paris offset, to the second: `2023-12-31T23:59:59+01:00`."""
    return at.astimezone(PARIS).isoformat(timespec="seconds")
