"""Signing in the application: the person that is authenticated says who signs, and repeats a sentence.

What is kept with a signature is the exact text that was shown, its SHA-256, the person, how it was
identified, the instant and the consent (level eIDAS simple). Other kinds of signature come with documents.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sons_tracker.errors import ErrorCode, Fault, SonsError


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


def digest(text: str) -> bytes:
    """The SHA-256 of a text in UTF-8: what the database checks too."""
    return hashlib.sha256(text.encode()).digest()
