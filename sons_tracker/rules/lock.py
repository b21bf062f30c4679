"""R29: the lock from which an order is no longer cancelled in order to ask for an acquisition."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from sons_tracker.rules.french import PARIS, date_fr
from sons_tracker.rules.parameters import Version, required
from sons_tracker.rules.verdicts import Facts, Outcome


class Lock(StrEnum):
    """How a cancellation stands to the lock."""

    NO_TEXT = "no_text"
    BEFORE = "before"
    OTHER_MOTIVE = "other_motive"
    UNKNOWN_MOTIVE = "unknown_motive"
    UNPUBLISHED = "unpublished"
    CLOSED = "closed"


OUTCOMES = {
    Lock.NO_TEXT: Outcome.PASS,
    Lock.BEFORE: Outcome.PASS,
    Lock.OTHER_MOTIVE: Outcome.PASS,
    Lock.UNKNOWN_MOTIVE: Outcome.UNKNOWN,
    Lock.UNPUBLISHED: Outcome.REVIEW,
    Lock.CLOSED: Outcome.FAIL,
}


@dataclass(frozen=True, slots=True)
class Locked:
    """What the lock says of one cancellation; `which` names the lock in French: « du 17 avril 2025 »."""

    lock: Lock
    which: str
    facts: Facts

    @property
    def outcome(self) -> Outcome:
        return OUTCOMES[self.lock]


def lock_at(
    version: Version[datetime] | None,
    cancelled_at: datetime,
    va_deposited_at: datetime | None,
    for_acquisition: bool | None,
) -> Locked:
    """R29 (S2:500, S2:516-519) for a cancellation at the aware instant `cancelled_at`.

    The lock is the earlier of the deposit of the VA at the ASP and the instant that the text gives; its own
    instant is locked. A cancellation that the text did not yet forbid in public is for a person to settle.
    """
    if version is None:
        return Locked(Lock.NO_TEXT, "", ())
    of_text = required(version)
    at = of_text if va_deposited_at is None else min(of_text, va_deposited_at)
    day = date_fr(at.astimezone(PARIS).date())
    which = "du dépôt de la VA à l'ASP" if at < of_text else f"du {day}"
    facts = (("lock", at.astimezone(PARIS).isoformat(timespec="seconds")),)
    if cancelled_at < at:
        lock = Lock.BEFORE
    elif for_acquisition is False:
        lock = Lock.OTHER_MOTIVE
    elif for_acquisition is None:
        lock = Lock.UNKNOWN_MOTIVE
    elif cancelled_at < datetime.combine(version.publie_le, time.min, PARIS):
        lock = Lock.UNPUBLISHED
    else:
        lock = Lock.CLOSED
    return Locked(lock, which, facts)
