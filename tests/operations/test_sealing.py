"""The chain: every row once, in an order, whoever writes, seals, publishes or is killed meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import SonsError
from sons_tracker.operations import actors, sealing
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.sealing import keep, publish, seal_all
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.sealing import seal
from sons_tracker.scheduler import running
from sons_tracker.verify_journal import Report, read_heads
from tests.databases import Database
from tests.factories import AT, a_siren, an_account, an_actor
from tests.journal_exports import verified

# Texts that a canonical form could trip over.
_TEXTS = {"é": "à, 1:2", "a": 'guillemet " et \\', "n": 1.5, "long": 10**18, "vide": "", "𝄞": ["-", None]}
FACTS = {"message": _TEXTS}
WRITE = (
    "insert into sons.journal (at, role, auth_level, action, object_kind, object_id, facts)"
    " values ('2023-03-01Z', 'admin', 'local', 'test.written', 'test', $1, '{}') returning id"
)


async def write_rows(count: int, object_id: str = "1") -> None:
    async with transaction(LOCAL_ADMIN.context) as con:
        entry = journal.Entry(AT, "test.written", "test", object_id, FACTS)
        await journal.record_all(con, LOCAL_ADMIN, [entry] * count)


async def fetch(sql: str, *arguments: object) -> list[asyncpg.Record]:
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        found: list[asyncpg.Record] = await con.fetch(sql, *arguments)
    return found


async def sealed_objects() -> list[str]:
    rows = await fetch(
        "select object_id from journal_seal s join journal j on j.id = s.journal_id order by s.seq"
    )
    return [row["object_id"] for row in rows]


async def checked(heads: Sequence[tuple[int, str]] = ()) -> Report:
    """The journal exported and verified, as an auditor would; every row must be there, once."""
    lines: list[str] = []
    await sealing.export(LOCAL_ADMIN, lines.append)
    report = verified("".join(lines).encode(), heads)
    assert report.problems == []
    ids = [json.loads(line)["id"] for line in lines[1:]]
    assert len(ids) == len(set(ids)) == report.rows
    assert report.rows == (await fetch("select count(*) from journal"))[0][0]
    return report


async def test_every_row_is_sealed_once_and_verifies(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 7)
    assert (await seal_all()).head == sealing.Head(0, sealing.GENESIS)
    editor = await an_account("editor")
    await write_rows(30)
    first = await seal_all()
    assert (first.busy, first.rows) == (False, (await checked()).rows)
    assert await seal_all() == sealing.Sealed(0, first.head, busy=False)
    await write_rows(5)
    second = await seal_all()
    assert (second.rows, second.head.seq) == (5, first.head.seq + 5)
    report = await checked([(first.head.seq, first.head.hash.hex())])
    assert (report.head, report.heads_checked) == (second.head.hash.hex(), 1)
    assert await sealing.current_head(LOCAL_ADMIN) == second.head
    for refused in (sealing.current_head(editor.actor), sealing.export(editor.actor, lambda _: None)):
        with pytest.raises(SonsError, match="rôle"):
            await refused


async def test_a_running_transaction_holds_back_what_could_follow_it(database: Database) -> None:
    late, early = await database.connect_superuser(), await database.connect_superuser()
    try:
        transactions = [late.transaction(), early.transaction()]
        for one in transactions:
            await one.start()
        await late.execute(WRITE, "late")  # the older transaction, the smaller number
        await early.execute(WRITE, "early")
        await transactions[1].commit()
        assert (await seal_all()).rows == 0
        await write_rows(1, "after")
        assert (await seal_all()).rows == 0
        await transactions[0].commit()
        assert (await seal_all()).rows == 3
        assert await sealed_objects() == ["late", "early", "after"]
        await checked()
    finally:
        await late.close()
        await early.close()


async def test_a_smaller_number_that_commits_late_is_sealed_later(database: Database) -> None:
    old, young = await database.connect_superuser(), await database.connect_superuser()
    try:
        transactions = [old.transaction(), young.transaction()]
        for one in transactions:
            await one.start()
        await old.execute("select pg_current_xact_id()")
        small = await young.fetchval(WRITE, "young")
        great = await old.fetchval(WRITE, "old")
        assert small < great
        await transactions[0].commit()
        assert (await seal_all()).rows == 1
        await transactions[1].commit()
        assert (await seal_all()).rows == 1
        assert await sealed_objects() == ["old", "young"]
        await checked()
    finally:
        await old.close()
        await young.close()


async def test_writers_of_all_lengths_lose_no_row(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "BATCH", 11)
    draw, writing = random.Random(20230301), True

    async def write(name: int) -> None:
        for number in range(25):
            try:
                async with transaction(LOCAL_ADMIN.context) as con:
                    for part in range(draw.randint(1, 3)):
                        entry = journal.Entry(AT, "test.written", "test", f"{name}.{number}.{part}", FACTS)
                        await journal.record_all(con, LOCAL_ADMIN, [entry])
                        await asyncio.sleep(draw.choice([0, 0, 0.001, 0.02]))
                    if draw.random() < 0.2:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass

    async def sequence() -> int:
        rounds = 0
        while writing:
            rounds += (await seal_all()).rows > 0
            await asyncio.sleep(0)
        return rounds

    sequencers = [asyncio.create_task(sequence()) for _ in range(2)]
    await asyncio.gather(*(write(name) for name in range(6)))
    writing = False
    assert sum([await one for one in sequencers]) > 5, "nothing was sealed while others wrote"
    await seal_all()
    await checked()
    in_order = await fetch("select s.seq from journal_seal s join journal j on j.id = s.journal_id"
                           " order by j.txid, j.id")  # fmt: skip
    assert [row["seq"] for row in in_order] == list(range(1, len(in_order) + 1))


async def test_one_of_two_sequencers_seals(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await write_rows(40)
    owner = await database.connect_superuser()
    try:
        async with owner.transaction():
            await owner.execute(sealing._SEAL_LOCK)
            assert await seal_all() == sealing.Sealed(0, sealing.Head(0, sealing.GENESIS), busy=True)
    finally:
        await owner.close()
    monkeypatch.setattr(sealing, "BATCH", 3)
    done = await asyncio.gather(*(seal_all() for _ in range(6)))
    assert sum(one.rows for one in done) + (await seal_all()).rows == 40
    await checked()


_SEQUENCER = """
import asyncio, sys
from sons_tracker.db import engine
from sons_tracker.operations import sealing
sealing.BATCH = 5
async def main():
    await engine.start(sys.argv[1], role=sys.argv[2] or None)
    print("started", flush=True)
    await sealing.seal_all()
