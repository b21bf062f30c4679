"""A notice as an e-mail in French: what happened, what to do, until when, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from uuid import UUID

from sons_tracker.operations.notices import EVENTS
from sons_tracker.rules.french import PARIS, date_fr
from sons_tracker.rules.money import euros_fr

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Message:
    """Plain text; the subject is one line."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a letter tells of one notice: its business instant, its facts, its identifier."""

    at: datetime
    facts: Mapping[str, Any]
    event_id: UUID


def message(event: str, told: Sequence[Told]) -> Message:
    """The e-mail of one notice, or of several of the same event to the same person. Of their facts it reads
    those that `outbox.announce` names, and no others."""
    known, first = EVENTS[event], told[0]
    if len(told) == 1:
        number = line(first.facts.get("order_number"))
        about = f"{known.label} : commande {number}" if number else known.label
        lines = [f"{about}.", *_one(first)]
    else:
        about = f"{known.label} : {len(told)} avis"
        lines = [f"{about}.", "", *(f"– {_summary(notice)}" for notice in told)]
    if known.todo:
        lines += ["", f"À faire : {known.todo}"]
    lines += [
        "",
        "Le dossier complet est dans le service, sous l'identifiant de votre organisation.",
        f"Ce message est automatique ; n'y répondez pas. Référence de l'avis : {first.event_id}",
    ]
    return Message(f"[SONS] {about}", "\n".join(["Bonjour,", "", *lines]) + "\n")


def _one(told: Told) -> list[str]:
    """The facts of one notice, a line each."""
    facts = told.facts
    lines = [f"Date : {instant(told.at)}."]
    if label := _label(facts):
        lines.append(f"Objet : {label}.")
    if amount := _amount(facts):
        lines.append(f"Montant : {amount}.")
    if until := _parsed(facts.get("until")):
        lines.append(f"Au plus tard : {instant(until)}, heure de Paris.")
    reasons = facts.get("reasons")
    if isinstance(reasons, list) and reasons:
        lines += ["", "Motifs :", *(f"– {line(_sentence(reason))}" for reason in reasons)]
    if source := line(facts.get("source")):
        lines += ["", f"Source : {source}"]
    return lines


def _summary(told: Told) -> str:
    """One notice among others, in a line."""
    facts = told.facts
    until = _parsed(facts.get("until"))
    parts = [
        line(facts.get("order_number")),
        _label(facts),
        _amount(facts),
        f"au plus tard le {instant(until)}" if until else "",
    ]
    return " ; ".join(part for part in parts if part) or instant(told.at)


def _label(facts: Mapping[str, Any]) -> str:
    return line(facts.get("label")) or line(facts.get("number"))


def _amount(facts: Mapping[str, Any]) -> str:
    amount = facts.get("amount_ttc_cents", facts.get("due_ttc_cents"))
    return f"{euros_fr(amount)} TTC" if isinstance(amount, int) else ""


def instant(at: datetime) -> str:
    """In Paris: `31 décembre 2023`, with its hour unless it is the last instant of the day."""
    local = at.astimezone(PARIS)
    last = local.time().replace(microsecond=0) >= time(23, 59, 59)
    return date_fr(local.date()) + ("" if last else f" à {local:%H h %M}")


def _parsed(text: object) -> datetime | None:
    """An instant of the facts; one that cannot be read is left out rather than an e-mail lost for it."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _sentence(reason: object) -> object:
    return reason.get("message") if isinstance(reason, Mapping) else reason


def line(value: object) -> str:
    """One line: what comes from a fact neither breaks out of a header nor forges the lines of the body."""
    return "" if value is None else _CONTROLS.sub(" ", str(value)).strip()
