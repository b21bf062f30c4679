"""A delegation of signature: what is signed, for how long, and what stands against giving it.

No text provides for its form: the wording, the longest duration and who may give it are our reading, to be
confirmed (docs/decisions/who-signs-for-an-og.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sons_tracker.rules.actions import Reason
from sons_tracker.rules.french import date_fr
from sons_tracker.rules.signatories import ACT_WORDS

DELEGATION_CONSENT = (
    "J'ai lu cette délégation de signature, je suis responsable de l'organisme gestionnaire, et je la donne."
)
_OUR_READING = "Délégation de signature, lecture de ce logiciel (à confirmer)"


@dataclass(frozen=True, slots=True)
class DelegationTerms:
    """Which acts are delegated, from a day of Paris until another, both included."""

    acts: tuple[str, ...]
    from_on: date
    until_on: date


@dataclass(frozen=True, slots=True)
class DelegationParties:
    """Who is named in a delegation: the OG as the registers name it, the persons as they are known."""

    og: str
    og_finess: str
    giver: str
    receiver: str


def last_day(from_on: date) -> date:
    """The last day on which a delegation that begins on `from_on` may end: the eve of a year later."""
    if from_on.year == date.max.year:
        return date.min  # no year follows: nothing that begins there can be given
    one = timedelta(days=1)
    try:
        return from_on.replace(year=from_on.year + 1) - one
    except ValueError:  # 29 February; the database, too, counts its year to the 28th
        return (from_on - one).replace(year=from_on.year + 1) - one


def terms_reasons(terms: DelegationTerms, today: date) -> tuple[Reason, ...]:
    """What stands against these terms on a day of Paris; empty when nothing does."""
    found: list[Reason] = []
    if terms.from_on < today:
        found.append(
            Reason(
                f"Une délégation de signature ne vaut pas pour le passé : le {date_fr(terms.from_on)} est"
                " révolu.",
                "La faire commencer aujourd'hui, ou plus tard.",
                source=_OUR_READING,
            )
        )
    if terms.until_on < terms.from_on:
        found.append(Reason("La délégation finirait avant de commencer.", "Corriger l'une des deux dates."))
    elif terms.until_on > last_day(terms.from_on):
        found.append(
            Reason(
                "Une délégation de signature dure un an au plus (valeur à confirmer) : celle-ci finirait au"
                f" plus tard le {date_fr(last_day(terms.from_on))}.",
                "La donner pour un an, puis la renouveler.",
                source=_OUR_READING,
            )
        )
    return tuple(found)


def delegation_text(parties: DelegationParties, terms: DelegationTerms) -> str:
    """The text that the responsible person reads and signs, the same whoever asks for it."""
    lines = [
        "DÉLÉGATION DE SIGNATURE",
        "",
        f"Organisme gestionnaire : {parties.og}, FINESS juridique {parties.og_finess}.",
        f"Responsable de l'organisme, qui donne délégation : {parties.giver}.",
        f"Personne qui la reçoit : {parties.receiver}.",
        f"Du {date_fr(terms.from_on)} au {date_fr(terms.until_on)}, ces deux jours compris.",
        "",
        "Dans le cadre du dispositif SONS, la personne qui la reçoit peut, au nom de l'organisme :",
        *(f"– {words} ;" for words in _listed(terms.acts)),
        "",
        "Elle est personnelle : qui la reçoit ne peut pas la donner à son tour.",
        "Elle cesse à sa date de fin, quand elle est révoquée, quand la personne qui la donne n'est plus"
        " responsable de l'organisme, ou quand l'une des deux le quitte. Ce qui a été signé reste valable.",
        "Qui la donne reste libre de signer, et répond de ce qui est signé en son nom.",
    ]
    return "\n".join(lines) + "\n"


def acts_fr(acts: Sequence[str]) -> str:
    """`signer les …, proposer et accepter les avenants`, in the order of the closed list."""
    return ", ".join(_listed(acts))


def _listed(acts: Iterable[str], words: Mapping[str, str] = ACT_WORDS) -> tuple[str, ...]:
    asked = set(acts)
    return tuple(said for act, said in words.items() if act in asked)
