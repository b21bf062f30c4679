"""The action by which a party contests the refusal of an order (R05, C17)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sons_tracker.rules.actions import Reason
from sons_tracker.rules.catalogue import READINGS
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.life import Deed, all_of, in_state
from sons_tracker.rules.lifecycle import PARTIES
from sons_tracker.rules.texts import Law

_ENGAGED = "R05"
_DEFAULT = f"Lecture C17 : {READINGS['C17'].title}"


def refused_for_another(dossier: Dossier, _law: Law, _at: datetime) -> Iterable[Reason]:
    """Another order engages the ESSMS, and nothing else refused this one."""
    if dossier.state != "rejected":
        return
    for verdict in dossier.refused_verdicts:
        if verdict.rule != _ENGAGED:
            yield Reason(verdict.message, verdict.remedy, verdict.rule)
    if all(verdict.rule != _ENGAGED for verdict in dossier.refused_verdicts):
        yield Reason("Cette commande n'a pas été refusée pour un autre engagement.", None, _ENGAGED, _DEFAULT)


DEEDS: tuple[Deed, ...] = (
    Deed("contest", "Contester le refus", PARTIES, all_of(in_state("rejected"), refused_for_another)),
)
