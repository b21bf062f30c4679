"""One e-mail to one person: a notice, or a letter of its own."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from urllib.parse import unquote, urlsplit

import aiosmtplib

from sons_tracker.operations.deliveries import Job, Outcome
from sons_tracker.operations.letters import Letter
from sons_tracker.operations.messages import Message, Told, message
from sons_tracker.settings import Settings

TOTAL_SECONDS = 30.0
_PERMANENT = 500
_PORTS = {"smtp": 587, "smtps": 465}


async def send(settings: Settings, job: Job) -> Outcome:
    """Hands the notice to the mail server; what the server refuses for good is not tried again.

    Its identifier is that of the event and the person: a second copy is recognised as one.
    """
    told = [Told(one.at, one.facts, one.event_id) for one in (job, *job.more)]
    return await _send(settings, job.mailbox, message(job.event, told), f"{job.event_id}.{job.person_id}")


async def send_letter(settings: Settings, letter: Letter) -> Outcome:
    """Hands a letter of its own to the mail server. Each attempt has an identifier of its own: what an
    invitation carries changes with each."""
    if letter.text is None:
        return Outcome("refused", None, letter.void)
    return await _send(settings, letter.mailbox, letter.text, f"{letter.id}.{letter.attempt}")


async def _send(settings: Settings, mailbox: str | None, text: Message, name: str) -> Outcome:
    if settings.smtp_url is None or settings.mail_from is None or mailbox is None:
        return Outcome("unconfigured", None, "Aucun serveur de courrier n'est configuré.")
    try:
        letter = compose(text, settings.mail_from, mailbox, name)
    except (ValueError, IndexError, MessageError):  # what the standard library raises on a malformed address
        return Outcome("refused", None, "L'adresse de cette personne est mal formée.")
    parts = urlsplit(settings.smtp_url)
    host = parts.hostname or ""
    try:
        await aiosmtplib.send(
            letter,
            hostname=host,
            port=parts.port or _PORTS[parts.scheme],
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            use_tls=parts.scheme == "smtps",
            # never in clear over a network: a server that offers no STARTTLS is refused
            start_tls=None if parts.scheme == "smtps" or _is_own_machine(host) else True,
            timeout=TOTAL_SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        status = error.recipients[0].code
        return _refused(status, "Le serveur de courrier refuse cette adresse")
    except aiosmtplib.SMTPResponseException as error:
        return _refused(error.code, "Le serveur de courrier refuse le message")
    except (aiosmtplib.SMTPException, OSError):
        return Outcome("failed", None, "Le serveur de courrier ne répond pas.")
    return Outcome("delivered", 250)


def compose(text: Message, sender: str, mailbox: str, name: str) -> EmailMessage:
    """The letter, whose identifier begins by `name`.

    Raises:
        ValueError: a malformed address, or a header of more than one line.
    """
    letter = EmailMessage(policy=WIRE)
    letter["From"] = Address(addr_spec=sender)
    letter["To"] = Address(addr_spec=mailbox)
    letter["Subject"] = text.subject
    letter["Date"] = datetime.now(UTC)
    letter["Message-ID"] = f"<{name}@{sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text.body)
    letter["Content-Language"] = "fr"
    return letter


def _refused(status: int, words: str) -> Outcome:
    return Outcome("refused" if status >= _PERMANENT else "failed", status, f"{words} ({status}).")


def _is_own_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
