"""What people typed: sealed by its digest, proved by its salt, erased without a trace in the chain."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from sons_tracker import verify_journal
from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.db.journal import Said
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import journal_texts, privacy, sealing
from sons_tracker.operations.actors import LOCAL_ADMIN, SCHEDULER, Actor
from tests.databases import Database
from tests.factories import AT, an_account
from tests.operations.test_sealing import fetch

WORDS = "Le directeur, Monsieur X, est « absent »."


async def say(actor: Actor, **facts: Any) -> int:
    """One row of the journal; its number."""
    async with transaction(actor.context) as con:
        await journal.record(con, actor, AT, "test.said", "test", "1", facts)
        found: int = await con.fetchval("select max(id) from journal where object_id = '1'")
    return found


async def exported() -> tuple[bytes, bytes]:
    """The journal sealed and exported, and the texts beside it."""
    lines: list[str] = []
    texts: list[str] = []
    await sealing.seal_all()
    await sealing.export(LOCAL_ADMIN, lines.append, texts.append)
    return "".join(lines).encode(), "".join(texts).encode()


def verified(export: bytes, texts: bytes) -> verify_journal.Report:
    return verify_journal.verify(io.BytesIO(export), (), verify_journal.Texts(io.BytesIO(texts)))


async def test_the_row_has_a_digest_and_the_text_stands_beside_it(database: Database) -> None:
    editor = (await an_account("editor")).actor
    settled = [{"rule": "R01", "reason": Said(WORDS)}, {"rule": "R02", "reason": Said(WORDS)}]
    row = await say(editor, number="BC-2023-000001", settled=settled, motivation=Said(""))
    (told,) = await fetch("select facts, person_id from journal where id = $1", row)
    assert "directeur" not in json.dumps(told["facts"])
    digests = [one["reason"]["said"] for one in told["facts"]["settled"]]
    assert len({*digests}) == 2, "the same words have two salts"
    kept = await fetch(
        "select field, text, person_id from journal_text where journal_id = $1 order by 1", row
    )
    assert [(one["field"], one["text"]) for one in kept] == [
        ("motivation", ""),
        ("settled/0/reason", WORDS),
        ("settled/1/reason", WORDS),
    ]
    assert {one["person_id"] for one in kept} == {told["person_id"]}
    given = await privacy.export(LOCAL_ADMIN, AT, editor.person_id) if editor.person_id else None
    assert given is not None
    assert {one["text"] for one in given.rows["journal_text.person_id"]} == {"", WORDS}


@pytest.mark.parametrize(
    "facts",
    [{"reason": WORDS}, {"reasons": ["deux mots"]}, {"settled": [{"why": "a\tb"}]}, {"by": "a@b.example"},
     {"note": "x" * 129}, {"note": "\u00a0"}],
)  # fmt: skip
async def test_a_sentence_that_nobody_declared_is_refused(database: Database, facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Said when a person typed it"):
        await say(LOCAL_ADMIN, **facts)
    assert await fetch("select 1 from journal where action = 'test.said'") == []


async def test_what_the_law_and_the_software_word_stays_in_the_row(database: Database) -> None:
    facts = {"reasons": [{"message": "Le délai est passé.", "source": "Arrêté, article 3"}], "days": 3}
    row = await say(LOCAL_ADMIN, **facts)
    assert (await fetch("select facts from journal where id = $1", row))[0]["facts"] == facts


async def test_texts_verify_and_one_erased_leaves_the_chain_whole(database: Database) -> None:
    editor = (await an_account("editor")).actor
    first, second = await say(editor, reason=Said(WORDS)), await say(editor, text=Said("Autre."), n=1)
    before, texts = await exported()
    report = verified(before, texts)
    assert (report.problems, report.texts_checked, report.texts_erased) == ([], 2, 0)

    assert await journal_texts.erase(LOCAL_ADMIN, AT, first, " Demande d'une personne. ") == 1
    after, left = await exported()
    report = verified(after, left)
    assert (report.problems, report.texts_checked, report.texts_erased) == ([], 2, 1), "the reason is one too"
    rows = before.splitlines()[1:]
    assert after.splitlines()[1 : len(rows) + 1] == rows, "no seal has changed"
    assert WORDS not in left.decode()
    assert WORDS.encode() not in await _everything()
    # who kept the old file can still prove the words to who has the new chain
    kept = json.loads(texts.splitlines()[1])
    lines = left.splitlines(keepends=True)
    lines[1] = (json.dumps(kept) + "\n").encode()
    assert verified(after, b"".join(lines)).problems == []

    with pytest.raises(SonsError) as caught:
        await journal_texts.erase(LOCAL_ADMIN, AT, first, "Encore.")
    assert caught.value.code is ErrorCode.NOT_FOUND
    (told,) = await fetch("select role, object_id, facts from journal where action = 'journal.text_erased'")
    assert (told["role"], told["object_id"]) == ("admin", str(first))
    assert set(told["facts"]) == {"erased", "reason"}
    assert (await fetch("select text from journal_text where journal_id = $1", second))[0]["text"] == "Autre."


async def _everything() -> bytes:
    rows = await fetch(
        "select to_jsonb(t) as t from journal_text t union all select to_jsonb(j) from journal j"
    )
    return json.dumps([row["t"] for row in rows], ensure_ascii=False).encode()


async def test_an_erasure_that_the_journal_does_not_tell_is_found(database: Database) -> None:
    """By whoever holds the database, past its guards."""
    row = await say(LOCAL_ADMIN, reason=Said(WORDS))
    owner = await database.connect_superuser()
    await owner.execute("alter table sons.journal_text disable trigger all")
    await owner.execute(
        "update sons.journal_text set text = null, salt = null, erased_at = now() where journal_id = $1", row
    )
    await owner.execute("alter table sons.journal_text enable trigger all")
    await owner.close()
    problems = verified(*await exported()).problems
    assert len(problems) == 1
    assert "est donné pour effacé, et aucun acte ne l'efface" in problems[0]


async def test_only_an_administrator_erases_and_says_why(database: Database) -> None:
    row = await say(LOCAL_ADMIN, reason=Said(WORDS))
    for role in ("pilot", "reviewer", "editor"):
        with pytest.raises(SonsError) as caught:
            await journal_texts.erase((await an_account(role)).actor, AT, row, "Parce que.")
        assert caught.value.code is ErrorCode.FORBIDDEN
    for reason in ("", " \n", "x" * 1001):
        with pytest.raises(SonsError) as caught:
            await journal_texts.erase(LOCAL_ADMIN, AT, row, reason)
        assert caught.value.code is ErrorCode.INVALID_REQUEST
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        (kept,) = await journal_texts.texts_of(con, [row])
    assert (kept.text, kept.field) == (WORDS, "reason")


async def test_the_scheduler_may_say_too(database: Database) -> None:
    row = await say(SCHEDULER, reason=Said(WORDS))
    assert (await fetch("select organisation_id from journal_text where journal_id = $1", row))[0][0] is None


def test_the_digest_is_said_the_same_twice() -> None:
    salt = bytes(range(32))
    row = {"action": "test.said", "facts": json.dumps({"a": {"said": journal.digest_of(salt, WORDS).hex()}})}
    header = {"format": verify_journal.TEXTS_VERSION, "head": {"seq": 1, "hash": "00" * 32}}
    line = {"seq": 1, "field": "a", "salt": salt.hex(), "text": WORDS}
    data = "".join(json.dumps(one) + "\n" for one in (header, line)).encode()
    report, texts = verify_journal.Report(), verify_journal.Texts(io.BytesIO(data))
    texts.advance(report)
    texts.check(1, row, report)
    assert (report.problems, report.texts_checked) == ([], 1)
