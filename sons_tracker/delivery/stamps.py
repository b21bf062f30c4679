"""Time stamps (RFC 3161): a head shown to an authority, its answer verified up to the roots that are trusted.

What is stamped is the 32 bytes of a head's hash; so the imprint is their SHA-256. An authority that is away,
slow or wrong delays nothing: it is asked again later, and a head is published without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import stamps
from sons_tracker.operations.sealing import Head

POLL_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 3600.0
ANSWER_SECONDS = 20.0
MOST_BYTES = 65536
_HEADERS = {
    "content-type": "application/timestamp-query",
    "accept": "application/timestamp-reply",
    "user-agent": "sons-tracker",
}
_AWAY = (SonsError, httpx.HTTPError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_log = logging.getLogger(__name__)


class StampError(Exception):
    """The answer of an authority is not a stamp of this head by an authority that is trusted."""


def read_roots(file: Path) -> tuple[Certificate, ...]:
    """The certificates of a PEM file.

    Raises:
        SonsError: `INVALID_SETTING` when it cannot be read or has none.
    """
    try:
        found = load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise SonsError(
            ErrorCode.INVALID_SETTING, f"« {file} » n'est pas un fichier de certificats PEM lisible."
        ) from error
    return tuple(found)


def check(token: bytes, head_hash: bytes, roots: Sequence[Certificate], nonce: int | None = None) -> datetime:
    """The UTC time that an authority attests of a head's hash (32 bytes), its signature held to `roots`.
    With `nonce`, the answer must have that of the question.

    Raises:
        StampError
    """
    builder = VerifierBuilder(roots=list(roots), nonce=nonce)
    try:
        answer: TimeStampResponse = decode_timestamp_response(token)
        builder.build().verify_message(answer, head_hash)
        return answer.tst_info.gen_time.astimezone(UTC)
    except (VerificationError, ValueError) as error:
        raise StampError(str(error)) from error


async def ask(url: str, roots: Sequence[Certificate], head: Head) -> tuple[bytes, datetime]:
    """The authority's answer for a head, verified, and the time that it attests.

    Raises:
        StampError, httpx.HTTPError: nothing that can be kept came.
    """
    question = (
        TimestampRequestBuilder()
        .data(head.hash)
        .hash_algorithm(HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .build()
    )
    received = bytearray()
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as client,
            client.stream("POST", url, headers=_HEADERS, content=question.as_bytes()) as answer,
        ):
            if not answer.is_success:
                raise StampError(f"the authority answered {answer.status_code}")
            async for part in answer.aiter_bytes():
                received += part
                if len(received) > MOST_BYTES:
                    raise StampError("the answer is longer than any stamp")
    except TimeoutError:
        raise StampError("the authority did not answer in time") from None
    token = bytes(received)
    return token, await asyncio.to_thread(check, token, head.hash, roots, question.nonce)


async def stamp_once(url: str, roots: Sequence[Certificate]) -> Head | None:
    """Has the next head that wants it stamped; returns it, or None when none does.

    Raises:
        StampError, httpx.HTTPError, SonsError: it has no stamp yet.
    """
    head = await stamps.wanted()
    if head is not None:
        await stamps.keep(head, *await ask(url, roots, head))
    return head


@asynccontextmanager
async def running(url: str | None, roots: Path | None, seconds: float = POLL_SECONDS) -> AsyncIterator[None]:
    """Has each published head stamped until leaving; without an authority, does nothing.

    Raises:
        SonsError: as `read_roots`.
    """
    if url is None or roots is None:
        yield
        return
    task = asyncio.create_task(_forever(url, read_roots(roots), seconds))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _forever(url: str, roots: Sequence[Certificate], seconds: float) -> None:
    """Each failure doubles the pause, up to an hour; a success brings it back."""
    pause = seconds
    while True:
        try:
            while await stamp_once(url, roots) is not None:
                pause = seconds
        except (StampError, *_AWAY) as error:
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            _log.warning("the head of the journal has no time stamp yet: %s", type(error).__name__)
        await asyncio.sleep(pause)
