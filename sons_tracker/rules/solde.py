"""The solde is asked for: R16, R21, R22; and what it pays, compensates and leaves to recover, per ESSMS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.french import PARIS, count_fr, instant_fr, until_fr
from sons_tracker.rules.invoice import PieceFinding, check_invoice, match
from sons_tracker.rules.money import euros_fr
from sons_tracker.rules.money_case import Invoice, LineMoney, OrderedLine, SoldeCase
from sons_tracker.rules.parameters import Version, required
from sons_tracker.rules.texts import Law, Limit
from sons_tracker.rules.verdicts import Facts, Finding, Outcome, Verdict, of_order, severity


def assess_solde(case: SoldeCase, law: Law, known_on: date) -> tuple[Verdict, ...]:
    """What the law, as known on `known_on` (the Paris day of the business instant), says of the solde.

    Every rule of the stage answers exactly once. A `fail` of R21 makes the request inadmissible; the advance
    is R22's: paid back, or, when the VA was signed in time, examined by a reviewer (C15).

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    cloture = dispositif_of(law, case.dispositif)[0].cloture.find(known_on, known_on)
    return (
        of_order("R16", r16_pieces(check_pieces(case, law, known_on))),
        of_order("R21", r21_asked_in_time(case, cloture)),
        of_order("R22", r22_advance_kept(case, cloture)),
    )


