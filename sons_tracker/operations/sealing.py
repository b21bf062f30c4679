"""The sequencer: seals the rows of the journal in an order, beside it, and makes its heads known outside.

Writers never wait for the chain. A row is sealed once no running transaction can still write one before it:
rows follow each other by transaction, then by number, up to the oldest transaction that still runs
(`pg_snapshot_xmin`). So a row that commits late is sealed late, and none is passed over.
"""

# ruff: noqa: S608 - the SQL is made of `FIELDS`, never of a value

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import retrying, transaction
from sons_tracker.operations.actors import SCHEDULER, Actor, require
from sons_tracker.operations.outbox import announce
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.rights import roles_of
from sons_tracker.rules.sealing import FIELDS, GENESIS, TEXTS_VERSION, VERSION, seal

Channel = Literal["file", "mail"]
BATCH = 1000
_PREFETCH = 1000
_log = logging.getLogger(__name__)

# One sequencer at a time, and one that publishes; who finds the place taken leaves the work to the other.
_SEAL_LOCK = "select pg_try_advisory_xact_lock(hashtext('sons.journal'), hashtext('seal'))"
_PUBLISH_LOCK = "select pg_try_advisory_xact_lock(hashtext('sons.journal'), hashtext('publish'))"

# The database writes each field as text, so that what is hashed is what is exported, to the byte.
_INSTANTS = {"at", "recorded_at"}
_TEXTS = ", ".join(
    f"sons.journal_instant(j.{name}) as {name}" if name in _INSTANTS else f"j.{name}::text as {name}"
    for name in FIELDS
)
_LAST = """
select s.seq, s.hash, j.txid::text as txid, j.id,
       j.txid >= pg_snapshot_xmax(pg_current_snapshot()) as restored
from journal_seal s join journal j on j.id = s.journal_id order by s.seq desc limit 1
"""
_ROWS = f"select {_TEXTS} from journal j"  # nosec B608 # constants of this module
_UNSEALED = "not exists (select from journal_seal s where s.journal_id = j.id)"
_NEXT = f"""
{_ROWS}
where (j.txid, j.id) > ($1::text::xid8, $2::bigint) and {_UNSEALED}
  and j.txid < pg_snapshot_xmin(pg_current_snapshot())
order by j.txid, j.id limit $3
"""
# The whole journal is looked through. A number that no transaction has reached comes from the cluster that
# the base was restored from: there it was committed.
_MISSED = f"""
{_ROWS}
where {_UNSEALED}
  and (j.txid < pg_snapshot_xmin(pg_current_snapshot())
       or j.txid >= pg_snapshot_xmax(pg_current_snapshot())
          and j.txid is distinct from pg_current_xact_id_if_assigned())
order by j.txid >= pg_snapshot_xmax(pg_current_snapshot()) desc, j.txid, j.id limit $1
"""
_CHAIN = (
    f"select s.seq, encode(s.prev, 'hex') as prev, encode(s.hash, 'hex') as hash, {_TEXTS}"
    " from journal_seal s join journal j on j.id = s.journal_id order by s.seq"  # nosec B608 # constants
)
_BESIDE = """
select s.seq, t.field, encode(t.salt, 'hex') as salt, t.text
from journal_seal s join journal_text t on t.journal_id = s.journal_id order by s.seq, t.field
"""
_INSERT = """
insert into journal_seal (seq, journal_id, prev, hash)
select seq, journal_id, prev, hash
from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) as s (seq, journal_id, prev, hash)
order by seq
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The last seal of the chain: its place, from 1 on, and its 32 bytes. Before the first: 0 and zeros."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one run of the sequencer did. `busy`: another one was at it, and this one left it to it."""

    rows: int
    head: Head
    busy: bool


@dataclass(frozen=True, slots=True)
class Published:
    """A head that was given away; `taken_at` is the business instant."""

    head: Head
    channel: Channel
    taken_at: datetime


