"""An order is cancelled: R29 for each ESSMS, and the pieces that the motive requires."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.french import PARIS, date_fr
from sons_tracker.rules.lock import Lock, lock_at
from sons_tracker.rules.money_case import ACQUISITION, AGREEMENT, RENUNCIATION, STATEMENT, CancellationCase
from sons_tracker.rules.parameters import required
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Finding, OneEssms, Verdict, grouped

_LOCKED: Mapping[Lock, tuple[str, str | None]] = {
    Lock.NO_TEXT: ("Aucun texte connu à ce jour ne verrouille les annulations.", None),
    Lock.BEFORE: ("L'annulation précède le verrou, celui {which}.", None),
    Lock.OTHER_MOTIVE: (
        "Le verrou, celui {which}, ne vise que les annulations faites pour une acquisition.",
        None,
    ),
    Lock.UNKNOWN_MOTIVE: (
        "L'annulation est postérieure au verrou, celui {which}, et rien ne dit si elle est faite pour"
        " demander une acquisition.",
        "Dire si l'annulation est faite pour demander une acquisition ESMS numérique.",
    ),
    Lock.UNPUBLISHED: (
        "L'annulation, faite pour demander une acquisition, est postérieure au verrou, celui {which}, mais"
        " antérieure à la publication du texte qui l'institue, le {published}.",
        "Attendre la décision d'un contrôleur.",
    ),
    Lock.CLOSED: (
        "Depuis le verrou, celui {which}, cette commande ne peut plus être annulée pour demander une"
        " acquisition.",
        "Garder la commande : le financement ESMS numérique à l'usage du même logiciel reste possible.",
    ),
}
_LACKING: Mapping[str, tuple[str, str]] = {
    STATEMENT: (
        "L'attestation sur l'honneur, signée et motivée, du fournisseur manque.",
        "Joindre l'attestation sur l'honneur du fournisseur.",
    ),
    AGREEMENT: (
        "L'accord du fournisseur et de l'organisme gestionnaire sur l'annulation manque.",
        "Joindre l'accord des deux parties.",
    ),
    RENUNCIATION: (
        "L'attestation de renonciation de l'organisme gestionnaire manque.",
        "Joindre l'attestation de renonciation signée par l'organisme gestionnaire.",
    ),
}


def assess_cancellation(case: CancellationCase, law: Law, known_on: date) -> tuple[Verdict, ...]:
    """R29 (S2:500, S2:516-519) for each ESSMS of the order, as the law is known on `known_on`.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    vague = dispositif_of(law, case.dispositif)[1]
    version = vague.cancellation_lock.find(known_on, known_on)
    found = lock_at(version, case.cancelled_at, case.va_deposited_at, _for_acquisition(case))
    message, remedy = _LOCKED[found.lock]
    published = "" if version is None else date_fr(version.publie_le)
    finding = Finding(
        found.outcome,
        message.format(which=found.which, published=published),
        RULES["R29"].source if version is None else version.source,
        remedy,
        (("cancelled_at", case.cancelled_at.astimezone(PARIS).isoformat()), *found.facts),
        a_confirmer=version is not None and version.a_confirmer,
    )
    return tuple(grouped("R29", map(OneEssms, sorted(set(case.essms))), lambda _: finding))


def cancellation_reasons(case: CancellationCase, law: Law, known_on: date) -> tuple[Reason, ...]:
    """What the file of a cancellation lacks: its motive, and the pieces that this motive requires.

    The pieces are read on public pages only: the reasons say that they are to be confirmed.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    version = dispositif_of(law, case.dispositif)[1].cancellation_pieces.find(known_on, known_on)
    if version is None:
        return (Reason("Aucun texte connu à ce jour ne dit les pièces d'une annulation."),)
    source = f"{version.source}, à confirmer" if version.a_confirmer else str(version.source)
    by_motive = required(version)
    if case.motive is None or case.motive not in by_motive:
        return (
            Reason(
                "Le motif de l'annulation n'est pas donné, ou n'est pas l'un des motifs prévus.",
                "Donner le motif de l'annulation.",
                None,
                source,
            ),
        )
    lacking = [piece for piece in by_motive[case.motive] if piece not in case.pieces]
    reasons = [Reason(*_LACKING[piece], None, source) for piece in lacking]
    if case.motive == ACQUISITION and case.for_acquisition is False:
        reasons.append(
            Reason(
                "Le motif est une acquisition, et l'annulation est déclarée faite pour autre chose.",
                "Accorder le motif et la déclaration.",
                "R29",
                str(RULES["R29"].source),
            )
        )
    return tuple(reasons)


def _for_acquisition(case: CancellationCase) -> bool | None:
    """The motive says it by itself; no declaration takes it back."""
    return True if case.motive == ACQUISITION else case.for_acquisition
