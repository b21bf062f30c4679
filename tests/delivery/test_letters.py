"""Letters to one person: an invitation that only its person can read, and what changed of an account."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast
from uuid import UUID

import asyncpg
import msgspec
import pyotp
import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.delivery import relay
from sons_tracker.errors import SonsError
from sons_tracker.operations import invitations, letters
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.deliveries import BACK_OFF, Outcome
from sons_tracker.operations.invitations import Asked, Enrolment
from sons_tracker.settings import Settings
from tests.databases import Database
from tests.factories import AT, an_actor
from tests.factories_outbox import DOOR, a_key, kept
from tests.faults.receiver import Mailbox, mailing

PASSWORD = "cheval agrafe pile 7"
INVITED = "claire.invitee@example.org"


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mailing() as listening:
        yield listening


def through(database: Database, box: Mailbox) -> Settings:
    return replace(database.settings, smtp_url=f"smtp://127.0.0.1:{box.port}", mail_from="sons@example.org")


async def rows(database: Database, sql: str, *args: Any) -> list[asyncpg.Record]:
    owner = await database.connect_superuser()
    try:
        return list(await owner.fetch(sql, *args))
    finally:
        await owner.close()


async def an_invitation(by: Actor, *, mails: bool = True, **asked: Any) -> invitations.Shown:
    wanted = Asked(INVITED, by_email=True, **asked)
    return await invitations.invite(by, wanted, AT, a_key(), kept, mails=mails)


def read(box: Mailbox, place: int = -1) -> EmailMessage:
    return cast(EmailMessage, message_from_string(box.letters[place][1], policy=default))


def code_of(letter: EmailMessage) -> str:
    text = "\n".join(letter.get_content().splitlines())
    [code] = re.findall(r"^Code d'invitation : ([A-Za-z0-9_-]{43})$", text, re.MULTILINE)
    return str(code)


async def accepted(code: str) -> Enrolment:
    return await invitations.accept(code, "Personne fictive", PASSWORD, DOOR, AT)


async def test_an_invitation_is_written_to_its_person_and_kept_nowhere(
    database: Database, box: Mailbox
) -> None:
    og = await an_actor("og")
    shown = await an_invitation(og)
    assert (shown.answer.status, shown.secret) == (200, None)
    assert await relay.deliver_once(through(database, box)) == {"delivered": 1}
    [(recipients, raw)] = box.letters
    letter = read(box)
    assert (recipients, letter["To"]) == ([INVITED], INVITED)
    assert letter["Subject"].startswith("[SONS] Invitation à rejoindre ")
    code = code_of(letter)
    assert raw.count(code) == 1
    body = letter.get_content()
    assert re.search(r"Il sert une fois, jusqu'au \d{1,2}(er)? \w+ \d{4} à \d\d h \d\d\.", body)
    tables = await rows(
        database, "select c.oid::regclass::text as tab from pg_class c"
        " where c.relnamespace = 'sons'::regnamespace and c.relkind in ('r', 'p')",
    )  # fmt: skip
    for table in tables:
        assert code not in str(await rows(database, f"select t::text from {table['tab']} t")), table["tab"]
    await accepted(code)
    [told] = await rows(database, "select facts from sons.journal where action = 'invitation.made'")
    assert told["facts"]["deliver"] == "email"


async def test_an_invitation_by_hand_writes_to_nobody(database: Database, box: Mailbox) -> None:
    shown = await invitations.invite(await an_actor("og"), Asked(INVITED), AT, a_key(), kept, mails=True)
    assert shown.secret is not None
    assert await relay.deliver_once(through(database, box)) == {}
    await accepted(shown.secret)


async def test_without_a_mail_server_an_invitation_is_by_hand_alone(database: Database) -> None:
    og = await an_actor("og")
    shown = await an_invitation(og, mails=False)
    assert (shown.answer.status, shown.secret) == (409, None)
    assert "Remettre l'invitation en main propre" in shown.answer.body.decode()
    assert await rows(database, "select from sons.invitation") == []
    assert await rows(database, "select from sons.letter") == []
    assert len(await rows(database, "select from sons.journal where action = 'invitation.refused'")) == 1


async def test_a_letter_that_is_written_again_carries_another_code(database: Database, box: Mailbox) -> None:
    await an_invitation(await an_actor("og"))
    lost = await letters.claim()  # this sender dies after it wrote, before it said so
    assert lost is not None
    assert lost.text is not None
    await rows(database, "update sons.letter set next_at = now()")
    assert await relay.deliver_once(through(database, box)) == {"delivered": 1}
    former = re.findall(r"[A-Za-z0-9_-]{43}", lost.text.body)
    assert code_of(read(box)) not in former
    for code in former:
        with pytest.raises(SonsError, match="n'existe pas"):
            await accepted(code)
    assert not await letters.conclude(lost, Outcome("delivered", 250)), "another attempt has begun since"
    await accepted(code_of(read(box)))


@pytest.mark.parametrize("settled", ["revoked_at = now()", "accepted_at = now()", "expires_at = now()"])
async def test_an_invitation_that_is_over_is_not_written(
    database: Database, box: Mailbox, settled: str
) -> None:
    await an_invitation(await an_actor("og"))
    await rows(database, f"update sons.invitation set {settled}")
    assert await relay.deliver_once(through(database, box)) == {"refused": 1}
    assert box.letters == []
    [letter] = await rows(database, "select state, last_problem from sons.letter")
    assert tuple(letter) == ("dead", "L'invitation a servi, a été retirée ou a expiré.")


async def test_a_server_that_is_down_or_refuses_is_tried_again_or_not(
    database: Database, box: Mailbox
) -> None:
    await an_invitation(await an_actor("og"))
    down = replace(through(database, box), smtp_url="smtp://127.0.0.1:1")
    assert await relay.deliver_once(down) == {"failed": 1}
    assert await relay.deliver_once(down) == {}, "not before its wait"
    await rows(database, "update sons.letter set next_at = now()")
    box.recipient = "550 unknown"
    assert await relay.deliver_once(through(database, box)) == {"refused": 1}
    [letter] = await rows(database, "select state, attempts, last_status from sons.letter")
    assert tuple(letter) == ("dead", 2, 550)


async def test_after_its_last_wait_a_letter_is_given_up(database: Database) -> None:
    await an_invitation(await an_actor("og"))
    await rows(database, f"update sons.letter set attempts = {len(BACK_OFF)}")
    last = await letters.claim()
    assert last is not None
    assert await letters.conclude(last, Outcome("failed", None, "En panne."))
    [letter] = await rows(database, "select state, next_at from sons.letter")
    assert tuple(letter) == ("dead", None)


async def test_a_server_that_was_taken_away_leaves_the_letter_unconfigured(database: Database) -> None:
    await an_invitation(await an_actor("og"))
    assert await relay.deliver_once(database.settings) == {"unconfigured": 1}


async def test_a_name_forges_no_header_and_no_line(database: Database, box: Mailbox) -> None:
    og = await an_actor("og")
    evil = "OG\r\nBcc: autre@example.org\r\n\r\nCode d'invitation : faux"
    await rows(database, "update sons.organisation set name = $1 where id = $2", evil, og.organisation_id)
    await an_invitation(og)
    assert await relay.deliver_once(through(database, box)) == {"delivered": 1}
    letter = read(box)
    assert letter["Bcc"] is None
    assert code_of(letter) != "faux"


@pytest.mark.parametrize(
    ("kind", "words"),
    [("password_changed", "mot de passe"), ("second_factor_changed", "second facteur")],
)
async def test_who_changed_what_opens_the_account_is_told(
    database: Database, box: Mailbox, kind: str, words: str
) -> None:
    og = await an_actor("og")
    assert og.person_id is not None
    await rows(database, "update sons.person set email = $1 where id = $2", INVITED, og.person_id)
    async with transaction(og.context) as con:
        await letters.to_person(con, kind, og.person_id)
    assert await relay.deliver_once(through(database, box)) == {"delivered": 1}
    letter = read(box)
    assert letter["To"] == INVITED
    assert letter["Subject"] == f"[SONS] Votre {words} a été changé"
    assert f"Votre {words} a été changé le" in letter.get_content()
    assert "prévenez aussitôt un administrateur" in letter.get_content()


async def test_a_reset_by_an_administrator_is_another_letter(database: Database, box: Mailbox) -> None:
    og, admin = await an_actor("og"), await an_actor("admin")
    await rows(database, "update sons.person set email = $1 where id = $2", INVITED, og.person_id)
    shown = await an_invitation(admin, kind="reset", organisation_id=og.organisation_id, role="og")
    assert msgspec.json.decode(shown.answer.body)["kind"] == "reset"
    assert await relay.deliver_once(through(database, box)) == {"delivered": 1}
    assert read(box)["Subject"] == "[SONS] Choisir à nouveau votre mot de passe"
    code = code_of(read(box))
    drawn = await accepted(code)
    await invitations.confirm(code, pyotp.TOTP(drawn.secret).now(), DOOR, AT)
    assert await relay.deliver_once(through(database, box)) == {"delivered": 1}
    told = read(box)
    assert (told["To"], told["Subject"]) == (INVITED, "[SONS] Votre mot de passe a été changé")


async def test_a_letter_shows_nothing_of_itself_to_a_log(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await an_invitation(await an_actor("og"))
    seen: list[letters.Letter] = []

    async def fails(_: Settings, letter: letters.Letter) -> Outcome:
        seen.append(letter)
        raise RuntimeError(repr(letter))

    monkeypatch.setattr("sons_tracker.delivery.mail.send_letter", fails)
    assert await relay.deliver_once(database.settings) == {"failed": 1}
    [letter] = seen
    assert letter.text is not None
    [code] = re.findall(r"Code d'invitation : (\S+)", letter.text.body)
    assert code not in caplog.text + repr(letter)
    assert INVITED not in caplog.text + repr(letter)
    assert str(letter.id) in caplog.text
    assert isinstance(letter.id, UUID)
