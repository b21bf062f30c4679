"""What each kind of deadline does when it is reached; all of them are journaled and announced besides."""

from __future__ import annotations

from sons_tracker.operations.bank_accounts import took_effect
from sons_tracker.operations.calendar_moves import text_published
from sons_tracker.operations.deadlines import Effect, only_told
from sons_tracker.operations.lapses import cloture_passed, complete_file_passed, referencing_came

EFFECTS: dict[str, Effect] = {
    "reminder": only_told,
    "notice": only_told,
    "fermeture": only_told,  # R20: a late request is refused at its reception; the order itself goes on
    "answer": only_told,  # no answer came: a person decides what follows
    "complete_file": complete_file_passed,
    "referencing": referencing_came,
    "cloture": cloture_passed,
    "publication": text_published,
    "bank_account": took_effect,
}