def check_pieces(case: SoldeCase, law: Law, known_on: date) -> tuple[PieceFinding, ...]:
    """Every check of the pieces of a solde: are they there, is the invoice right, do the three agree.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    found: list[PieceFinding] = []
    if case.va is None:
        message = "Aucune VA n'a été signée pour cette commande."
        remedy = "Faire signer la VA par l'organisme gestionnaire."
        found.append(PieceFinding("va", Outcome.FAIL, message, remedy))
    if case.invoice is None:
        message = "La facture émise pour l'organisme gestionnaire n'est pas jointe."
        found.append(PieceFinding("invoice", Outcome.FAIL, message, "Joindre la facture de la prestation."))
    else:
        found += check_invoice(case, case.invoice, law, known_on)
    found += match(
        case.lines,
        None if case.va is None else case.va.essms,
        None if case.invoice is None else case.invoice.lines,
    )
    found += _deploiement_mss(case)
    return tuple(found)


def _deploiement_mss(case: SoldeCase) -> tuple[PieceFinding, ...]:
    """What the request declares of the MSSanté agrees with the VA; nothing when its schema does not ask."""
    if case.deploiement_mss is None or case.va is None:
        return ()
    attested = case.va.deploiement_mss
    if attested == case.deploiement_mss:
        message = "Le « Déploiement MSS » de la demande est celui de la VA."
        return (PieceFinding("deploiement_mss", Outcome.PASS, message),)
    if attested is None:
        message = "La VA ne dit rien du « Déploiement MSS » que la demande déclare."
        remedy = "Rapprocher la demande de la VA."
        return (PieceFinding("deploiement_mss", Outcome.WARN, message, remedy),)
    message = "Le « Déploiement MSS » de la demande n'est pas celui de la VA."
    remedy = "Déclarer le cas que dit la VA."
    return (PieceFinding("deploiement_mss", Outcome.FAIL, message, remedy),)


def r16_pieces(checks: tuple[PieceFinding, ...]) -> Finding:
    """R16 (S0:1606-1613) read with C9 and C10: the invoice and the VA, agreeing with the order to the cent.

    The sentence says the first of the worst findings, and how many others there are; `check_pieces` gives
    them all. What the texts leave unsaid of an invoice comes from public pages: to be confirmed.
    """
    source = RULES["R16"].source
    worst = max((check.outcome for check in checks), key=severity, default=Outcome.PASS)
    if worst is Outcome.PASS:
        message = "Facture et VA jointes ; elles concordent, au centime, avec la commande."
        return Finding(Outcome.PASS, message, source, a_confirmer=True)
    first, *others = (check for check in checks if check.outcome is worst)
    essms = "" if first.finess is None else f"ESSMS {first.finess} : "
    rest = f" Et {count_fr(len(others), 'autre écart', 'autres écarts')}." if others else ""
    checked = sorted({check.code for check in checks if check.outcome is worst})
    facts = (("checks", ", ".join(checked)), ("findings", str(1 + len(others))))
    return Finding(
        worst,
        f"{essms}{first.message}{rest}",
        source,
        first.remedy,
        facts,
        first.readings,
        first.code not in _STATED,
    )


_STATED = {"va", "invoice", "addressee"}  # what the source itself asks for (S0:1608-1613)


def _undated(rule: str, case: SoldeCase) -> Finding:
    return Finding(
        Outcome.UNKNOWN,
        f"Aucune date de clôture n'est connue pour {case.dispositif}.",
        RULES[rule].source,
        "Attendre qu'une version du droit donne cette date.",
    )


def _facts(case: SoldeCase, limit: Limit) -> Facts:
    signed = () if case.va is None else (("va_signed_at", case.va.signed_at.astimezone(PARIS).isoformat()),)
    return (
        ("received_at", case.received_at.astimezone(PARIS).isoformat()),
        *signed,
        ("cloture", limit.at.isoformat(timespec="seconds")),
    )


def _in_time(case: SoldeCase, limit: Limit) -> bool:
    return case.va is not None and case.va.signed_at <= limit.at


def r21_asked_in_time(case: SoldeCase, cloture: Version[Limit] | None) -> Finding:
    """R21 (S0:1639, S0:1662-1668) read with C5 and C15: received until the last instant of the clôture."""
    if cloture is None:
        return _undated("R21", case)
    limit = required(cloture)
    day, came = until_fr(limit), f"Demande de solde reçue le {instant_fr(case.received_at)}"
    facts, confirm = _facts(case, limit), cloture.a_confirmer
    if case.received_at > limit.at:
        return Finding(
            Outcome.FAIL,
            f"{came}, après la clôture, le {day} : elle est irrecevable, et le solde est perdu.",
            cloture.source,
            "Aucune régularisation n'est possible après la clôture.",
            facts,
            ("C5", "C15"),
            confirm,
        )
    if case.va is not None and not _in_time(case, limit):
        return Finding(
            Outcome.FAIL,
            f"VA signée le {instant_fr(case.va.signed_at)}, après la clôture, le {day}.",
            cloture.source,
            "Aucune régularisation n'est possible après la clôture.",
            facts,
            ("C5",),
            confirm,
        )
    return Finding(
        Outcome.PASS,
        f"{came}, dans le délai, qui court jusqu'à la clôture, le {day} inclus.",
        cloture.source,
        None,
        facts,
        ("C5",),
        confirm,
    )


def r22_advance_kept(case: SoldeCase, cloture: Version[Limit] | None) -> Finding:
    """R22 (S0:1666) read with C15: the advance is kept when the prestation is carried out at the clôture.

    The VA, signed in time, attests it. A request that comes too late loses the solde, not by itself the
    advance: a person decides.
    """
    source, paid = RULES["R22"].source, case.advance_paid_cents
    amount = (("advance_paid", euros_fr(paid)),)
    if paid <= 0:
        message = "Aucune avance n'est versée à ce jour : rien n'est à rembourser."
        return Finding(Outcome.PASS, message, source, facts=amount)
    if cloture is None:
        return _undated("R22", case)
    limit = required(cloture)
    day, late, confirm = until_fr(limit), case.received_at > limit.at, cloture.a_confirmer
    facts = (*amount, *_facts(case, limit))
    if _in_time(case, limit) and not late:
        message = (
            f"Prestation attestée avant la clôture, le {day} : l'avance de {euros_fr(paid)} reste acquise."
        )
        return Finding(Outcome.PASS, message, source, None, facts, a_confirmer=confirm)
    if _in_time(case, limit):
        return Finding(
            Outcome.REVIEW,
            f"VA signée avant la clôture, le {day}, mais solde demandé après : le solde est perdu, et un"
            f" contrôleur décide de l'avance de {euros_fr(paid)}.",
            source,
            "Attendre la décision d'un contrôleur.",
            facts,
            ("C15",),
            True,
        )
    if late:
        return Finding(
            Outcome.FAIL,
            f"Prestation non réalisée à la clôture, le {day} : l'avance de {euros_fr(paid)} est à"
            " rembourser.",
            source,
            "Rembourser l'avance à l'agence de paiement.",
            facts,
            a_confirmer=confirm,
        )
    return Finding(
        Outcome.WARN,
        f"Sans VA signée avant la clôture, le {day}, l'avance de {euros_fr(paid)} sera à rembourser.",
        source,
        f"Faire signer la VA et demander le solde au plus tard le {day}.",
        facts,
        a_confirmer=confirm,
    )


@dataclass(frozen=True, slots=True)
class SettledLine:
    """What the solde does to one ESSMS, in cents TTC, each at least 0.

    `paid`: added by the solde. `compensated`: of its advance, taken back from what the others are paid.
    `to_recover`: of its advance, what the others could not absorb.
    """

    finess: str
    paid_cents: int
    compensated_cents: int
    to_recover_cents: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """A solde, line by line in the order of the numbers: Σ paid − Σ compensated = `due_cents`, at least 0."""

    lines: tuple[SettledLine, ...]
    due_cents: int
    to_recover_cents: int


def money_lines(
    lines: Iterable[OrderedLine], invoice: Invoice, advance_paid: Mapping[str, int]
) -> tuple[LineMoney, ...]:
    """The money of each ESSMS of the order; `advance_paid`: cents by FINESS géographique, 0 when absent."""
    invoiced = {line.finess: line.ttc_cents for line in invoice.lines}
    return tuple(
        LineMoney(
            line.finess,
            line.unit_ttc_cents,
            advance_paid.get(line.finess, 0),
            invoiced.get(line.finess),
            line.removed,
        )
        for line in lines
    )


def settle(lines: Iterable[LineMoney]) -> Settlement:
    """The solde of an order whose pieces agree: for each ESSMS min(invoice, order) − advance (C9).

    An ESSMS that is removed, or not invoiced, is worth 0: its advance is compensated by the solde of the
    others (C10), as is what an invoice takes below the advance. Whatever the others cannot absorb is to
    recover; compensation takes the ESSMS in the order of their numbers, so that the answer is one. After
    payment and recovery each line has received exactly what it is worth.
    """
    kept = sorted(lines, key=lambda line: line.finess)
    balances = [_worth(line) - line.advance_paid_cents for line in kept]
    left = paid = sum(balance for balance in balances if balance > 0)
    settled = []
    for line, balance in zip(kept, balances, strict=True):
        excess = max(0, -balance)
        compensated = min(excess, left)
        left -= compensated
        settled.append(SettledLine(line.finess, max(0, balance), compensated, excess - compensated))
    compensated = sum(line.compensated_cents for line in settled)
    return Settlement(tuple(settled), paid - compensated, sum(line.to_recover_cents for line in settled))


def _worth(line: LineMoney) -> int:
    if line.removed or line.invoiced_cents is None:
        return 0
    return min(line.invoiced_cents, line.unit_ttc_cents)
