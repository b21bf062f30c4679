"""Signing in the application: the person that is authenticated says who signs, and repeats a sentence.

What is kept with a signature is the exact text that was shown, its SHA-256, the person, how it was
identified, the instant and the consent (level eIDAS simple). Other kinds of signature come with documents.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.rules.signatories import Capacity


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, as the signature says it, and the exact sentence of consent that was repeated."""

    name: str
    function: str
    consent: str


def check_consent(signer: Signer, sentence: str, where: str = "$.consent") -> None:
    """A signature is given with the exact sentence that the text asks to repeat.

    Raises:
        SonsError: `INVALID_REQUEST`, with the sentence.
    """
    if signer.consent != sentence:
        problem = f"Le consentement se donne en recopiant exactement : « {sentence} »"
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault(where, problem),))


def kept_as(capacity: Capacity | None) -> tuple[str | None, UUID | None]:
    """The capacity of a signer as a signature keeps it: its kind, and the delegation if it is one."""
    return (None, None) if capacity is None else (capacity.kind, capacity.delegation_id)


def facts_of(capacity: Capacity | None) -> dict[str, str]:
    """The same, as the journal and the announcements tell it."""
    kind, delegation_id = kept_as(capacity)
    told = {"capacity": kind, "delegation_id": None if delegation_id is None else str(delegation_id)}
    return {name: value for name, value in told.items() if value is not None}


def digest(text: str) -> bytes:
    """The SHA-256 of a text in UTF-8: what the database checks too."""
    return hashlib.sha256(text.encode()).digest()
