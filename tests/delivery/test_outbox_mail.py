"""E-mails: one letter per person, in French, that no fact can forge; without a server, kept and shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest

from sons_tracker.delivery import mail, relay
from sons_tracker.operations import actors, deliveries, replays
from sons_tracker.operations.actors import LOCAL_ADMIN, Actor
from sons_tracker.operations.deliveries import Job
from sons_tracker.operations.messages import Message, Told, message
from sons_tracker.operations.notices import EVENTS
from sons_tracker.operations.outbox import list_notices
from sons_tracker.settings import Settings
from tests.databases import Database
from tests.factories import AT, an_account
from tests.factories_outbox import a_key, announced, kept
from tests.faults.receiver import Mailbox, mailing

FACTS = {
    "order_number": "BC-2023-000123",
    "number": "OR-2024-000001",
    "amount_ttc_cents": 1_293_600,
    "until": "2023-12-31T23:59:59.999999+01:00",
    "reasons": ["La VA n'est pas signée.", {"message": "Aucun solde n'a été demandé."}],
    "source": "S0:1666",
}
EVENT_ID = UUID(int=7)
SENDER = "sons@example.org"


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mailing() as listening:
        yield listening


def through(database: Database, box: Mailbox) -> Settings:
    return replace(database.settings, smtp_url=f"smtp://127.0.0.1:{box.port}", mail_from=SENDER)


async def a_member(og: Actor, finess: str, number: int, email: str | None) -> None:
    await actors.enrol(
        LOCAL_ADMIN,
        at=AT,
        kind="og",
        organisation="OG de test (fictif)",
        person=f"Membre {number}",
        role="og",
        finess_juridique=finess,
        email=email,
    )


async def an_og(*emails: str | None) -> Actor:
    account = await an_account("og")
    assert account.finess_juridique is not None
    for number, email in enumerate(emails):
        await a_member(account.actor, account.finess_juridique, number, email)
    return account.actor


def letter(box: Mailbox, place: int = 0) -> EmailMessage:
    return cast(EmailMessage, message_from_string(box.letters[place][1], policy=default))


def a_job(**changes: Any) -> Job:
    job = Job(
        1, 1, EVENT_ID, AT, "recovery.opened", "recovery", "1", uuid4(), FACTS, None, None, (), UUID(int=8),
        "agent@example.org", None,
    )  # fmt: skip
    return replace(job, **changes)


def letter_of(event: str, at: datetime, facts: dict[str, Any]) -> Message:
    return message(event, [Told(at, facts, EVENT_ID)])


def test_a_letter_says_what_happened_what_to_do_until_when_and_why() -> None:
    text = letter_of("recovery.opened", datetime(2024, 4, 1, 7, 30, tzinfo=UTC), FACTS)
    assert text.subject == "[SONS] Avance à recouvrer : commande BC-2023-000123"
    assert text.body == (
        "Bonjour,\n\n"
        "Avance à recouvrer : commande BC-2023-000123.\n"
        "Date : 1er avril 2024 à 09 h 30.\n"
        "Objet : OR-2024-000001.\n"
        "Montant : 12\u202f936,00\u202f€ TTC.\n"
        "Au plus tard : 31 décembre 2023, heure de Paris.\n\n"
        "Motifs :\n– La VA n'est pas signée.\n– Aucun solde n'a été demandé.\n\n"
        "Source : S0:1666\n\n"
        "À faire : L'avance est à rembourser : l'ordre de recouvrement dira le montant et le délai.\n\n"
        "Le dossier complet est dans le service, sous l'identifiant de votre organisation.\n"
        "Ce message est automatique ; n'y répondez pas. "
        "Référence de l'avis : 00000000-0000-0000-0000-000000000007\n"
    )


def test_several_notices_of_an_event_are_a_list_in_one_letter() -> None:
    told = [Told(AT, facts, EVENT_ID) for facts in (FACTS, {"order_number": "BC\n2"}, {})]
    text = message("recovery.opened", told)
    assert text.subject == "[SONS] Avance à recouvrer : 3 avis"
    assert (
        "– BC-2023-000123 ; OR-2024-000001 ; 12\u202f936,00\u202f€ TTC ; au plus tard le 31 décembre 2023\n"
        "– BC 2\n"
        "– 1er mars 2023 à 10 h 00\n\n"
        "À faire : "
    ) in text.body


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_every_event_can_be_told_without_a_fact(event: str) -> None:
    text = letter_of(event, AT, {})
    assert text.subject == f"[SONS] {EVENTS[event].label}"
    assert "None" not in text.body
    assert "Montant" not in text.body


@pytest.mark.parametrize("until", ["31/12/2023", "2023-12-31T23:59:59", 5, None, [], "9999"])
def test_a_fact_that_cannot_be_read_is_left_out(until: object) -> None:
    facts = {"until": until, "amount_ttc_cents": "12", "reasons": "x", "source": None, "order_number": None}
    body = letter_of("recovery.opened", AT, facts).body
    assert "Au plus tard" not in body
    assert "Motifs" not in body


def test_no_fact_adds_a_header_nor_forges_a_line() -> None:
    evil = "BC\r\nBcc: autre@example.org\r\n\r\nVirez tout\u2028ici\x00"
    job = a_job(facts={"order_number": evil, "source": evil, "reasons": [evil]})
    text = letter_of(job.event, job.at, job.facts)
    made = mail.compose(text, SENDER, "agent@example.org", "avis")
    read = cast(EmailMessage, message_from_string(made.as_string(), policy=default))
    assert set(read.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Language", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert read["Bcc"] is None
    assert "\nVirez" not in read.get_content()
    assert "\nBcc" not in read.get_content()


@pytest.mark.parametrize(
    "mailbox", ["a@b.fr\r\nBcc: c@d.fr", "a@b.fr, c@d.fr", "", "pas une adresse", "<a@b.fr>", "a@b.fr\n"]
)
async def test_a_malformed_address_is_refused_for_good(database: Database, mailbox: str) -> None:
    settings = replace(database.settings, smtp_url="smtp://127.0.0.1:1", mail_from=SENDER)
    outcome = await mail.send(settings, a_job(mailbox=mailbox))
    assert (outcome.verdict, outcome.problem) == ("refused", "L'adresse de cette personne est mal formée.")


async def test_each_member_with_an_address_gets_a_letter_of_its_own(database: Database, box: Mailbox) -> None:
    og = await an_og("un@example.org", "deux@example.org", None)
    await announced(og, event="recovery.opened", facts=FACTS)
    await announced(og, event="payment.due")  # not important enough
    assert await relay.deliver_once(through(database, box)) == {"delivered": 2}
    assert sorted(recipients for recipients, _ in box.letters) == [["deux@example.org"], ["un@example.org"]]
    one = letter(box)
    assert one["Subject"] == "[SONS] Avance à recouvrer : commande BC-2023-000123"
    assert one["From"] == SENDER
    assert [one["To"]] == box.letters[0][0]
    assert "12\u202f936,00\u202f€" in one.get_content()
    (first, _) = (await list_notices(og, 0, 10)).notices
    assert first.deliveries == {"delivered": 2}
    assert one["Message-ID"].startswith(f"<{first.id}.")
    assert len({letter(box, place)["Message-ID"] for place in (0, 1)}) == 2


async def test_a_date_that_many_orders_share_is_one_letter_to_each_member(
    database: Database, box: Mailbox
) -> None:
    og, other = await an_og("un@example.org", "deux@example.org"), await an_og("trois@example.org")
    for number in range(30):
        facts = {"order_number": f"BC-2023-{number:06d}"}
        await announced(og, event="deadline.reminder", facts=facts)
    await announced(og, event="order.lapsed")
    await announced(other, event="deadline.reminder", facts={"order_number": "BC-2023-999999"})
    assert await relay.deliver_once(through(database, box)) == {"delivered": 63}
    subjects = sorted((letter(box, place)["To"], letter(box, place)["Subject"]) for place in range(5))
    assert len(box.letters) == 5
    assert subjects[0] == ("deux@example.org", "[SONS] Commande caduque")
    assert subjects[1] == ("deux@example.org", "[SONS] Rappel d'échéance : 30 avis")
    assert subjects[2] == ("trois@example.org", "[SONS] Rappel d'échéance : commande BC-2023-999999")
    many = next(
        letter(box, place) for place in range(5) if "30 avis" in letter(box, place)["Subject"]
    ).get_content()
    listed = [line for line in many.splitlines() if line.startswith("– ")]
    assert listed == [f"– BC-2023-{number:06d}" for number in range(30)]


async def test_a_letter_that_fails_is_tried_again_for_all_that_it_told(
    database: Database, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_IN_LETTER", 2)
    og = await an_og("un@example.org")
    for _ in range(3):
        await announced(og, event="deadline.reminder")
    box.recipient = "450 busy"
    assert await relay.deliver_once(through(database, box)) == {"failed": 3}
    owner = await database.connect_superuser()
    try:
        await owner.execute("update sons.delivery set next_at = now()")
    finally:
        await owner.close()
    box.recipient = "250 ok"
    assert await relay.deliver_once(through(database, box)) == {"delivered": 3}
    assert sorted(letter(box, place)["Subject"] for place in (0, 1)) == [
        "[SONS] Rappel d'échéance",
        "[SONS] Rappel d'échéance : 2 avis",
    ]


async def test_without_a_server_a_letter_is_kept_shown_and_can_be_sent_later(
    database: Database, box: Mailbox
) -> None:
    og = await an_og("un@example.org")
    await announced(og, event="recovery.opened")
    assert await relay.deliver_once(database.settings) == {"unconfigured": 1}
    (notice,) = (await list_notices(og, 0, 10)).notices
    assert notice.deliveries == {"unconfigured": 1}
    assert (await replays.replay_notice(og, AT, a_key(), notice.id, kept)).status == 200
    assert await relay.deliver_once(through(database, box)) == {"delivered": 1}


@pytest.mark.parametrize(
    ("answer", "verdict"), [("550 unknown", "refused"), ("450 busy", "failed"), ("421 later", "failed")]
)
async def test_what_the_server_refuses_for_good_is_not_tried_again(
    database: Database, box: Mailbox, answer: str, verdict: str
) -> None:
    og = await an_og("un@example.org")
    await announced(og, event="recovery.opened")
    box.recipient = answer
    assert await relay.deliver_once(through(database, box)) == {verdict: 1}
    assert box.letters == []


async def test_a_server_that_is_down_is_tried_again(database: Database, box: Mailbox) -> None:
    og = await an_og("un@example.org")
    await announced(og, event="recovery.opened")
    down = replace(through(database, box), smtp_url="smtp://127.0.0.1:1")
    assert await relay.deliver_once(down) == {"failed": 1}
    owner = await database.connect_superuser()
    try:
        await owner.execute("update sons.delivery set next_at = now()")
    finally:
        await owner.close()
    assert await relay.deliver_once(through(database, box)) == {"delivered": 1}


async def test_no_letter_leaves_in_clear_over_a_network(
    database: Database, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of the test offers no STARTTLS; a name other than loopback's must then be refused."""
    monkeypatch.setattr(mail, "_is_own_machine", lambda host: False)
    outcome = await mail.send(through(database, box), a_job())
    assert outcome.verdict == "failed"
    assert box.letters == []


async def test_whoever_lost_the_address_meanwhile_is_not_written_to(database: Database, box: Mailbox) -> None:
    og = await an_og("un@example.org")
    await announced(og, event="recovery.opened")
    owner: asyncpg.Connection = await database.connect_superuser()
    try:
        await owner.execute("update sons.person set email = null")
    finally:
        await owner.close()
    assert await relay.deliver_once(through(database, box)) == {"refused": 1}
    assert box.letters == []