async def seal_all(*, whole: bool = False, stop: asyncio.Event | None = None) -> Sealed:
    """Seals every row that is ready, in batches of one transaction each; `stop` ends after its batch.

    `whole` looks through the whole journal for rows that the order of transactions passed over: after a base
    was restored into a cluster that counts its transactions from elsewhere.
    """
    done = 0
    while True:
        batch = await _seal_batch(whole)
        done += batch.rows
        if batch.busy or batch.rows < BATCH or (stop and stop.is_set()):
            return Sealed(done, batch.head, batch.busy)


@retrying
async def _seal_batch(whole: bool) -> Sealed:
    require(SCHEDULER, "journal.seal")
    async with transaction(SCHEDULER.context) as con:
        mine = await con.fetchval(_SEAL_LOCK)
        # A statement of its own: what the last holder of the lock has written is visible to it.
        last = await con.fetchrow(_LAST)
        head = Head(0, GENESIS) if last is None else Head(last["seq"], last["hash"])
        if not mine:
            return Sealed(0, head, busy=True)
        if last is None or last["restored"] or whole:
            rows = await con.fetch(_MISSED, BATCH)
        else:
            rows = await con.fetch(_NEXT, last["txid"], last["id"], BATCH)
        if not rows:
            return Sealed(0, head, busy=False)
        seqs, prevs, hashes = [], [], []
        for row in rows:
            seqs.append(head.seq + 1)
            prevs.append(head.hash)
            head = Head(head.seq + 1, seal(head.seq + 1, head.hash, row))
            hashes.append(head.hash)
        await con.execute(_INSERT, seqs, [int(row["id"]) for row in rows], prevs, hashes)
        return Sealed(len(rows), head, busy=False)


async def current_head(actor: Actor) -> Head:
    """The last seal. The actor is a pilot or an administrator.

    Raises:
        SonsError: `FORBIDDEN`.
    """
    require(actor, "journal.export")
    async with transaction(actor.context, read_only=True) as con:
        return await _head(con)


async def _head(con: asyncpg.Connection) -> Head:
    row = await con.fetchrow("select seq, hash from journal_seal order by seq desc limit 1")
    return Head(0, GENESIS) if row is None else Head(row["seq"], row["hash"])


async def keep(at: datetime, file: Path | None, *, stop: asyncio.Event | None = None) -> None:
    """The scheduler's part: seals what is ready, publishes the head once per Paris day of `at`.

    A file that cannot be written is logged, and tried again at the next tick; the e-mail leaves all the same.
    """
    await seal_all(stop=stop)
    if not (stop and stop.is_set()):
        try:
            await publish(at, file, due_only=True)
        except OSError:
            _log.exception("the head of the journal could not be written to its file")


async def publish(at: datetime, file: Path | None, *, due_only: bool = False) -> tuple[Published, ...]:
    """Gives the head away, to the organisations of pilots and administrators and to `file` (one JSON object
    per line, appended); first seals whatever was passed over. Returns what was published.

    `at` is the business instant (aware). With `due_only`, only by the ways that have not had a head on this
    Paris day. A head goes out once by each way, unless the process dies between the file and the commit: then
    its line comes twice.

    Raises:
        OSError: the file cannot be written; nothing of it is kept, and the e-mail has left.
    """
    ways: tuple[Channel, ...] = ("mail",) if file is None else ("mail", "file")
    if due_only:
        ways = await _due(at, ways)
    if not ways:
        return ()
    await seal_all()
    await seal_all(whole=True)
    published = [await _publish_by(way, at, file) for way in ways]
    return tuple(one for one in published if one is not None)


async def _due(at: datetime, ways: tuple[Channel, ...]) -> tuple[Channel, ...]:
    async with transaction(SCHEDULER.context, read_only=True) as con:
        rows = await con.fetch("select channel, max(taken_at) as at from journal_head group by channel")
        reached = bool(await _recipients(con))
    last = {row["channel"]: row["at"].astimezone(PARIS).date() for row in rows}
    today = at.astimezone(PARIS).date()
    return tuple(way for way in ways if (way not in last or last[way] < today) and (way != "mail" or reached))


