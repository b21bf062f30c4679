"""The VA is signed: R17, R18, R21. All the ESSMS of the perimeter, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.french import PARIS, instant_fr, until_fr
from sons_tracker.rules.money_case import HANDWRITTEN, VA_SIGNATURES, VaCase, VaLine
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Facts, Finding, OneEssms, Outcome, Verdict, grouped, of_order

Counts = tuple[int | None, int | None, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Rates:
    """The three ESMS numérique indicators of one ESSMS (S1:640-712), exact; None where nothing divides them.

    `active`: active records among the people accompanied. `project` and `event`: those with a personalised
    project, and with one event at least, among the active records. `percent_fr` prints them.
    """

    active: Fraction | None
    project: Fraction | None
    event: Fraction | None


def rates(line: VaLine) -> Rates:
    """The indicators of one line, from its counts; a count that is missing gives no rate."""

    def rate(part: int | None, whole: int | None) -> Fraction | None:
        return None if part is None or not whole else Fraction(part, whole)

    return Rates(
        rate(line.active, line.accompanied),
        rate(line.with_project, line.active),
        rate(line.with_event, line.active),
    )


def assess_va(case: VaCase, law: Law, known_on: date) -> tuple[Verdict, ...]:
    """What the law, as known on `known_on` (the Paris day of the business instant), says of a VA.

    R17 and R21 answer once, R18 once for each ESSMS that the perimeter or the VA names. A `fail` refuses the
    whole VA; sorted by rule and number.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    essms = sorted({*case.expected, *(line.finess for line in case.lines)})
    return (
        of_order("R17", r17_signature(case)),
        *sorted(grouped("R18", map(OneEssms, essms), r18_essms(case)), key=lambda verdict: verdict.essms),
        of_order("R21", r21_signed_in_time(case, law, known_on)),
    )


def r17_signature(case: VaCase) -> Finding:
    """R17 (S0:1617, against S0:1601 for the order): who answers for the OG signs, and not by hand."""
    facts = (("signature", case.signature_kind or "inconnue"),)
    lacks, remedies = [], []
    if not case.signer_is_og:
        lacks.append("Le signataire n'est pas le responsable de l'organisme gestionnaire de la commande.")
        remedies.append("Faire signer la VA par le responsable de l'organisme gestionnaire.")
    if case.signature_kind not in VA_SIGNATURES:
        by_hand = "Une signature manuscrite est admise pour le bon de commande, non pour la VA."
        other = "La VA ne porte aucune des signatures admises."
        lacks.append(by_hand if case.signature_kind == HANDWRITTEN else other)
        remedies.append(
            "Signer par carte CPx, par Pro Santé Connect, par certificat logiciel RGS, ou d'une signature"
            " électronique de niveau eIDAS simple au moins."
        )
    if lacks:
        return Finding(Outcome.FAIL, " ".join(lacks), RULES["R17"].source, " ".join(remedies), facts)
    return Finding(
        Outcome.PASS,
        "VA signée électroniquement par le responsable de l'organisme gestionnaire.",
        RULES["R17"].source,
        facts=facts,
    )


def r18_essms(case: VaCase) -> Callable[[OneEssms], Finding]:
    """R18 (S0:1618-1621): deployed, TBB.1 supplied and not zero, the three indicators supplied.

    No rate has a threshold at the VA: the targets are those of the grants. A VA leaves out no ESSMS of the
    perimeter and names no other; an ESSMS that is not ready is removed from the perimeter first (C10).
    """
    source = RULES["R18"].source
    expected, lines = frozenset(case.expected), dict[str, list[VaLine]]()
    for line in case.lines:
        lines.setdefault(line.finess, []).append(line)
    ready = Finding(
        Outcome.PASS,
        "DUI déployé, tableau de bord TBB.1 alimenté, les trois indicateurs fournis.",
        source,
    )
    missing = Finding(
        Outcome.FAIL,
        "La VA ne dit rien de cet ESSMS de la commande : elle porte sur tous, ou elle n'est pas recevable.",
        source,
        "Attester cet ESSMS, ou le retirer du périmètre de la commande.",
        readings=("C10",),
    )
    stranger = Finding(
        Outcome.FAIL,
        "Cet ESSMS n'est pas, ou n'est plus, du périmètre de la commande.",
        source,
        "Retirer cet ESSMS de la VA.",
        readings=("C10",),
    )
    twice = Finding(
        Outcome.FAIL, "Cet ESSMS figure plusieurs fois dans la VA.", source, "L'y laisser une fois."
    )
    remedy = "Compléter ou corriger ce que la VA déclare de cet ESSMS, ou le retirer du périmètre."

    def judge(essms: OneEssms) -> Finding:
        found = lines.get(essms.finess, [])
        if essms.finess not in expected:
            return stranger
        if len(found) != 1:
            return twice if found else missing
        [line] = found
        lacks = _lacks(line)
        if lacks:
            return Finding(Outcome.FAIL, " ".join(lacks), source, remedy, _facts(line))
        if 0 in (line.with_project, line.with_event):
            return Finding(
                Outcome.WARN,
                "L'un des indicateurs de cet ESSMS vaut zéro ; les valeurs du tableau de bord TBB.1 doivent"
                " être différentes de zéro.",
                source,
                "Vérifier le tableau de bord TBB.1 avant de signer.",
                _facts(line),
                a_confirmer=True,
            )
        return ready

    return judge


