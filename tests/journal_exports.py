"""Exports of a journal for tests: rows of our own making, sealed as the sequencer would."""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Sequence
from typing import Any

from sons_tracker import verify_journal
from sons_tracker.rules.sealing import FIELDS, GENESIS, VERSION, seal

Row = dict[str, Any]


def some_rows(count: int, draw: random.Random) -> list[Row]:
    """Rows as the database exports them, without their seals."""
    words = ("order", "commande à « revoir »", "a,b", "3:abc,", "-", "", "\u2028", '{"a": 1}', "𝄞")
    return [
        {
            "id": str(n),
            "at": f"2023-03-01T09:{n % 60:02d}:00.000000Z",
            "recorded_at": f"2023-03-01T09:{n % 60:02d}:00.{n:06d}Z",
            "txid": str(700 + n // 3),
            "person_id": draw.choice([None, f"00000000-0000-4000-8000-{n:012d}"]),
            "organisation_id": None,
            "role": draw.choice(["editor", "reviewer"]),
            "token_id": None,
            "auth_level": "token",
            "action": "order.submitted",
            "object_kind": draw.choice(words),
            "object_id": draw.choice(words),
            "facts": json.dumps({"total_ttc_cents": draw.randrange(10**6), "é": draw.choice(words)}),
        }
        for n in range(1, count + 1)
    ]


def chained(rows: Sequence[Row]) -> list[Row]:
    """The same rows with their places and seals, as a chain of their own."""
    prev, made = GENESIS, []
    for seq, row in enumerate(rows, 1):
        digest = seal(seq, prev, row)
        made.append({"seq": seq, "prev": prev.hex(), "hash": digest.hex(), **{n: row[n] for n in FIELDS}})
        prev = digest
    return made


def header_of(chain: Sequence[Row]) -> Row:
    """The header of an export that ends with the last of these rows."""
    head = {"seq": len(chain), "hash": chain[-1]["hash"] if chain else GENESIS.hex()}
    return {"format": VERSION, "fields": list(FIELDS), "law": "…", "head": head, "published": []}


def with_texts(rows: Sequence[Row], draw: random.Random) -> tuple[list[Row], list[Row]]:
    """The same rows in a chain, most with digests of what somebody typed, and the lines of the texts beside
    them; one of the texts is erased, and the last row tells it."""
    lines: list[Row] = []
    for seq, row in enumerate(rows, 1):
        facts: dict[str, Any] = {"n": seq}
        for name in ("reason", "text")[: draw.randrange(3) if seq > 1 else 2]:
            salt, text = draw.randbytes(32), draw.choice(["", "oui", "l'OG « refuse »", "\u2028", "𝄞"])
            facts[name] = {"said": hashlib.sha256(salt + text.encode()).hexdigest()}
            lines.append({"seq": seq, "field": name, "salt": salt.hex(), "text": text})
        row["facts"] = json.dumps(facts)
    gone = draw.choice(lines)
    digest = json.loads(rows[gone["seq"] - 1]["facts"])[gone["field"]]["said"]
    gone["salt"] = gone["text"] = None
    facts = {"erased": [digest]}
    act = rows[-1] | {"action": "journal.text_erased", "facts": json.dumps(facts)}
    return chained([*rows, act]), lines


def texts_to_bytes(chain: Sequence[Row], lines: Sequence[Row]) -> bytes:
    """The file of the texts beside an export."""
    header = {"format": verify_journal.TEXTS_VERSION, "head": header_of(chain)["head"]}
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in (header, *lines)).encode()


def to_bytes(header: Row, chain: Sequence[Row]) -> bytes:
    """The file."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in (header, *chain)).encode()


def verified(
    data: bytes, heads: Sequence[tuple[int, str]] = (), texts: bytes | None = None
) -> verify_journal.Report:
    """What the verifier says of it."""
    beside = None if texts is None else verify_journal.Texts(io.BytesIO(texts))
    return verify_journal.verify(io.BytesIO(data), heads, beside)
