"""Bodies and answers about payments, lots and the bank's returns: amounts are strings in euros."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import ActionOut, ReasonOut, actions_out
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Count, Strict, Text
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.bank_returns import ReturnView
from sons_tracker.operations.lot_reading import LotPage
from sons_tracker.operations.lot_views import LotLineView, LotView, Tally
from sons_tracker.operations.payments import PaymentPage, PaymentView
from sons_tracker.rules.money import euros

LONGEST_RETURN = 8 * 1024 * 1024
PaymentState = Literal["planned", "due", "in_lot", "paid", "returned", "to_recover", "recovered"]
LotState = Literal["prepared", "approved", "dropped"]
Identifier = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\\n)$",
        extra_json_schema={"x-attendu": "Un identifiant s'écrit en 36 caractères, en minuscules."},
    ),
]
After = Annotated[str, Meta(max_length=200)]


class PaymentsQuery(Strict, frozen=True, kw_only=True):
    """Filtre et page d'une liste de versements ; « after » est le « next » de la page précédente."""

    state: PaymentState | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Identifier | None = None


class LotsQuery(Strict, frozen=True, kw_only=True):
    """Filtre et page d'une liste de lots ; « after » est le « next » de la page précédente."""

    state: LotState | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: After | None = None


class LotLinesQuery(Strict, frozen=True, kw_only=True):
    """Page des virements d'un lot ; « after » est le rang du dernier reçu."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 200
    after: Count = 0


class LotFileQuery(Strict, frozen=True, kw_only=True):
    """Le format du fichier du lot."""

    format: Literal["json", "csv"] = "json"


class LotIn(Strict, frozen=True, kw_only=True):
    """Les versements d'un nouveau lot ; sans « payments », les plus anciens des versements dus."""

    payments: Annotated[list[Identifier], Meta(min_length=1, max_length=10_000)] | None = None


class LotDropIn(Strict, frozen=True, kw_only=True):
    """Pourquoi un lot est abandonné."""

    reason: Text


class BankReturnIn(Strict, frozen=True, kw_only=True):
    """Un fichier de retour de la banque, entier, en JSON ou en CSV : son texte tel qu'il est."""

    content: Annotated[str, Meta(min_length=1, max_length=LONGEST_RETURN)]


class TallyOut(msgspec.Struct, frozen=True):
    """Un nombre de virements et leur somme."""

    count: int
    total_ttc: str


class PaymentItemOut(msgspec.Struct, frozen=True):
    """Un versement d'une commande ; « due_ttc » est null tant qu'il n'est que prévu."""

    id: str
    order_id: str
    order: str
    supplier_id: str
    kind: Literal["advance", "solde"]
    state: PaymentState
    amount_ttc: str
    due_ttc: str | None
    due_at: str | None
    paid_at: str | None


class PaymentsOut(msgspec.Struct, frozen=True):
    """Une page de versements ; « next » est null à la dernière."""

    payments: list[PaymentItemOut]
    next: str | None


class LeftOutOut(msgspec.Struct, frozen=True):
    """Un versement resté hors du lot, et pourquoi."""

    payment_id: str
    order_id: str
    order: str
    kind: Literal["advance", "solde"]
    reasons: list[ReasonOut]


class LotOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un lot de paiement, sans ses virements. « waiting » : ce à quoi la banque n'a pas encore répondu.

    « left_out » n'est renseigné que par la préparation.
    """

    id: str
    number: str
    state: LotState
    lines: int
    total_ttc: str
    prepared_at: str
    prepared_by: str
    approved_at: str | None
    approved_by: str | None
    dropped_at: str | None
    dropped_by: str | None
    drop_reason: str | None
    waiting: TallyOut
    paid: TallyOut
    rejected: TallyOut
    left_out: list[LeftOutOut]
    actions: list[ActionOut]


class LotsOut(msgspec.Struct, frozen=True):
    """Une page de lots, du plus récent au plus ancien ; « next » est null à la dernière."""

    lots: list[LotOut]
    next: str | None


class LotLineOut(msgspec.Struct, frozen=True):
    """Un virement d'un lot ; « outcome » est null tant que la banque n'a pas répondu."""

    rank: int
    end_to_end: str
    payment_id: str
    order_id: str
    order: str
    kind: Literal["advance", "solde"]
    supplier_id: str
    amount_ttc: str
    iban_masked: str
    outcome: Literal["paid", "rejected", "dropped"] | None
    outcome_at: str | None
    returned_at: str | None
    bank_reference: str | None
    reason_code: str | None


class LotLinesOut(msgspec.Struct, frozen=True):
    """Une page de virements, par leur rang ; « next » est le rang à donner pour la suivante."""

    lines: list[LotLineOut]
    next: int | None


class BankReturnOut(msgspec.Struct, frozen=True):
    """Un retour de la banque intégré : ce qu'il a dit, en nombre et en sommes."""

    id: str
    lot_id: str
    lot: str
    format: Literal["csv", "json"]
    imported_at: str
    lines: int
    total_ttc: str
    paid: TallyOut
    rejected: TallyOut
    returned: TallyOut


