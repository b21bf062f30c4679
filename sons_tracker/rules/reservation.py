"""A reservation: until when it runs, and what stands against making, renewing or dropping it.

No text provides for it: every number is a value of the vague's file, to be confirmed
(docs/decisions/reservations-expire-and-rest.md). Whether the ESSMS may be ordered at all is asked of the same
rules as a deposit: whatever fails there refuses the reservation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sons_tracker.rules.actions import Action, Reason
from sons_tracker.rules.case import OrderedEssms
from sons_tracker.rules.french import PARIS, count_fr, date_fr, until_fr
from sons_tracker.rules.lifecycle import RESERVATION_WORDS
from sons_tracker.rules.parameters import Version, required
from sons_tracker.rules.rights import reach
from sons_tracker.rules.schedule import end_of_day
from sons_tracker.rules.texts import Limit, ReservationTerms

Terms = Version[ReservationTerms]
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Running:
    """A reservation as its actions read it; `expires_at` is an aware instant, inclusive."""

    state: str
    expires_at: datetime
    renewed: int
    most_renewals: int


def expiry(day: date, terms: Terms, fermeture: Version[Limit] | None) -> datetime:
    """The last instant of a reservation made, or renewed, on `day` (in Paris): the end of the day that comes
    the delay after, or the fermeture if it is earlier: no order could be deposited after it (R20)."""
    end = end_of_day(day + timedelta(days=required(terms).days))
    return end if fermeture is None else min(end, required(fermeture).at)


def free_again_on(let_go_on: date, terms: Terms) -> date:
    """The first day on which a supplier may reserve again an ESSMS that its reservation gave back on a day:
    the pause is counted in whole days after it."""
    return let_go_on + timedelta(days=required(terms).pause_days + 1)


def without_terms(day: date) -> Reason:
    """No reservation where no text in force gives its terms."""
    return Reason(
        f"Aucune règle de réservation n'est en vigueur au {date_fr(day)}.",
        "Déposer directement la commande signée.",
    )


def against_making(
    lines: Sequence[OrderedEssms], held: int, given_back: Mapping[str, date], day: date, terms: Terms
) -> tuple[Reason, ...]:
    """What the terms say against reserving these ESSMS on `day`.

    `held`: how many ESSMS the supplier holds by its reservations already. `given_back`: for those among
    the asked that a reservation of the same supplier gave back, the last day on which it did.
    """
    source, most = str(terms.source), required(terms).most_essms
    found = []
    own = sorted({e.reservation for line in lines for e in line.engagements or () if e.own and e.reservation})
    if own:
        found.append(
            Reason(
                f"Votre réservation {', '.join(own)} porte déjà sur des ESSMS demandés.",
                "Renouveler cette réservation, ou réserver les seuls autres ESSMS.",
                source=source,
            )
        )
    if held + len(lines) > most:
        found.append(
            Reason(
                f"Un fournisseur ne réserve pas plus de {count_fr(most, 'ESSMS', 'ESSMS')} à la fois :"
                f" vous en réservez {held}, et en demandez {len(lines)} de plus.",
                "Déposer les commandes signées, ou lever une réservation.",
                source=source,
            )
        )
    resting = {
        number: again for number, on in given_back.items() if day < (again := free_again_on(on, terms))
    }
    if resting:
        found.append(
            Reason(
                f"Vous avez réservé sans les commander {_some(sorted(resting))} : une nouvelle réservation de"
                f" votre part est possible à compter du {date_fr(max(resting.values()))}.",
                "Déposer directement la commande signée, ou retirer ces ESSMS de la réservation.",
                source=source,
            )
        )
    return tuple(found)


def actions_of(
    role: str, reservation: Running, terms: Terms | None, fermeture: Version[Limit] | None, at: datetime
) -> tuple[Action, ...]:
    """What this role may do with a reservation at the instant `at`, and why not the rest; `at` in Paris."""
    renewing = against_renewing(reservation, terms, fermeture, at)
    actions = {
        "reservation.renew": Action("renew", "Renouveler la réservation", renewing),
        "reservation.drop": Action("drop", "Lever la réservation", _against_touching(reservation, at)),
    }
    return tuple(action for right, action in actions.items() if reach(role, right) is not None)


def against_renewing(
    reservation: Running, terms: Terms | None, fermeture: Version[Limit] | None, at: datetime
) -> tuple[Reason, ...]:
    """What stands against a renewal at `at` (in Paris)."""
    if over := _against_touching(reservation, at):
        return over
    if terms is None:
        return (without_terms(at.date()),)
    if reservation.renewed >= reservation.most_renewals:
        allowed = count_fr(reservation.most_renewals, "fois", "fois")
        return (
            Reason(
                f"Une réservation se renouvelle {allowed} au plus : celle-ci l'a été {reservation.renewed}.",
                "Déposer la commande avant l'expiration.",
                source=str(terms.source),
            ),
        )
    if expiry(at.date(), terms, fermeture) <= reservation.expires_at:
        return (
            Reason(
                f"La réservation court déjà jusqu'au {_until(reservation.expires_at)} : la renouveler"
                " aujourd'hui ne la prolongerait pas.",
                source=str(terms.source),
            ),
        )
    return ()


def _against_touching(reservation: Running, at: datetime) -> tuple[Reason, ...]:
    """Why nothing can be done with it any more: it is over, or its last instant is past."""
    if reservation.state != "active":
        return (Reason(f"Cette réservation est {RESERVATION_WORDS[reservation.state]}."),)
    if at > reservation.expires_at:
        return (Reason(f"Cette réservation a expiré le {_until(reservation.expires_at)}."),)
    return ()


def _until(at: datetime) -> str:
    """The last instant as Paris reads it: a day, or a day and an hour."""
    local = at.astimezone(PARIS)
    return until_fr(Limit(local.date(), local))


def _some(numbers: Sequence[str]) -> str:
    """`990000010, 990000028`, and how many more when there are many."""
    more = len(numbers) - _SHOWN
    shown = ", ".join(numbers[:_SHOWN])
    return shown if more <= 0 else f"{shown} et {more} autres"
