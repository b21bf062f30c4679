"""The invoice of the solde by itself, and held against the order and the VA, ESSMS by ESSMS (R16)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.french import PARIS, date_fr
from sons_tracker.rules.identifiers import parse_geographique, parse_juridique
from sons_tracker.rules.money import NNBSP, euros_fr, parse_euros
from sons_tracker.rules.money_case import Invoice, InvoiceLine, OrderedLine, SoldeCase
from sons_tracker.rules.parameters import Version, required
from sons_tracker.rules.texts import InvoiceRules, Law
from sons_tracker.rules.verdicts import Outcome

_PER_CENT = 100
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae"})


@dataclass(frozen=True, slots=True)
class PieceFinding:
    """What one check of the pieces of a solde says; `finess` is the ESSMS it speaks of, None for the whole.

    `message` and `remedy` are French sentences that name no person.
    """

    code: str
    outcome: Outcome
    message: str
    remedy: str | None = None
    finess: str | None = None
    readings: tuple[str, ...] = ()


def invoice_of(content: Mapping[str, Any]) -> Invoice:
    """The invoice of a solde request, from the `invoice` of a content that its schema accepts."""
    total = content["total"]
    return Invoice(
        number=content["number"],
        issued_on=date.fromisoformat(content["issued_on"]),
        og=parse_juridique(content["og"]),
        signatory_name=content["signatory_name"],
        share_percent=content["share_percent"],
        vat_rate_percent=content["vat_rate_percent"],
        lines=tuple(
            InvoiceLine(
                parse_geographique(line["finess"]),
                parse_euros(line["ht"]),
                parse_euros(line["vat"]),
                parse_euros(line["ttc"]),
            )
            for line in content["lines"]
        ),
        ht_cents=parse_euros(total["ht"]),
        vat_cents=parse_euros(total["vat"]),
        ttc_cents=parse_euros(total["ttc"]),
    )


def vat_cents(ht_cents: int, percent: int) -> int:
    """The VAT of an amount, to the nearest cent, a half rounded up."""
    return (2 * ht_cents * percent + _PER_CENT) // (2 * _PER_CENT)


def check_invoice(case: SoldeCase, invoice: Invoice, law: Law, known_on: date) -> tuple[PieceFinding, ...]:
    """The invoice by itself, as practice checks it: every check answers, a failed one as often as it fails.

    Source: S0:1608-1612 for the copy of the invoice issued to the OG; the checks are those of public pages,
    and their values, `a_confirmer`, stand in the law (`V1.facture`, in force on the day of the invoice).

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    version = dispositif_of(law, case.dispositif)[1].invoice.find(invoice.issued_on, known_on)
    return (
        _whole(invoice, version),
        _amount(invoice),
        *_or_pass("arithmetic", "HT + TVA = TTC, par ligne et au total.", _arithmetic(invoice)),
        *_or_pass("vat", "TVA conforme à la situation du fournisseur.", _vat(case, invoice, version)),
        _ceiling(case, invoice),
        _addressee(case, invoice),
        *_signatory(case, invoice),
        _issued(case, invoice),
    )


def match(
    lines: Iterable[OrderedLine], va: Iterable[str] | None, invoiced: Iterable[InvoiceLine] | None
) -> tuple[PieceFinding, ...]:
    """Order, VA and invoice held against each other: each ESSMS that one of them names is answered.

    No tolerance: a cent above the order is refused; a cent below lowers the solde, and is said (C9). An
    ESSMS removed from the perimeter is neither attested nor invoiced (C10). Sorted by number; `va` and
    `invoiced` are None while that piece is not there: what it would say is then not judged, but `unknown`.
    """
    ordered = {line.finess: line for line in lines}
    attested = None if va is None else frozenset(va)
    bills: dict[str, list[int]] = {}
    for line in invoiced or ():
        bills.setdefault(line.finess, []).append(line.ttc_cents)
    answered = va is not None and invoiced is not None
    found: list[PieceFinding] = []
    for finess in sorted({*ordered, *(attested or ()), *bills}):
        order = ordered.get(finess)
        billed = None if invoiced is None else bills.get(finess, [])
        in_va = None if attested is None else finess in attested
        if order is None or order.removed:
            answers = _outside(finess, order, in_va, billed)
        else:
            answers = _inside(order, in_va, billed)
        found += list(answers) or [_agreed(finess, answered, order is not None and order.removed)]
    return tuple(found)