def _lacks(line: VaLine) -> list[str]:
    """What keeps one line from attesting its ESSMS, in French."""
    lacks = []
    if line.dui_deployed is not True:
        lacks.append(_undone(line.dui_deployed, "Le déploiement du DUI", "Le DUI n'est pas déployé."))
    if line.tbb1_supplied is not True:
        no = "Le tableau de bord TBB.1 n'est pas alimenté de valeurs différentes de zéro."
        lacks.append(_undone(line.tbb1_supplied, "L'alimentation du tableau de bord TBB.1", no))
    accompanied, active = line.accompanied, line.active
    counts: Counts = (accompanied, active, line.with_project, line.with_event)
    if any(count is None or count < 0 for count in counts):
        lacks.append("Les quatre nombres qui font les trois indicateurs ne sont pas tous déclarés.")
        return lacks
    assert accompanied is not None
    assert active is not None
    if accompanied == 0:
        lacks.append("Sans personne accompagnée, aucun taux ne peut être calculé.")
    elif active == 0:
        lacks.append("Sans dossier actif, ni le taux de projets ni celui d'événements ne peut être calculé.")
    if active > accompanied:
        lacks.append("Il y a plus de dossiers actifs que de personnes accompagnées.")
    for part, what in ((line.with_project, "un projet personnalisé"), (line.with_event, "un événement")):
        if part is not None and part > active:
            lacks.append(f"Il y a plus de dossiers actifs ayant {what} que de dossiers actifs.")
    return lacks


def _undone(declared: bool | None, subject: str, no: str) -> str:
    return f"{subject} n'est pas déclaré." if declared is None else no


def _facts(line: VaLine) -> Facts:
    named = (
        ("accompanied", line.accompanied),
        ("active", line.active),
        ("with_project", line.with_project),
        ("with_event", line.with_event),
    )
    return tuple((name, "inconnu" if count is None else str(count)) for name, count in named)


def r21_signed_in_time(case: VaCase, law: Law, known_on: date) -> Finding:
    """R21 (S0:1639, S0:1662-1668) read with C5: signed before the clôture; on its day, with a warning."""
    version = dispositif_of(law, case.dispositif)[0].cloture.find(known_on, known_on)
    if version is None:
        return Finding(
            Outcome.UNKNOWN,
            f"Aucune date de clôture n'est connue pour {case.dispositif}.",
            RULES["R21"].source,
            "Attendre qu'une version du droit donne cette date.",
        )
    limit, signed = required(version), f"VA signée le {instant_fr(case.signed_at)}"
    facts = (
        ("signed_at", case.signed_at.astimezone(PARIS).isoformat()),
        ("cloture", limit.at.isoformat(timespec="seconds")),
    )
    if case.signed_at > limit.at:
        return Finding(
            Outcome.FAIL,
            f"{signed}, après la clôture, le {until_fr(limit)}.",
            version.source,
            "Aucune régularisation n'est possible après la clôture.",
            facts,
            ("C5",),
            version.a_confirmer,
        )
    if case.signed_at.astimezone(PARIS).date() == limit.on:
        return Finding(
            Outcome.WARN,
            f"{signed}, le jour même de la clôture, le {until_fr(limit)}.",
            version.source,
            "Déposer la demande de solde sans attendre.",
            facts,
            ("C5",),
            True,
        )
    return Finding(
        Outcome.PASS,
        f"{signed}, avant la clôture, le {until_fr(limit)}.",
        version.source,
        f"Déposer la demande de solde au plus tard le {until_fr(limit)}.",
        facts,
        ("C5",),
        version.a_confirmer,
    )
