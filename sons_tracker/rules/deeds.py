"""The list of everything that can be done with an order, by role, and why not now.

The same answer serves the buttons and the refusals: an operation asks `reasons` before it acts, so that what
is shown as possible is what is accepted.
"""

from __future__ import annotations

from datetime import datetime

from sons_tracker.rules import life_requests
from sons_tracker.rules.actions import Action, Reason
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.life import Deed
from sons_tracker.rules.texts import Law

# One line per noun; the codes are unique.
DEEDS: tuple[Deed, ...] = (*life_requests.DEEDS,)
_BY_CODE = {deed.code: deed for deed in DEEDS}


def order_actions(dossier: Dossier, role: str, law: Law, at: datetime) -> tuple[Action, ...]:
    """Every action that the role may have on the order, with what stands against those not possible now."""
    return tuple(
        Action(deed.code, deed.label, tuple(deed.judge(dossier, law, at)))
        for deed in DEEDS
        if role in deed.roles
    )


def reasons(code: str, dossier: Dossier, law: Law, at: datetime) -> tuple[Reason, ...]:
    """Why the action cannot be done now; empty when it can. The caller's role is checked by the operation.

    Raises:
        KeyError: no such action.
    """
    return tuple(_BY_CODE[code].judge(dossier, law, at))