def _agreed(finess: str, answered: bool, removed: bool) -> PieceFinding:
    if not answered:
        message = "Rien à rapprocher pour cet ESSMS tant que la VA ou la facture manque."
        return PieceFinding("match", Outcome.UNKNOWN, message, None, finess)
    if removed:
        message = "Retiré du périmètre : ni attesté ni facturé ; son avance est compensée."
        return PieceFinding("match", Outcome.PASS, message, None, finess, ("C10",))
    return PieceFinding("match", Outcome.PASS, "Commande, VA et facture concordent.", None, finess)


def _outside(
    finess: str, order: OrderedLine | None, in_va: bool | None, billed: list[int] | None
) -> Iterator[PieceFinding]:
    """An ESSMS that was never ordered, or was removed since, may stand in neither piece."""
    why = "n'est pas de la commande" if order is None else "a été retiré du périmètre de la commande"
    if in_va:
        message = f"Cet ESSMS {why}, et la VA l'atteste."
        yield PieceFinding(
            "match", Outcome.FAIL, message, "Faire signer une VA sans cet ESSMS.", finess, ("C10",)
        )
    if billed:
        message = f"Cet ESSMS {why}, et la facture le compte."
        yield PieceFinding(
            "match", Outcome.FAIL, message, "Émettre une facture sans cet ESSMS.", finess, ("C10",)
        )


def _inside(order: OrderedLine, in_va: bool | None, billed: list[int] | None) -> Iterator[PieceFinding]:
    """An ESSMS of the perimeter stands once in each piece, for what was ordered at most."""

    def said(outcome: Outcome, message: str, remedy: str, *readings: str) -> PieceFinding:
        return PieceFinding("match", outcome, message, remedy, order.finess, readings)

    or_removed = "ou retirer cet ESSMS du périmètre de la commande."
    if in_va is False:
        yield said(
            Outcome.FAIL, "Cet ESSMS est commandé, et la VA ne l'atteste pas.", f"L'attester, {or_removed}"
        )
    if billed is None:
        return
    if not billed:
        yield said(
            Outcome.FAIL,
            "Cet ESSMS est commandé, et la facture ne le compte pas.",
            f"Le facturer, {or_removed}",
        )
    elif len(billed) > 1:
        yield said(Outcome.FAIL, "La facture compte plusieurs fois cet ESSMS.", "L'y compter une fois.")
    elif billed[0] <= 0:
        yield said(
            Outcome.FAIL, "La facture compte cet ESSMS pour un montant nul.", f"Le facturer, {or_removed}"
        )
    elif billed[0] > order.unit_ttc_cents:
        yield said(
            Outcome.FAIL,
            f"Facturé {euros_fr(billed[0])} TTC pour {euros_fr(order.unit_ttc_cents)} commandés.",
            f"Facturer au plus {euros_fr(order.unit_ttc_cents)} TTC pour cet ESSMS.",
        )
    elif billed[0] < order.unit_ttc_cents:
        yield said(
            Outcome.WARN,
            f"Facturé {euros_fr(billed[0])} TTC pour {euros_fr(order.unit_ttc_cents)} commandés : le solde"
            " est calculé sur la facture.",
            "Vérifier que ce montant est voulu.",
            "C9",
        )


def piece_reasons(findings: Iterable[PieceFinding]) -> tuple[Reason, ...]:
    """The failed checks, as reasons of a refusal: each names its ESSMS."""
    source = str(RULES["R16"].source)
    return tuple(
        Reason(
            finding.message if finding.finess is None else f"ESSMS {finding.finess} : {finding.message}",
            finding.remedy,
            "R16",
            source,
        )
        for finding in findings
        if finding.outcome is Outcome.FAIL
    )


