"""The transition table of an order: the only way its state changes.

Mirrored in the database (table `transition`, read by a trigger); a test holds the two together. The
payments' and conflicts' tables come with the operations that move them.
"""

from __future__ import annotations

from dataclasses import dataclass

ORDER_STATES = (
    "draft", "submitted", "waiting_referencing", "to_review", "to_correct",
    "validated", "rejected", "lapsed", "cancelled", "settled",
)  # fmt: skip
# In these states the order holds its ESSMS; in the others its claims are released, or never taken.
LIVE_STATES = frozenset(
    {"submitted", "waiting_referencing", "to_review", "to_correct", "validated", "settled"}
)

# Why a claim may be released, and the states of its order that allow it. `decided`: a conflict's decision
# swaps claims whatever the state; `removed_from_perimeter`: the order itself goes on (C10).
RELEASE_REASONS: dict[str, frozenset[str]] = {
    "rejected": frozenset({"rejected"}),
    "lapsed": frozenset({"lapsed"}),
    "cancelled": frozenset({"cancelled"}),
    "recovered": frozenset({"cancelled"}),
    "expired": frozenset(),
    "removed_from_perimeter": frozenset({"validated"}),
    "decided": frozenset(ORDER_STATES),
}


@dataclass(frozen=True, slots=True)
class Transition:
    """One edge: from, to, the event that moves it, and the roles that may cause the event."""

    before: str
    after: str
    event: str
    roles: tuple[str, ...]


ORDER_TRANSITIONS: tuple[Transition, ...] = (
    Transition("draft", "submitted", "deposit", ("editor", "distributor")),
    Transition("draft", "waiting_referencing", "deposit", ("editor", "distributor")),
    Transition("draft", "to_review", "deposit", ("editor", "distributor")),
    Transition("draft", "rejected", "deposit", ("editor", "distributor")),
)


def deposit_state(decision: str, conditional: bool) -> str:
    """The state in which a deposit leaves an order: by its decision, and whether it is conditional (R11)."""
    if decision == "refused":
        return "rejected"
    if decision == "to_review":
        return "to_review"
    return "waiting_referencing" if conditional else "submitted"
