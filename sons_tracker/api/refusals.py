"""The refusal of an order: a 409 problem with every verdict, the kept order and the means of appeal."""

from __future__ import annotations

from typing import Any

import msgspec

from sons_tracker.api import problems
from sons_tracker.api.schemas.orders import assessment_out
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.idempotency import Answer
from sons_tracker.operations.views import OrderView, expanded
from sons_tracker.settings import Settings

DEFAULT_APPEAL = (
    "Ce refus est conservé et peut être contesté par le fournisseur ou par l'organisme gestionnaire. Les"
    " voies et délais de recours sont ceux que fixe l'organisme qui exploite ce service."
)


class Renderer:
    """Makes the HTTP answer of a deposit; given to the operation, which stores what it returns."""

    def __init__(self, settings: Settings, *, expand: bool = False) -> None:
        self._appeal = settings.appeal_text or DEFAULT_APPEAL
        self._expand = expand

    def __call__(self, view: OrderView) -> Answer:
        """201 with the order, or 409 with the problem; the body is JSON in UTF-8."""
        shown = expanded(view) if self._expand else view
        if view.decision != "refused":
            return Answer(201, msgspec.json.encode(assessment_out(shown)))
        return Answer(ErrorCode.REFUSED_BY_RULES.value.status, msgspec.json.encode(self._refusal(shown)))

    def _refusal(self, view: OrderView) -> dict[str, Any]:
        failed = [verdict for verdict in view.verdicts if verdict.outcome == "fail"]
        rules = ", ".join(sorted({verdict.rule for verdict in failed}))
        number = "" if view.identity is None else f" {view.identity.number}"
        detail = f"La commande{number} est refusée ({rules}). {failed[0].message}"
        members = problems.members(SonsError(ErrorCode.REFUSED_BY_RULES, detail))
        order: dict[str, Any] = msgspec.to_builtins(assessment_out(view))
        kept = {name: order.pop(name) for name in ("id", "number", "state", "received_at") if name in order}
        return members | {"order": kept, "appeal": self._appeal} | order
