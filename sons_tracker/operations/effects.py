"""What each kind of deadline does when it is reached; all of them are journaled and announced besides."""

from __future__ import annotations

from sons_tracker.operations.bank_accounts import took_effect
from sons_tracker.operations.calendar_moves import text_published
from sons_tracker.operations.conflict_steps import answer_passed
from sons_tracker.operations.deadlines import Effect, one_by_one, only_told
from sons_tracker.operations.lapses import clotures_passed, complete_file_passed, referencing_came
from sons_tracker.operations.reservations import reservation_expired

EFFECTS: dict[str, Effect] = {
    "reminder": only_told,
    "notice": only_told,
    "fermeture": only_told,  # R20: a late request is refused at its reception; the order itself goes on
    "answer": only_told,  # no answer came: a person decides what follows
    "complete_file": one_by_one(complete_file_passed),
    "referencing": one_by_one(referencing_came),
    "cloture": clotures_passed,
    "publication": one_by_one(text_published),
    "bank_account": one_by_one(took_effect),
    "conflict_answer": one_by_one(answer_passed),
    "reservation": one_by_one(reservation_expired),
}