asyncio.run(main())
"""


@pytest.mark.processes
async def test_a_sequencer_killed_anywhere_leaves_no_gap_and_no_double(database: Database) -> None:
    draw, seen = random.Random(7), 0
    await write_rows(3000)
    for _ in range(6):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _SEQUENCER, database.app_dsn, database.app_role or ""),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        while (await fetch("select count(*) from journal_seal"))[0][0] == seen:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        await asyncio.sleep(draw.uniform(0, 0.1))
        process.kill()
        await process.wait()
        rows = await fetch("select seq, journal_id, prev, hash from journal_seal order by seq")
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        assert len({row["journal_id"] for row in rows}) == len(rows)
        assert [row["prev"] for row in rows] == [sealing.GENESIS, *(row["hash"] for row in rows)][: len(rows)]
        assert len(rows) >= seen
        seen = len(rows)
    assert 0 < seen < 3000, "killed before or after, never in the middle"
    async with asyncio.timeout(30):  # what a killed one left open is undone by the server
        while (await seal_all()).head.seq < 3000:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await checked()


async def test_a_base_restored_elsewhere_loses_no_row(database: Database, tmp_path: Path) -> None:
    """Numbers of transactions start again in another cluster: behind those of the rows, or far ahead."""
    owner = await database.connect_superuser()
    foreign = (
        "insert into sons.journal (at, txid, role, auth_level, action, object_kind, object_id, facts)"
        " select '2023-03-01Z', $1::text::xid8, 'admin', 'local', 'test.written', 'test', $2, '{}'"
    )
    try:
        for txid, name in (("900000000000", "ahead"), ("900000000001", "ahead too")):
            await owner.execute(foreign, txid, name)
        assert (await seal_all()).rows == 2
        await write_rows(2, "ours")
        assert (await seal_all()).rows == 2
        await owner.execute(foreign, "3", "behind")
        assert (await seal_all()).rows == 0
        assert (await seal_all(whole=True)).rows == 1
        await owner.execute(foreign, "2", "behind again")
        await publish(AT, tmp_path / "heads.jsonl")
        await write_rows(1, "ours again")
        assert (await seal_all()).rows == 2, "that one, and that a head was published"
        ours = ["ahead", "ahead too", "ours", "ours", "behind", "behind again"]
        assert (await sealed_objects())[: len(ours)] == ours
        await checked()
    finally:
        await owner.close()


async def test_an_erased_name_changes_no_seal(database: Database) -> None:
    """Who acted stays attributable by an identifier; the look-up that gives it a name is kept apart."""
    editor = await an_account("editor")
    async with transaction(editor.actor.context) as con:
        await journal.record(con, editor.actor, AT, "test.written", "test", "1", {})
    head = (await seal_all()).head
    owner = await database.connect_superuser()
    try:
        erased = "update sons.person set name = 'Personne effacée', email = null where id = $1"
        assert await owner.execute(erased, editor.actor.person_id) == "UPDATE 1"
    finally:
        await owner.close()
    assert (await checked([(head.seq, head.hash.hex())])).heads_checked == 1


async def test_what_the_owner_of_the_database_changes_is_found(database: Database) -> None:
    await write_rows(20)
    await seal_all()
    owner = await database.connect_superuser()
    try:
        await owner.execute("set session_replication_role = replica")
        await owner.execute(
            "update sons.journal set facts = '{}' where id = (select min(id) from sons.journal)"
        )
    finally:
        await owner.close()
    lines: list[str] = []
    await sealing.export(LOCAL_ADMIN, lines.append)
    assert "ligne 2 : le sceau ne correspond pas" in verified("".join(lines).encode()).problems[0]


async def test_a_batch_reads_its_own_part_of_the_chain(database: Database) -> None:
    """Not the whole of it for each row: a chain of years would never end."""
    chain, batch = 2000, 50
    await write_rows(chain)
    head = (await seal_all()).head
    await write_rows(batch)
    async with transaction(SCHEDULER.context) as con:
        last = await con.fetchrow(sealing._LAST)
        seals = []
        for row in await con.fetch(sealing._NEXT, last["txid"], last["id"], batch):
            digest = seal(head.seq + 1, head.hash, row)
            seals.append((head.seq + 1, int(row["id"]), head.hash, digest))
            head = sealing.Head(head.seq + 1, digest)
        read = (
            "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'journal_seal'"
        )
        before = await con.fetchval(read)
        await con.execute(sealing._INSERT, *map(list, zip(*seals, strict=True)))
        assert await con.fetchval(read) - before < 10 * batch
    await checked()


async def a_pilot_with_an_address() -> tuple[Any, Any]:
    """An agency and its pilot, beside a reviewer who has an address too."""
    siren = a_siren()
    for role in ("reviewer", "pilot"):
        person_id, organisation_id = await actors.enrol(
            LOCAL_ADMIN,
            at=AT,
            kind="agency",
            organisation="Agence fictive",
            person=f"{role} fictif",
            role=role,
            siren=siren,
            email=f"{role}@example.org",
        )
    return organisation_id, person_id


async def test_the_head_goes_out_once_a_day_by_each_way(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    agency, pilot = await a_pilot_with_an_address()
    await an_actor("editor")
    midnight = AT.astimezone(PARIS).replace(hour=23, minute=59) + timedelta(seconds=59)
    for at in (AT, AT + timedelta(hours=1), midnight):
        await keep(at, file)
    assert len(file.read_text().splitlines()) == 1
    await write_rows(1)
    for at in (
        midnight + timedelta(seconds=1),
        midnight + timedelta(hours=10),
    ):  # one day in Paris, not in UTC
        await keep(at, file)
    rows = await fetch("select seq, channel, taken_at, hash from journal_head order by channel, seq")
    assert [row["channel"] for row in rows] == ["file", "file", "mail", "mail"]
    await seal_all()
    assert (await checked(read_heads(str(file)))).heads_checked == 2
    assert [json.loads(line)["taken_at"][:10] for line in file.read_text().splitlines()] == [
        "2023-03-01",
        "2023-03-02",
    ]
    told = await fetch(
        "select o.organisation_id, o.facts, d.person_id from outbox o join delivery d on d.outbox_id = o.id"
        " where o.event = 'journal.head' order by o.number"
    )
    assert [(row["organisation_id"], row["person_id"]) for row in told] == [(agency, pilot)] * 2, (
        "no reviewer"
    )
    assert told[0]["facts"]["hash"] == rows[2]["hash"].hex()
    journaled = await fetch("select object_id, facts from journal where action = 'journal.published'")
    assert len(journaled) == 4


async def test_a_head_asked_for_goes_out_at_once_and_never_twice(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    await write_rows(3)
    assert [one.channel for one in await publish(AT, file)] == ["file"], "nobody to write to"
    assert (await fetch("select max(seq) from journal_head"))[0][0] == 3
    await asyncio.gather(*(publish(AT, file) for _ in range(4)))
    heads = read_heads(str(file))
    assert len(heads) == len(set(heads))
    await seal_all()
    await checked(heads)


async def test_a_file_that_cannot_be_written_keeps_nothing_and_stops_nothing(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await a_pilot_with_an_address()
    missing = tmp_path / "missing" / "heads.jsonl"
    await keep(AT, missing)
    assert "could not be written" in caplog.text
    assert [row["channel"] for row in await fetch("select channel from journal_head")] == ["mail"]
    missing.parent.mkdir()
    await keep(AT, missing)
    assert len(read_heads(str(missing))) == 1


async def test_the_clock_of_the_deadlines_seals(database: Database, tmp_path: Path) -> None:
    await an_actor("pilot")
    async with running(seconds=0.02, heads=tmp_path / "heads.jsonl"), asyncio.timeout(60):
        while (await fetch("select count(*) from journal_head"))[0][0] < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await seal_all()
    await checked(read_heads(str(tmp_path / "heads.jsonl")))


async def test_only_the_scheduler_may_seal(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await write_rows(1)
    actors_refused = (LOCAL_ADMIN, await an_actor("pilot"))
    for actor in actors_refused:
        monkeypatch.setattr(sealing, "SCHEDULER", actor)
        with pytest.raises(SonsError):
            await seal_all()
    monkeypatch.setattr(sealing, "require", lambda *_: None)  # the database says it again
    for actor in actors_refused:
        monkeypatch.setattr(sealing, "SCHEDULER", actor)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await seal_all()
    monkeypatch.setattr(sealing, "SCHEDULER", await an_actor("editor"))
    assert (await seal_all()).rows == 0, "an editor sees no row to seal"
    monkeypatch.setattr(sealing, "SCHEDULER", SCHEDULER)
    assert (await seal_all()).rows > 0
