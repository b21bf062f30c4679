"""Bodies and answers about recoveries: amounts are strings in euros, ages in days."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import ActionOut, actions_out
from sons_tracker.api.schemas.lots import After, Identifier, TallyOut, tally_out, when
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Amount, Count, Strict
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.recoveries import Repayment
from sons_tracker.operations.recovery_reading import RecoveryPage
from sons_tracker.operations.recovery_views import REASON_WORDS, STATE_WORDS, RecoverySummary, RecoveryView
from sons_tracker.rules.money import euros, parse_euros

RecoveryState = Literal["opened", "issued", "recovered"]
RecoveryReason = Literal["cancelled", "cloture", "over_advance", "reclaimed", "decided"]
_LONGEST_STEP = 4000


class RecoveriesFilter(Strict, frozen=True, kw_only=True):
    """Filtres d'une liste de recouvrements ; « older_than » : ouverts depuis plus de tant de jours."""

    state: RecoveryState | None = None
    reason: RecoveryReason | None = None
    supplier: Identifier | None = None
    older_than: Count | None = None


class RecoveriesQuery(RecoveriesFilter, frozen=True, kw_only=True):
    """Filtres et page d'une liste de recouvrements ; « after » est le « next » de la page précédente."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: After | None = None


class RepaymentIn(Strict, frozen=True, kw_only=True):
    """Un remboursement reçu : la référence de la banque, l'instant, le montant exact."""

    bank_reference: Annotated[
        str,
        Meta(
            pattern="^[!-:<-~]{1,35}(?!\\n)$",
            extra_json_schema={
                "x-attendu": "Une référence compte de 1 à 35 caractères visibles, sans « ; »."
            },
        ),
    ]
    received_at: Annotated[
        dt.datetime,
        Meta(tz=True, description="Instant, avec son décalage.", examples=["2024-05-02T10:00:00+02:00"]),
    ]
    amount_ttc: Amount


class StepIn(Strict, frozen=True, kw_only=True):
    """Une étape du suivi : une relance, dont le fournisseur est informé, ou une note de l'agence."""

    kind: Literal["reminder", "note"]
    text: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=_LONGEST_STEP,
            pattern="^[^\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f][^\\u0000-\\u0009"
            "\\u000b-\\u001f\\u007f-\\u009f]*$",
            extra_json_schema={
                "x-attendu": "Le texte ne doit être ni vide ni fait de caractères de contrôle."
            },
        ),
    ]


class StepOut(msgspec.Struct, frozen=True):
    """Une étape du suivi d'un recouvrement."""

    at: str
    kind: Literal["letter", "reminder", "note"]
    person_id: str | None
    text: str


class RecoverySummaryOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un recouvrement dans une liste ; « age_days » compte les jours depuis l'ouverture, jusqu'au retour des
    fonds."""

    id: str
    number: str
    state: RecoveryState
    order_id: str
    order: str
    order_state: str
    supplier_id: str
    supplier: str | None
    og_id: str
    payment_id: str
    payment_kind: Literal["advance", "solde"]
    amount_ttc: str
    reason: RecoveryReason
    source: str
    opened_at: str
    issued_at: str | None
    recovered_at: str | None
    bank_reference: str | None
    age_days: int


class RecoveryOut(RecoverySummaryOut, frozen=True, kw_only=True):
    """Un recouvrement, son suivi, et la lettre telle qu'elle a été émise (null avant l'émission)."""

    steps: list[StepOut]
    letter: dict[str, Any] | None
    actions: list[ActionOut]


class RecoveriesOut(msgspec.Struct, frozen=True):
    """Une page de recouvrements, du plus ancien au plus récent, et le total de tous ceux du filtre."""

    recoveries: list[RecoverySummaryOut]
    total: TallyOut
    next: str | None


CSV_COLUMNS = (
    "number", "state", "order", "supplier", "payment", "amount_ttc", "reason", "opened_at", "issued_at",
    "recovered_at", "bank_reference", "age_days", "source",
)  # fmt: skip


def repayment(body: RepaymentIn) -> Repayment:
    """What a body says was paid back.

    Raises:
        SonsError: `INVALID_REQUEST` for an instant that no calendar of ours can hold.
    """
    try:
        received_at = body.received_at.astimezone(dt.UTC)
    except OverflowError:
        problem = "Cet instant n'existe pas."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.received_at", problem),)) from None
    return Repayment(body.bank_reference, received_at, parse_euros(body.amount_ttc, "$.amount_ttc"))


def recovery_out(view: RecoveryView) -> RecoveryOut:
    """A recovery as it is shown."""
    return RecoveryOut(
        **_summary(view.summary),
        steps=[
            StepOut(
                paris_text(step.at),
                step.kind,  # type: ignore[arg-type]
                None if step.person_id is None else str(step.person_id),
                step.text,
            )
            for step in view.steps
        ],
        letter=view.letter,
        actions=actions_out(view.actions),
    )


def recoveries_out(page: RecoveryPage, following: str | None) -> RecoveriesOut:
    """A page of recoveries."""
    shown = [RecoverySummaryOut(**_summary(one)) for one in page.recoveries]
    return RecoveriesOut(shown, tally_out(page.tally), following)


def csv_row(one: RecoverySummary) -> tuple[str, ...]:
    """A recovery as a line of the export, in the order of `CSV_COLUMNS`; words for people, dates ISO 8601."""
    return (
        one.number,
        STATE_WORDS[one.state],
        one.order_number,
        one.supplier_name or "",
        "avance" if one.payment_kind == "advance" else "solde",
        euros(one.amount_ttc_cents),
        REASON_WORDS[one.reason],
        paris_text(one.opened_at),
        when(one.issued_at) or "",
        when(one.recovered_at) or "",
        one.bank_reference or "",
        str(one.age_days),
        one.source,
    )


def _summary(one: RecoverySummary) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "number": one.number,
        "state": one.state,
        "order_id": str(one.order_id),
        "order": one.order_number,
        "order_state": one.order_state,
        "supplier_id": str(one.supplier_id),
        "supplier": one.supplier_name,
        "og_id": str(one.og_id),
        "payment_id": str(one.payment_id),
        "payment_kind": one.payment_kind,
        "amount_ttc": euros(one.amount_ttc_cents),
        "reason": one.reason,
        "source": one.source,
        "opened_at": paris_text(one.opened_at),
        "issued_at": when(one.issued_at),
        "recovered_at": when(one.recovered_at),
        "bank_reference": one.bank_reference,
        "age_days": one.age_days,
    }