def same_person(one: str, other: str) -> bool:
    """Whether two spellings name one person: neither case, accents, spaces, hyphens nor the order count."""
    first, second = _words(one), _words(other)
    return bool(first) and ("".join(first) == "".join(second) or sorted(first) == sorted(second))


def _words(name: str) -> list[str]:
    letters = unicodedata.normalize("NFKD", name.casefold().translate(_LIGATURES))
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    return "".join(c if c.isalnum() else " " for c in plain).split()


def _percent(whole: int) -> str:
    return f"{whole}{NNBSP}%"


def _or_pass(code: str, message: str, failed: Iterable[PieceFinding]) -> tuple[PieceFinding, ...]:
    return tuple(failed) or (PieceFinding(code, Outcome.PASS, message),)


def _whole(invoice: Invoice, version: Version[InvoiceRules] | None) -> PieceFinding:
    if version is None:
        message = "Aucun texte connu ne dit quelle part de la prestation une facture porte à cette date."
        return PieceFinding("share", Outcome.UNKNOWN, message, "Vérifier la date de la facture.")
    share = required(version).share_percent
    if invoice.share_percent == share:
        return PieceFinding("share", Outcome.PASS, f"Facture à {_percent(share)}.")
    return PieceFinding(
        "share",
        Outcome.FAIL,
        f"La facture porte {_percent(invoice.share_percent)} de la prestation : il en faut une seule, à"
        f" {_percent(share)}, sans facture intermédiaire pour l'avance.",
        f"Émettre une seule facture, à {_percent(share)}.",
    )


def _amount(invoice: Invoice) -> PieceFinding:
    if invoice.ttc_cents > 0:
        return PieceFinding("amount", Outcome.PASS, f"Facture de {euros_fr(invoice.ttc_cents)} TTC.")
    message = "La facture montre un montant nul : elle est toujours rejetée."
    remedy = "Émettre une facture qui montre le montant réel de la prestation."
    return PieceFinding("amount", Outcome.FAIL, message, remedy)


def _arithmetic(invoice: Invoice) -> Iterator[PieceFinding]:
    remedy = "Corriger la facture, au centime."
    for line in invoice.lines:
        if line.ht_cents + line.vat_cents != line.ttc_cents:
            message = (
                f"{euros_fr(line.ht_cents)} HT et {euros_fr(line.vat_cents)} de TVA ne font pas"
                f" {euros_fr(line.ttc_cents)} TTC."
            )
            yield PieceFinding("arithmetic", Outcome.FAIL, message, remedy, line.finess)
    if invoice.ht_cents + invoice.vat_cents != invoice.ttc_cents:
        message = (
            f"Au total, {euros_fr(invoice.ht_cents)} HT et {euros_fr(invoice.vat_cents)} de TVA ne font pas"
            f" {euros_fr(invoice.ttc_cents)} TTC."
        )
        yield PieceFinding("arithmetic", Outcome.FAIL, message, remedy)
    sums = (
        ("HT", sum(line.ht_cents for line in invoice.lines), invoice.ht_cents),
        ("de TVA", sum(line.vat_cents for line in invoice.lines), invoice.vat_cents),
        ("TTC", sum(line.ttc_cents for line in invoice.lines), invoice.ttc_cents),
    )
    for word, summed, total in sums:
        if summed != total:
            message = f"Les lignes font {euros_fr(summed)} {word}, et le total annonce {euros_fr(total)}."
            yield PieceFinding("arithmetic", Outcome.FAIL, message, remedy)


