"""Answers about a piece that was examined."""

from __future__ import annotations

from typing import Literal

import msgspec

from sons_tracker.api.strict import Count, Sha256
from sons_tracker.operations.pieces import PieceView


class FindingOut(msgspec.Struct, frozen=True):
    """Ce qu'un examen a trouvé : « error » empêche de présenter le fichier, « warn » est à savoir.

    « count » dit combien de fois, « where » où la première fois (un nom dans l'archive, une cellule).
    """

    code: str
    severity: Literal["error", "warn"]
    message: str
    remedy: str
    count: Count
    where: str


class PieceOut(msgspec.Struct, frozen=True):
    """Une pièce examinée. « sha256 » est l'empreinte à donner dans la commande, la facture ou la VA.

    « kind » est reconnu au contenu, vide s'il n'est pas des nôtres ; les nombres qui n'ont pas de sens pour
    ce type sont vides.
    """

    sha256: Sha256
    size: Count
    kind: Literal["pdf", "zip", "xlsx", "xml"] | None
    acceptable: bool
    pages: Count | None
    members: Count | None
    sheets: Count | None
    findings: list[FindingOut]


def piece_out(view: PieceView) -> PieceOut:
    """The answer for a piece."""
    found = view.inspection
    return PieceOut(
        view.sha256.hex(),
        view.size,
        found.kind,
        found.acceptable,
        found.pages,
        found.members,
        found.sheets,
        [
            FindingOut(one.code, one.severity, one.message, one.remedy, one.count, one.where)
            for one in found.findings
        ],
    )
