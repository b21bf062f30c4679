"""The list of everything that can be done with an order, by role, and why not now.

The same answer serves the buttons and the refusals: an operation asks `reasons` before it acts, so that what
is shown as possible is what is accepted.
"""

from __future__ import annotations

from datetime import datetime

from sons_tracker.rules import life_conflicts, life_endings, life_requests, life_va
from sons_tracker.rules.actions import Action, Reason
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.life import Deed
from sons_tracker.rules.texts import Law

# One line per noun. A role has a code at most once; two parties may have the same code for different reasons.
DEEDS: tuple[Deed, ...] = (
    *life_requests.DEEDS,
    *life_va.DEEDS,
    *life_endings.DEEDS,
    *life_conflicts.DEEDS,
)
_DEEDS: dict[tuple[str, str | None], Deed] = {
    (deed.code, role): deed for deed in DEEDS for role in (None, *deed.roles)
}


def order_actions(dossier: Dossier, role: str, law: Law, at: datetime) -> tuple[Action, ...]:
    """Every action that the role may have on the order, with what stands against those not possible now."""
    return tuple(
        Action(deed.code, deed.label, tuple(deed.judge(dossier, law, at)))
        for deed in DEEDS
        if role in deed.roles
    )


def reasons(
    code: str, dossier: Dossier, law: Law, at: datetime, role: str | None = None
) -> tuple[Reason, ...]:
    """Why the action cannot be done now; empty when it can. The caller's role is checked by the operation.

    `role` says whose action it is, where two parties have one of that code.

    Raises:
        KeyError: no such action.
    """
    return tuple(_DEEDS[code, role].judge(dossier, law, at))