def _vat(case: SoldeCase, invoice: Invoice, version: Version[InvoiceRules] | None) -> Iterator[PieceFinding]:
    """The rate of the law for a supplier that is liable to VAT; none for one that proved that it is not."""
    rate = invoice.vat_rate_percent
    if case.vat_liable is None or version is None:
        message = "La situation du fournisseur au regard de la TVA n'est pas connue au jour de la facture."
        yield PieceFinding("vat", Outcome.UNKNOWN, message, "Compléter l'enrôlement du fournisseur.")
        return
    lawful = required(version).vat_percent
    if case.vat_liable and rate != lawful:
        shown = "sans TVA" if rate is None else f"au taux de {_percent(rate)}"
        message = (
            f"La facture est établie {shown}, et le fournisseur est assujetti au taux de {_percent(lawful)}."
        )
        remedy = (
            f"Facturer au taux de {_percent(lawful)}, ou joindre à l'enrôlement l'attestation de"
            " non-assujettissement."
        )
        yield PieceFinding("vat", Outcome.FAIL, message, remedy)
        return
    if not case.vat_liable and rate:
        message = f"La facture porte une TVA de {_percent(rate)}, et le fournisseur n'y est pas assujetti."
        remedy = "Facturer sans TVA, ou mettre à jour la situation du fournisseur dans son enrôlement."
        yield PieceFinding("vat", Outcome.FAIL, message, remedy)
        return
    for line in invoice.lines:
        due = vat_cents(line.ht_cents, rate or 0)
        if line.vat_cents != due:
            message = (
                f"TVA de {euros_fr(line.vat_cents)} sur {euros_fr(line.ht_cents)} HT, au lieu de"
                f" {euros_fr(due)}."
            )
            yield PieceFinding("vat", Outcome.FAIL, message, "Corriger la TVA, au centime.", line.finess)


def _ceiling(case: SoldeCase, invoice: Invoice) -> PieceFinding:
    ordered = sum(line.unit_ttc_cents for line in case.lines if not line.removed)
    if invoice.ttc_cents <= ordered:
        return PieceFinding(
            "ceiling", Outcome.PASS, f"Facture dans la limite de la commande ({euros_fr(ordered)})."
        )
    message = f"Facture de {euros_fr(invoice.ttc_cents)} TTC, au-dessus de la commande ({euros_fr(ordered)})."
    return PieceFinding("ceiling", Outcome.FAIL, message, f"Facturer au plus {euros_fr(ordered)} TTC.")


def _addressee(case: SoldeCase, invoice: Invoice) -> PieceFinding:
    if invoice.og == case.og:
        return PieceFinding(
            "addressee", Outcome.PASS, "Facture émise pour l'organisme gestionnaire de la commande."
        )
    message = (
        f"La facture est émise pour l'organisme {invoice.og}, et non pour celui de la commande, {case.og}."
    )
    return PieceFinding("addressee", Outcome.FAIL, message, f"Émettre la facture pour l'organisme {case.og}.")


def _signatory(case: SoldeCase, invoice: Invoice) -> Iterator[PieceFinding]:
    """No VA, nothing to compare: R16 says that it is missing. Nobody's name is repeated."""
    if case.va is None:
        return
    if same_person(invoice.signatory_name, case.va.signer_name):
        yield PieceFinding(
            "signatory", Outcome.PASS, "Le nom sur la facture est celui du signataire de la VA."
        )
    else:
        message = "Le nom sur la facture n'est pas celui du signataire de la VA."
        remedy = "Porter sur la facture le nom du signataire de la VA, écrit comme il l'est dans la VA."
        yield PieceFinding("signatory", Outcome.FAIL, message, remedy)


def _issued(case: SoldeCase, invoice: Invoice) -> PieceFinding:
    """An invoice that a correction asked for is issued anew: it comes with its filing, not with the first."""
    issued, filed_on = (
        f"Facture émise le {date_fr(invoice.issued_on)}",
        (case.filed_at or case.received_at).astimezone(PARIS).date(),
    )
    if invoice.issued_on < case.signed_on:
        message = f"{issued}, avant la signature de la commande, le {date_fr(case.signed_on)}."
        return PieceFinding("issued", Outcome.FAIL, message, "Vérifier la date de la facture.")
    if invoice.issued_on > filed_on:
        message = f"{issued}, après la demande de solde, le {date_fr(filed_on)}."
        return PieceFinding("issued", Outcome.FAIL, message, "Vérifier la date de la facture.")
    return PieceFinding("issued", Outcome.PASS, f"{issued}, après la commande et avant la demande.")
