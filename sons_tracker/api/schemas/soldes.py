"""Bodies and answers about the solde: the invoice, the request, order and VA and invoice side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.strict import (
    Amount,
    Day,
    FinessGeographiqueText,
    FinessJuridiqueText,
    Motivation,
    Sha256,
    Strict,
    Text,
)
from sons_tracker.operations.invoices import MatchView
from sons_tracker.operations.requests import MOST_ESSMS
from sons_tracker.rules.money import euros

_Percent = Annotated[int, Meta(ge=0, le=100)]


class InvoiceLineIn(Strict, frozen=True, kw_only=True):
    """Ce que la facture porte pour un ESSMS."""

    finess: FinessGeographiqueText
    ht: Amount
    vat: Amount
    ttc: Amount


class InvoiceTotalIn(Strict, frozen=True, kw_only=True):
    """Les totaux de la facture."""

    ht: Amount
    vat: Amount
    ttc: Amount


class InvoiceIn(Strict, frozen=True, kw_only=True):
    """La facture émise pour l'organisme gestionnaire : une seule, pour toute la prestation.

    « vat_rate_percent » est null quand le fournisseur n'est pas assujetti à la TVA.
    """

    number: Text
    document_sha256: Sha256 | None = None
    issued_on: Day
    og: FinessJuridiqueText
    signatory_name: Annotated[
        Text, Meta(description="Nom, sur la facture, de la personne qui a signé la VA.")
    ]
    share_percent: Annotated[_Percent, Meta(description="Part de la prestation facturée, en pourcentage.")]
    vat_rate_percent: _Percent | None
    lines: Annotated[list[InvoiceLineIn], Meta(min_length=1, max_length=MOST_ESSMS)]
    total: InvoiceTotalIn


class SoldeRequestIn(Strict, frozen=True, kw_only=True):
    """Une demande de solde : la facture ; la VA est celle que l'organisme gestionnaire a signée.

    Le format exact est celui du schéma en vigueur à l'instant du dépôt : « deploiement_mss » n'est admis, et
    exigé, qu'à partir de l'instant que le droit fixe.
    """

    invoice: InvoiceIn
    note: Text | None = None
    deploiement_mss: Literal["cas_1", "cas_2"] | None = None


class SoldeRefilingIn(Strict, frozen=True, kw_only=True):
    """La réponse à une demande de correction du solde : ce qui a été corrigé, et la demande entière."""

    answer: Motivation
    solde: SoldeRequestIn


class PieceFindingOut(msgspec.Struct, frozen=True):
    """Ce que dit un rapprochement, et ce qui réparerait un écart."""

    outcome: Literal["pass", "warn", "review", "unknown", "fail"]
    message: str
    remedy: str | None
    readings: list[str]


class MatchLineOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un ESSMS dans la commande, la VA et la facture ; null tant que la pièce n'est pas là."""

    finess: str
    removed: bool
    ordered_ttc: str | None
    attested: bool | None
    invoiced_ttc: str | None
    findings: list[PieceFindingOut]


class MatchOut(msgspec.Struct, frozen=True, kw_only=True):
    """Le rapprochement d'une commande, de sa VA signée et de la facture de son solde, ESSMS par ESSMS."""

    order_id: str
    order_number: str
    va_number: int | None
    invoice_number: str | None
    lines: list[MatchLineOut]


def solde_content(body: SoldeRequestIn) -> dict[str, Any]:
    """The content of a request as its schema reads it: what was not said is absent.

    A rate that is null says something, and stays.
    """
    content: dict[str, Any] = msgspec.to_builtins(body)
    invoice = {
        name: value
        for name, value in content["invoice"].items()
        if value is not None or name == "vat_rate_percent"
    }
    return {**{name: value for name, value in content.items() if value is not None}, "invoice": invoice}


def match_out(view: MatchView) -> MatchOut:
    """A match as JSON shows it."""
    return MatchOut(
        order_id=str(view.order_id),
        order_number=view.order_number,
        va_number=view.va_number,
        invoice_number=view.invoice_number,
        lines=[
            MatchLineOut(
                finess=str(line.finess),
                removed=line.removed,
                ordered_ttc=_euros(line.ordered_ttc_cents),
                attested=line.attested,
                invoiced_ttc=_euros(line.invoiced_ttc_cents),
                findings=[
                    PieceFindingOut(str(f.outcome), f.message, f.remedy, list(f.readings))  # type: ignore[arg-type]
                    for f in line.findings
                ],
            )
            for line in view.lines
        ],
    )


def _euros(cents: int | None) -> str | None:
    return None if cents is None else euros(cents)