def payment_ids(body: LotIn) -> tuple[UUID, ...] | None:
    """The payments of a body, each named once.

    Raises:
        SonsError: `INVALID_REQUEST` for a payment that is named twice.
    """
    if body.payments is None:
        return None
    faults = (
        tuple(
            Fault(f"$.payments[{place}]", "Ce versement figure déjà.")
            for place, one in enumerate(body.payments)
            if one in body.payments[:place]
        )
        if len(set(body.payments)) < len(body.payments)
        else ()
    )
    if faults:
        raise SonsError(ErrorCode.INVALID_REQUEST, "Un versement est nommé plusieurs fois.", faults)
    return tuple(UUID(one) for one in body.payments)


def tally_out(tally: Tally) -> TallyOut:
    """A tally as it is shown."""
    return TallyOut(tally.count, euros(tally.total_ttc_cents))


def payment_out(payment: PaymentView) -> PaymentItemOut:
    """A payment as it is shown."""
    return PaymentItemOut(
        str(payment.id),
        str(payment.order_id),
        payment.order_number,
        str(payment.supplier_id),
        payment.kind,  # type: ignore[arg-type]
        payment.state,  # type: ignore[arg-type]
        euros(payment.amount_ttc_cents),
        None if payment.due_ttc_cents is None else euros(payment.due_ttc_cents),
        when(payment.due_at),
        when(payment.paid_at),
    )


def payments_out(page: PaymentPage) -> PaymentsOut:
    """A page of payments."""
    following = None if page.next_after is None else str(page.next_after)
    return PaymentsOut([payment_out(one) for one in page.payments], following)


def lot_out(lot: LotView) -> LotOut:
    """A lot as it is shown."""
    return LotOut(
        id=str(lot.id),
        number=lot.number,
        state=lot.state,  # type: ignore[arg-type]
        lines=lot.lines,
        total_ttc=euros(lot.total_ttc_cents),
        prepared_at=paris_text(lot.prepared_at),
        prepared_by=str(lot.prepared_by),
        approved_at=when(lot.approved_at),
        approved_by=_text(lot.approved_by),
        dropped_at=when(lot.dropped_at),
        dropped_by=_text(lot.dropped_by),
        drop_reason=lot.drop_reason,
        waiting=tally_out(lot.waiting),
        paid=tally_out(lot.paid),
        rejected=tally_out(lot.rejected),
        left_out=[
            LeftOutOut(
                str(one.payment_id),
                str(one.order_id),
                one.order_number,
                one.kind,  # type: ignore[arg-type]
                [ReasonOut(r.message, r.remedy, r.rule, r.source) for r in one.reasons],
            )
            for one in lot.left_out
        ],
        actions=actions_out(lot.actions),
    )


def lots_out(page: LotPage, following: str | None) -> LotsOut:
    """A page of lots."""
    return LotsOut([lot_out(lot) for lot in page.lots], following)


def lot_lines_out(lines: tuple[LotLineView, ...], limit: int) -> LotLinesOut:
    """A page of the transfers of a lot."""
    shown = [
        LotLineOut(
            line.rank,
            line.end_to_end,
            str(line.payment_id),
            str(line.order_id),
            line.order_number,
            line.kind,  # type: ignore[arg-type]
            str(line.supplier_id),
            euros(line.amount_ttc_cents),
            line.iban_masked,
            line.outcome,  # type: ignore[arg-type]
            when(line.outcome_at),
            when(line.returned_at),
            line.bank_reference,
            line.reason_code,
        )
        for line in lines
    ]
    return LotLinesOut(shown, shown[-1].rank if len(shown) == limit else None)


def return_out(view: ReturnView) -> BankReturnOut:
    """A return of the bank as it is shown."""
    return BankReturnOut(
        str(view.id),
        str(view.lot_id),
        view.lot_number,
        view.format,  # type: ignore[arg-type]
        paris_text(view.imported_at),
        view.lines,
        euros(view.total_ttc_cents),
        tally_out(view.paid),
        tally_out(view.rejected),
        tally_out(view.returned),
    )


def when(at: datetime | None) -> str | None:
    """An instant that may be missing, as Paris reads it."""
    return None if at is None else paris_text(at)


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)
