"""The journal: append-only rows, written in the transaction of what they tell.

A row is sealed for ever, so nothing that may have to be forgotten stands in it. What a person typed is
given as `Said`: the row keeps a salted digest, and the text, with its salt, a row of its own that can be
erased. The digest still proves the text to whoever kept both, and says nothing once the salt is gone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg


class Author(Protocol):
    """Whoever acts, by identifiers: `operations.actors.Actor`, which this layer does not know."""

    @property
    def person_id(self) -> UUID | None: ...
    @property
    def organisation_id(self) -> UUID | None: ...
    @property
    def role(self) -> str: ...
    @property
    def token_id(self) -> UUID | None: ...
    @property
    def auth_level(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to come: what `record` takes, but for the author."""

    at: datetime
    action: str
    object_kind: str
    object_id: str
    facts: Mapping[str, Any]


class Said(str):
    """What a person typed, in a fact: a motivation, a question, an answer. Elsewhere it is plain text."""

    __slots__ = ()


WORDED = frozenset(
    {"bank_reference", "format", "label", "message", "reading", "remedy", "solution_version", "source"}
)
"""The facts whose words are those of the law, of the software, of a register or of a bank: nobody's own."""
SAID = "said"
"""The one name of the object that stands in a row for a text: `{"said": "<digest, hexadecimal>"}`."""

# What else a row may hold as text: identifiers, codes, dates, digests. An address is none of them.
_PLAIN = re.compile(r"[^\s@]{0,128}")
_SALT_BYTES = 32
_INTO = (
    "insert into journal (person_id, organisation_id, role, token_id, auth_level,"
    " at, action, object_kind, object_id, facts)"
)
# Most acts write one row without a text: a fifth cheaper than the general statement.
_ONE = f"{_INTO} values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_MANY = (
    f"{_INTO} select $1, $2, $3, $4, $5, e.at, e.action, e.kind, e.object_id, e.facts"  # noqa: S608 # nosec B608 # constants
    " from unnest($6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::jsonb[])"
    " with ordinality as e (at, action, kind, object_id, facts, place) order by e.place"
)
# A digest is drawn with its salt, so it says which row it stands in.
_WITH_TEXTS = (
    f"with written as ({_MANY} returning id, facts)"  # noqa: S608 # nosec B608 # constants
    " insert into journal_text (journal_id, field, person_id, organisation_id, digest, salt, text)"
    " select w.id, t.field, $1, $2, t.digest, t.salt, t.text"
    " from unnest($11::text[], $12::bytea[], $13::bytea[], $14::text[]) as t (field, digest, salt, text)"
    " join written w on w.facts #>> string_to_array(t.field || '/said', '/') = encode(t.digest, 'hex')"
)


@dataclass(frozen=True, slots=True)
class Text:
    """A text beside its row: `field` is the path to its digest in the facts, with `/` between the names."""

    field: str
    digest: bytes
    salt: bytes
    text: str


def digest_of(salt: bytes, text: str) -> bytes:
    """The digest (32 bytes) that a row keeps of a text; `verify_journal.py` and the database say the same."""
    return hashlib.sha256(salt + text.encode()).digest()


async def record(
    con: asyncpg.Connection,
    actor: Author,
    at: datetime,
    action: str,
    object_kind: str,
    object_id: str,
    facts: Mapping[str, Any],
) -> None:
    """Appends one row to the caller's transaction.

    `at` is the business instant (aware); `action` reads `noun.verb`, for example `token.created`; `facts`
    hold identifiers, codes, amounts in cents and dates, never the name of a person; what a person typed is
    `Said`. Row-level security refuses a row signed for another organisation or role than those of the
    transaction.

    Raises:
        ValueError: an instant without offset, a sentence that nobody declared (`Said`, or `WORDED`).
    """
    await record_all(con, actor, [Entry(at, action, object_kind, object_id, facts)])


async def record_all(con: asyncpg.Connection, actor: Author, entries: Sequence[Entry]) -> None:
    """Appends rows of one author in one statement, in their order; each as `record` would."""
    if any(entry.at.tzinfo is None for entry in entries):
        raise ValueError("the business instant must say its offset")
    texts: list[Text] = []
    facts = [_kept(dict(entry.facts), (), texts) for entry in entries]
    author = (actor.person_id, actor.organisation_id, actor.role, actor.token_id, actor.auth_level)
    if len(entries) == 1 and not texts:
        (one,) = entries
        await con.execute(_ONE, *author, one.at, one.action, one.object_kind, one.object_id, facts[0])
        return
    rows = (
        *author,
        [entry.at for entry in entries],
        [entry.action for entry in entries],
        [entry.object_kind for entry in entries],
        [entry.object_id for entry in entries],
        facts,
    )
    if not texts:
        await con.execute(_MANY, *rows)
        return
    await con.execute(
        _WITH_TEXTS,
        *rows,
        [one.field for one in texts],
        [one.digest for one in texts],
        [one.salt for one in texts],
        [one.text for one in texts],
    )


def _kept(value: object, path: tuple[str, ...], texts: list[Text]) -> object:
    """A fact as its row keeps it; what was typed in it goes to `texts`."""
    match value:
        case Said():
            salt = secrets.token_bytes(_SALT_BYTES)
            texts.append(Text("/".join(path), digest_of(salt, value), salt, str(value)))
            return {SAID: texts[-1].digest.hex()}
        case str() if not _PLAIN.fullmatch(value) and WORDED.isdisjoint(path):
            raise ValueError(f"the fact {'/'.join(path)} is a sentence: Said when a person typed it")
        case Mapping():
            return {name: _kept(one, (*path, str(name)), texts) for name, one in value.items()}
        case list() | tuple():
            return [_kept(one, (*path, str(place)), texts) for place, one in enumerate(value)]
    return value