@retrying
async def _publish_by(way: Channel, at: datetime, file: Path | None) -> Published | None:
    async with transaction(SCHEDULER.context) as con:
        if not await con.fetchval(_PUBLISH_LOCK):
            return None
        head = await _head(con)
        given = "select 1 from journal_head where seq = $1 and channel = $2"
        if head.seq == 0 or await con.fetchval(given, head.seq, way):
            return None
        facts = {"seq": head.seq, "hash": head.hash.hex(), "channel": way}
        if way == "mail":
            recipients = await _recipients(con)
            if not recipients:
                return None
            told = {**facts, "label": f"sceau n° {head.seq}, {head.hash.hex()}"}
            await announce(con, at, "journal.head", "journal", str(head.seq), recipients, told)
        await con.execute(
            "insert into journal_head (seq, channel, hash, taken_at) values ($1, $2, $3, $4)",
            head.seq,
            way,
            head.hash,
            at,
        )
        await journal.record(con, SCHEDULER, at, "journal.published", "journal", str(head.seq), facts)
        if way == "file" and file is not None:  # last: what can still fail after it is the commit alone
            await asyncio.to_thread(_append, file, _head_line(head, at))
        return Published(head, way, at)


async def _recipients(con: asyncpg.Connection) -> list[Any]:
    rows = await con.fetch(
        "select distinct organisation_id from membership where role = any($1) and removed_at is null",
        roles_of("journal.export"),
    )
    return [row["organisation_id"] for row in rows]


def _head_line(head: Head, at: datetime) -> str:
    taken_at = at.astimezone(PARIS).isoformat(timespec="seconds")
    told = {"format": VERSION, "seq": head.seq, "hash": head.hash.hex(), "taken_at": taken_at}
    return json.dumps(told) + "\n"


def _append(file: Path, line: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(line)
        opened.flush()
        os.fsync(opened.fileno())


async def export(
    actor: Actor, write: Callable[[str], object], write_text: Callable[[str], object] | None = None
) -> Head:
    """Writes the sealed journal as JSON Lines through `write`, the header first; returns its head. With
    `write_text`, the texts beside it too, in the order of its rows.

    One snapshot, read as it is written: the memory needed does not grow with the journal. The formats are
    those of docs/journal.md, and `verify_journal.py` reads them. The actor is a pilot or an administrator.

    Raises:
        SonsError: `FORBIDDEN`; what `write` raises.
    """
    require(actor, "journal.export")
    async with transaction(actor.context, isolation="repeatable_read", read_only=True) as con:
        head = await _head(con)
        ends = {"seq": head.seq, "hash": head.hash.hex()}
        published = await con.fetch(
            "select seq, channel, encode(hash, 'hex') as hash,"
            " sons.journal_instant(taken_at) as taken_at from journal_head order by seq, channel"
        )
        stamps = await con.fetch(
            "select seq, encode(hash, 'hex') as hash,"
            " translate(encode(token, 'base64'), chr(10), '') as token from journal_stamp order by seq"
        )
        header = {
            "format": VERSION,
            "fields": FIELDS,
            "law": "sha256(sceau précédent + octets) ; octets : le format, un saut de ligne, seq et chaque"
            " champ dans l'ordre, écrit « longueur:octets, » ou « - » s'il est absent.",
            "head": ends,
            "published": [dict(row) for row in published],
            "stamps": [dict(row) for row in stamps],
        }
        _write(write, header)
        async for row in con.cursor(_CHAIN, prefetch=_PREFETCH):
            _write(write, row)
        if write_text is not None:
            _write(write_text, {"format": TEXTS_VERSION, "head": ends})
            async for row in con.cursor(_BESIDE, prefetch=_PREFETCH):
                _write(write_text, row)
    return head


def _write(write: Callable[[str], object], row: Mapping[str, Any]) -> None:
    write(json.dumps(dict(row), ensure_ascii=False) + "\n")
