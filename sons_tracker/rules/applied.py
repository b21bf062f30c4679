"""Which versions of the law a later stage read: kept with its decision, to be shown and replayed."""

from __future__ import annotations

from datetime import date

from sons_tracker.rules.assessment import Applied
from sons_tracker.rules.catalogue import ADVANCE, CANCELLATION, SOLDE, VA
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.parameters import Parameter
from sons_tracker.rules.texts import Law


def applied_to(stage: str, law: Law, dispositif: str, on: date, known_on: date) -> tuple[Applied, ...]:
    """The versions that `stage` (`advance`, `va`, `solde`, `cancellation`) read, where there is one.

    `on` is the day of the file that governs: the signature of the order for an advance, the day of the
    invoice for a solde. The calendar and the lock are asked as they are known, on `known_on`.

    Raises:
        SonsError: `INVALID_REQUEST` for an unknown dispositif.
    """
    found, vague = dispositif_of(law, dispositif)
    read: dict[str, tuple[tuple[Parameter[object], date], ...]] = {
        ADVANCE: (
            (found.referencing_delay_days, on),
            (vague.order_mention, on),
            (found.fermeture, known_on),
        ),
        VA: ((found.cloture, known_on),),
        SOLDE: ((vague.invoice, on), (found.cloture, known_on)),
        CANCELLATION: ((vague.cancellation_lock, known_on), (vague.cancellation_pieces, known_on)),
    }
    versions = [(parameter.name, parameter.find(day, known_on)) for parameter, day in read[stage]]
    return tuple(Applied(name, v.depuis, v.publie_le, v.confiance) for name, v in versions if v is not None)
