"""A head is shown to an authority, its stamp verified, kept, exported, verified again; or asked for later."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from sons_tracker import verify_journal
from sons_tracker.delivery import stamps
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import sealing
from sons_tracker.operations import stamps as kept
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.sealing import Head, publish
from sons_tracker.settings import Settings
from tests.databases import Database
from tests.factories import AT
from tests.operations.test_sealing import fetch, write_rows
from tests.time_stamping import STAMPED_AT, Authority, Reply, an_authority, serving

TRUSTED, OTHER = an_authority(), an_authority("Autre")
ROOTS = (TRUSTED.root,)


def stamping(by: Authority = TRUSTED, **how: Any) -> Reply:
    return lambda imprint, nonce: (200, by.answer(imprint, nonce, **how))


async def a_published_head(tmp_path: Path) -> Head:
    await write_rows(2)
    (given,) = await publish(AT, tmp_path / "heads.jsonl")
    return given.head


async def exported() -> bytes:
    lines: list[str] = []
    await sealing.export(LOCAL_ADMIN, lines.append)
    return "".join(lines).encode()


def verified(data: bytes) -> verify_journal.Report:
    return verify_journal.verify(io.BytesIO(data))


async def test_a_head_is_stamped_once_and_its_token_travels(database: Database, tmp_path: Path) -> None:
    assert await kept.wanted() is None
    first = await a_published_head(tmp_path)
    async with serving(stamping()) as (url, asked):
        assert await stamps.stamp_once(url, ROOTS) == first
        assert await stamps.stamp_once(url, ROOTS) is None
        assert asked == [hashlib.sha256(first.hash).digest()]
        second = await a_published_head(tmp_path)
        assert await stamps.stamp_once(url, ROOTS) == second
    rows = await fetch("select seq, stamped_at, token from journal_stamp order by seq")
    assert [(row["seq"], row["stamped_at"]) for row in rows] == [
        (first.seq, STAMPED_AT),
        (second.seq, STAMPED_AT),
    ]
    assert not await kept.keep(first, rows[0]["token"], STAMPED_AT), "another process was first"
    told = await fetch("select object_id from journal where action = 'journal.stamped' order by id")
    assert [row["object_id"] for row in told] == [str(first.seq), str(second.seq)]

    report = verified(await exported())
    assert report.problems == []
    assert [(one.seq, one.time) for one in report.stamps] == [
        (first.seq, "20260301093015Z"),
        (second.seq, "20260301093015Z"),
    ]
    for one in report.stamps:
        assert stamps.check(one.token, bytes.fromhex(one.hash), ROOTS) == STAMPED_AT
        with pytest.raises(stamps.StampError):
            stamps.check(one.token, bytes.fromhex(one.hash), [OTHER.root])


async def test_a_token_is_of_its_head_and_whole(database: Database, tmp_path: Path) -> None:
    """What the script can tell without any root, and what only the roots can."""
    await a_published_head(tmp_path)
    async with serving(stamping()) as (url, _):
        await stamps.stamp_once(url, ROOTS)
    header, *rows = (await exported()).splitlines(keepends=True)
    told = json.loads(header)
    (stamp,) = told["stamps"]

    def changed(**change: Any) -> verify_journal.Report:
        data = json.dumps({**told, "stamps": [{**stamp, **change}]}).encode() + b"\n" + b"".join(rows)
        return verified(data)

    first = json.loads(rows[0])
    for change in ({"seq": 1, "hash": first["hash"]}, {"token": ""}, {"token": stamp["token"][:80]}):
        assert "n'est pas le sien" in changed(**change).problems[0]
    for change in ({"token": "é"}, {"token": 1}, {"hash": "x" * 64}, {"seq": "1"}):
        with pytest.raises(verify_journal.MalformedError):
            changed(**change)
    cut = changed(token=stamp["token"][:-80])
    assert cut.problems == [], "the imprint and the time are there"
    with pytest.raises(stamps.StampError):
        stamps.check(cut.stamps[0].token, bytes.fromhex(stamp["hash"]), ROOTS)


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("another root", stamping(OTHER)),
        ("a certificate for something else", stamping(an_authority("Serveur", may_stamp=False))),
        ("another head", lambda _, nonce: (200, TRUSTED.answer(bytes(32), nonce))),
        ("another question", lambda imprint, nonce: (200, TRUSTED.answer(imprint, (nonce or 0) + 1))),
        ("no nonce", lambda imprint, _: (200, TRUSTED.answer(imprint))),
        ("a refusal", stamping(status=2)),
        ("one byte changed", lambda imprint, nonce: (200, TRUSTED.answer(imprint, nonce)[:-1] + b"\0")),
        ("no answer of this kind", lambda *_: (200, b"<html>")),
        ("nothing", lambda *_: (200, b"")),
        ("too long", lambda *_: (200, bytes(stamps.MOST_BYTES + 1))),
        ("an error", lambda *_: (503, b"")),
        ("elsewhere", lambda *_: (302, b"")),
    ],
)
async def test_what_is_no_stamp_is_not_kept_and_is_asked_for_again(
    database: Database, tmp_path: Path, name: str, reply: Reply
) -> None:
    head = await a_published_head(tmp_path)
    async with serving(reply) as (url, _):
        with pytest.raises(stamps.StampError):
            await stamps.stamp_once(url, ROOTS)
    assert await fetch("select 1 from journal_stamp") == [], name
    assert await kept.wanted() == head


async def test_an_authority_that_is_away_is_asked_again(database: Database, tmp_path: Path) -> None:
    head = await a_published_head(tmp_path)
    with pytest.raises(httpx.HTTPError):
        await stamps.stamp_once("http://127.0.0.1:9/tsr", ROOTS)
    file, failures = TRUSTED.write_root(tmp_path / "roots.pem"), iter(range(2))

    def reply(imprint: bytes, nonce: int | None) -> tuple[int, bytes]:
        return (500, b"") if next(failures, None) is not None else stamping()(imprint, nonce)

    async with serving(reply) as (url, asked), stamps.running(url, file, seconds=0.01), asyncio.timeout(60):
        while await kept.wanted() is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert asked == [hashlib.sha256(head.hash).digest()] * 3


async def test_the_heads_of_before_the_first_stamp_are_covered_by_it(
    database: Database, tmp_path: Path
) -> None:
    await a_published_head(tmp_path)
    last = await a_published_head(tmp_path)
    assert await kept.wanted() == last
    async with serving(stamping()) as (url, _):
        await stamps.stamp_once(url, ROOTS)
    third, fourth = await a_published_head(tmp_path), await a_published_head(tmp_path)
    assert await kept.wanted() == third, "each one from there on"
    assert fourth.seq > third.seq


async def test_without_an_authority_nothing_runs_and_roots_are_certificates(tmp_path: Path) -> None:
    async with stamps.running(None, None):
        pass
    for content in (None, b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"):
        file = tmp_path / "roots.pem"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(SonsError) as caught:
            stamps.read_roots(file)
        assert caught.value.code is ErrorCode.INVALID_SETTING


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"SONS_TIMESTAMP_URL": "https://tsa.example/tsr"}, "SONS_TIMESTAMP_ROOTS"),
        ({"SONS_TIMESTAMP_ROOTS": "roots.pem"}, "SONS_TIMESTAMP_URL"),
        ({"SONS_TIMESTAMP_URL": "ftp://tsa.example", "SONS_TIMESTAMP_ROOTS": "r.pem"}, "SONS_TIMESTAMP_URL"),
    ],
)
def test_an_authority_is_set_whole(given: dict[str, str], wrong: str) -> None:
    with pytest.raises(SonsError) as caught:
        Settings.from_env(given)
    assert wrong in {fault.where for fault in caught.value.faults}


def test_the_password_of_an_authority_is_masked() -> None:
    url = "https://qui:motdepasse@tsa.example/tsr"
    settings = Settings.from_env({"SONS_TIMESTAMP_URL": url, "SONS_TIMESTAMP_ROOTS": "r.pem"})
    assert settings.timestamp_url == url
    assert "motdepasse" not in repr(settings)
    assert "motdepasse" in settings.secrets
