"""What each kind of deadline does when it is reached; all of them are journaled and announced besides."""

from __future__ import annotations

from sons_tracker.operations.deadlines import Effect, only_told

EFFECTS: dict[str, Effect] = {
    "reminder": only_told,
    "notice": only_told,
    "fermeture": only_told,  # R20: a late request is refused at its reception; the order itself goes on
    "answer": only_told,  # no answer came: a person decides what follows
    "complete_file": only_told,
    "referencing": only_told,
    "cloture": only_told,
}
