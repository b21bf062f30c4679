"""Who may sign for an OG, and in what capacity: responsible for it, or by a delegation of signature (R17).

Days are days of Paris, inclusive at both ends. The database says the same (`may_sign`, migration 0027).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import RULES
from sons_tracker.rules.french import PARIS, date_fr

ACT_WORDS = {
    "va": "signer les vérifications d'aptitude (VA)",
    "renunciation": "signer les attestations de renonciation",
    "amendment": "proposer et accepter les avenants",
}
"""What an OG signs in the application, and may delegate. The constraint `delegation_acts_known` says the
same; a test compares the two."""

RESPONSIBLE, DELEGATION = "responsible", "delegation"
CAPACITY_WORDS = {
    RESPONSIBLE: "responsable de l'organisme gestionnaire",
    DELEGATION: "par délégation de signature",
}


@dataclass(frozen=True, slots=True)
class Capacity:
    """In what capacity a person signs: `kind` is `responsible` or `delegation`, which is then named."""

    kind: str
    delegation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A delegation that a person received. `stopped`: revoked, or given by who is responsible no more."""

    id: UUID
    acts: tuple[str, ...]
    from_on: date
    until_on: date
    stopped: bool

    def in_force(self, act: str, day: date) -> bool:
        """Whether it lets its receiver sign that act on a day."""
        return act in self.acts and not self.stopped and self.from_on <= day <= self.until_on


@dataclass(frozen=True, slots=True)
class Signatory:
    """What a member of an OG may sign for it; `delegations`, the newest first."""

    responsible: bool
    delegations: tuple[Held, ...] = ()

    def capacity(self, act: str, at: datetime) -> Capacity | None:
        """In what capacity the act is signed at an aware instant; None: it may not be."""
        if self.responsible:
            return Capacity(RESPONSIBLE)
        day = at.astimezone(PARIS).date()
        found = next((held for held in self.delegations if held.in_force(act, day)), None)
        return None if found is None else Capacity(DELEGATION, found.id)

    def reasons(self, act: str, at: datetime) -> Iterable[Reason]:
        """Why the act cannot be signed at an aware instant; nothing when it can."""
        if self.capacity(act, at) is None:
            yield Reason(
                f"{_why(self._last(act), at.astimezone(PARIS).date())} Pour {ACT_WORDS[act]}, il faut être"
                " responsable de l'organisme gestionnaire, ou tenir de lui une délégation en vigueur.",
                "Faire signer un responsable de l'organisme, ou lui demander une délégation de signature.",
                "R17",
                str(RULES["R17"].source),
            )

    def _last(self, act: str) -> Held | None:
        """The delegation of that act that says most of why it is not in force: one that still runs first."""
        of_act = (held for held in self.delegations if act in held.acts)
        return max(of_act, key=lambda held: (not held.stopped, held.until_on), default=None)


def _why(held: Held | None, day: date) -> str:
    if held is None:
        return "Aucune délégation de signature ne vous est donnée pour cet acte."
    if held.stopped:
        return (
            "Votre délégation de signature a cessé : elle est révoquée, ou son auteur n'est plus responsable."
        )
    if day < held.from_on:
        return f"Votre délégation de signature ne commence que le {date_fr(held.from_on)}."
    return f"Votre délégation de signature a pris fin le {date_fr(held.until_on)}."
