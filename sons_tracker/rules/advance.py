"""The advance is asked for: R11, R12, R15, R20. Asked at the request, and again before any payment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import dispositif_of, referencings_for
from sons_tracker.rules.french import PARIS, date_fr, instant_fr, until_fr
from sons_tracker.rules.money_case import HANDWRITTEN, ORDER_SIGNATURES, AdvanceCase
from sons_tracker.rules.parameters import required
from sons_tracker.rules.referencing import delay_finding
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Finding, Outcome, Verdict, of_order


def assess_advance(case: AdvanceCase, law: Law, known_on: date) -> tuple[Verdict, ...]:
    """What the law, as known on `known_on` (the Paris day of the business instant), says of the advance.

    Every rule of the stage answers exactly once; a `fail` of R20 makes the request inadmissible, any other
    refuses it as it stands. The supplier's enrolment is no rule of the scheme: the action asks for it.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    dispositif_of(law, case.dispositif)
    return tuple(of_order(rule, ask(case, law, known_on)) for rule, ask in ADVANCE_RULES.items())


def r11_before_payment(case: AdvanceCase, law: Law, known_on: date) -> Finding:
    """R11 (S0:1482, S0:1602): nothing is paid before the version is referenced.

    Referenced on the day of the signature, or today. A referencing that came after the signature and has
    ended since is in no text: a person decides.
    """
    source = RULES["R11"].source
    if case.referencings is None:
        return Finding(
            Outcome.UNKNOWN,
            "La version commandée ne figure dans aucune liste chargée de l'ANS.",
            source,
            "Charger la liste de l'ANS.",
        )
    lines = referencings_for(case.referencings, case.dispositif)
    for day, when in ((case.signed_on, "à la signature"), (known_on, f"le {date_fr(known_on)}")):
        line = next((r for r in lines if r.covers(day)), None)
        if line is not None:
            assert line.referenced_from is not None
            since = (("referenced_from", line.referenced_from.isoformat()),)
            return Finding(Outcome.PASS, f"Version référencée par l'ANS {when}.", source, facts=since)
    if any(r.withdrawn_at_unknown_date for r in lines):
        return Finding(
            Outcome.UNKNOWN,
            "Cette version a été retirée de la liste de l'ANS à une date qui n'est pas connue.",
            source,
            "Faire préciser par l'ANS la date de fin du référencement.",
        )
    ended = [r.referenced_to for r in lines if r.referenced_to is not None and r.covers(r.referenced_to)]
    between = [day for day in ended if case.signed_on < day < known_on]
    if between:
        return Finding(
            Outcome.REVIEW,
            "Version référencée après la signature, mais dont le référencement a pris fin le"
            f" {date_fr(max(between))}.",
            source,
            "Attendre la décision d'un contrôleur.",
            (("referenced_to", max(between).isoformat()),),
            a_confirmer=True,
        )
    starts = [r.referenced_from for r in lines if r.referenced_from is not None and r.status != "candidate"]
    coming = [day for day in starts if day > known_on]
    until = f" : elle ne le sera que le {date_fr(min(coming))}" if coming else ""
    return Finding(
        Outcome.FAIL,
        f"La version commandée n'est pas référencée par l'ANS{until}."
        " Rien n'est versé avant le référencement.",
        source,
        "Demander l'avance une fois la version référencée par l'ANS.",
        (("signed_on", case.signed_on.isoformat()), ("known_on", known_on.isoformat())),
    )


def r12_complete_file(case: AdvanceCase, law: Law, known_on: date) -> Finding:
    """R12 (S0:1602), as at the deposit, with what is known by now."""
    lines = case.referencings
    ours = None if lines is None else referencings_for(lines, case.dispositif)
    return delay_finding(dispositif_of(law, case.dispositif)[0], ours, case.signed_on, known_on)


def r15_signed_order(case: AdvanceCase, law: Law, known_on: date) -> Finding:
    """R15 (S0:1595-1601): the order, validated by the OG by hand or electronically, is there."""
    source = RULES["R15"].source
    facts = (("signature", case.signature_kind or "inconnue"),)
    lacks = []
    if not case.document_present:
        lacks.append("Le bon de commande signé n'est pas joint à la demande.")
    if case.signature_kind is None:
        lacks.append("Rien ne dit comment l'organisme gestionnaire a signé le bon de commande.")
    elif case.signature_kind not in ORDER_SIGNATURES:
        lacks.append("Le bon de commande ne porte ni signature manuscrite ni signature électronique.")
    if lacks:
        remedy = "Joindre le bon de commande signé par l'organisme gestionnaire, et dire comment il l'est."
        return Finding(Outcome.FAIL, " ".join(lacks), source, remedy, facts)
    word = "manuscrite" if case.signature_kind == HANDWRITTEN else "électronique"
    mention = dispositif_of(law, case.dispositif)[1].order_mention.find(case.signed_on, known_on)
    return Finding(
        Outcome.PASS,
        f"Bon de commande validé par l'organisme gestionnaire, par une signature {word}.",
        source,
        None if mention is None else f"Vérifier sur la pièce la mention « {required(mention)} ».",
        facts,
    )


def r20_request(case: AdvanceCase, law: Law, known_on: date) -> Finding:
    """R20 (S0:1633-1637, S0:1656-1659) read with C5: received until the last instant of the fermeture."""
    version = dispositif_of(law, case.dispositif)[0].fermeture.find(known_on, known_on)
    if version is None:
        return Finding(
            Outcome.UNKNOWN,
            f"Aucune date de fermeture n'est connue pour {case.dispositif}.",
            RULES["R20"].source,
            "Attendre qu'une version du droit donne cette date.",
        )
    limit = required(version)
    facts = (
        ("received_at", case.received_at.astimezone(PARIS).isoformat()),
        ("fermeture", limit.at.isoformat(timespec="seconds")),
    )
    came = f"Demande d'avance reçue le {instant_fr(case.received_at)}"
    if case.received_at > limit.at:
        return Finding(
            Outcome.FAIL,
            f"{came}, après la fermeture, le {until_fr(limit)} : elle est irrecevable.",
            version.source,
            "Aucune régularisation n'est possible après la fermeture.",
            facts,
            ("C5",),
            version.a_confirmer,
        )
    return Finding(
        Outcome.PASS,
        f"{came}, dans le délai, qui court jusqu'à la fermeture, le {until_fr(limit)} inclus.",
        version.source,
        None,
        facts,
        ("C5",),
        version.a_confirmer,
    )


ADVANCE_RULES: Mapping[str, Callable[[AdvanceCase, Law, date], Finding]] = {
    "R11": r11_before_payment,
    "R12": r12_complete_file,
    "R15": r15_signed_order,
    "R20": r20_request,
}
