"""The seal of a row of the journal: its canonical bytes, version 1, and the hash that binds it to the former.

A field is its length in bytes in decimal, `:`, its UTF-8 bytes, `,`; a field that is absent is `-`. So no
two rows have the same bytes, whatever their texts hold. The bytes of a row are `sons-journal-v1`, a line
feed, its place in the chain, then the fields of `FIELDS` in that order. Instants are UTC with microseconds
and a `Z`; `facts` is the text in which PostgreSQL writes the `jsonb`, never read and written again. Persons
are there by identifier alone: erasing a name changes no seal.

`verify_journal.py` and the function `journal_hash` of the database say the same again, each for who must not
have to believe the others; a test holds them together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

VERSION = "sons-journal-v1"
TEXTS_VERSION = "sons-journal-texts-v1"
FIELDS = (
    "id",
    "at",
    "recorded_at",
    "txid",
    "person_id",
    "organisation_id",
    "role",
    "token_id",
    "auth_level",
    "action",
    "object_kind",
    "object_id",
    "facts",
)
GENESIS = bytes(hashlib.sha256().digest_size)
"""What stands before the first seal: 32 zero bytes."""


def canonical(seq: int, row: Mapping[str, str | None]) -> bytes:
    """The bytes of a row in the place `seq`, from 1 on; `row` has each field of `FIELDS` as text or None."""
    return b"".join((VERSION.encode(), b"\n", _field(str(seq)), *(_field(row[name]) for name in FIELDS)))


def seal(seq: int, prev: bytes, row: Mapping[str, str | None]) -> bytes:
    """The seal (32 bytes) of a row in the place `seq`, after the seal `prev`."""
    return hashlib.sha256(prev + canonical(seq, row)).digest()


def _field(value: str | None) -> bytes:
    if value is None:
        return b"-"
    data = value.encode()
    return b"%d:%b," % (len(data), data)
