"""A time stamping authority of the tests (RFC 3161): its certificates, its answers, and a server on loopback.

The answers are written by hand, in DER, and signed by `cryptography`: no program of the machine is needed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rfc3161_client._rust import parse_timestamp_request

STAMPED_AT = datetime(2026, 3, 1, 9, 30, 15, tzinfo=UTC)
_LIFE = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC))


def _der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(length))) + length + content


def _sequence(*contents: bytes) -> bytes:
    return _der(0x30, *contents)


def _integer(value: int) -> bytes:
    return _der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    data = bytearray([40 * first + second])
    for number in rest:
        groups = [number & 127]
        while number := number >> 7:
            groups.append(128 | number & 127)
        data += bytes(reversed(groups))
    return _der(6, bytes(data))


_SHA256 = _sequence(_oid("2.16.840.1.101.3.4.2.1"), _der(5))
_TST_INFO = _oid("1.2.840.113549.1.9.16.1.4")


@dataclass(frozen=True, slots=True)
class Authority:
    """A root, and the certificate and key that it gave for stamping."""

    root: x509.Certificate
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def answer(
        self, imprint: bytes, nonce: int | None = None, *, at: datetime = STAMPED_AT, status: int = 0
    ) -> bytes:
        """A TimeStampResp that says that `imprint` (32 bytes) was shown to it at `at`."""
        info = _sequence(
            _integer(1),
            _oid("1.2.3.4.1"),
            _sequence(_SHA256, _der(4, imprint)),
            _integer(4711),
            _der(0x18, f"{at:%Y%m%d%H%M%SZ}".encode()),
            b"" if nonce is None else _integer(nonce),
        )
        certificate = self.certificate.public_bytes(Encoding.DER)
        attributes = b"".join(
            sorted(
                _sequence(_oid(name), _der(0x31, value))
                for name, value in (
                    ("1.2.840.113549.1.9.3", _TST_INFO),
                    ("1.2.840.113549.1.9.4", _der(4, hashlib.sha256(info).digest())),
                    ("1.2.840.113549.1.9.16.2.47",
                     _sequence(_sequence(_sequence(_der(4, hashlib.sha256(certificate).digest()))))),
                )
            )
        )  # fmt: skip
        signature = self.key.sign(_der(0x31, attributes), ec.ECDSA(hashes.SHA256()))
        signer = _sequence(
            _integer(1),
            _sequence(self.certificate.issuer.public_bytes(), _integer(self.certificate.serial_number)),
            _SHA256,
            _der(0xA0, attributes),
            _sequence(_oid("1.2.840.10045.4.3.2")),
            _der(4, signature),
        )
        signed = _sequence(
            _integer(3),
            _der(0x31, _SHA256),
            _sequence(_TST_INFO, _der(0xA0, _der(4, info))),
            _der(0xA0, certificate),
            _der(0x31, signer),
        )
        token = _sequence(_oid("1.2.840.113549.1.7.2"), _der(0xA0, signed))
        return _sequence(_sequence(_integer(status)), token if status in (0, 1) else b"")

    def write_root(self, file: Path) -> Path:
        """The root, as a PEM file."""
        file.write_bytes(self.root.public_bytes(Encoding.PEM))
        return file


def an_authority(name: str = "TSA", *, may_stamp: bool = True) -> Authority:
    """A new authority; one that may not stamp has a certificate for something else."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, own_name = _name(f"{name} racine"), _name(name)
    root = (
        _certificate(root_name, root_name, root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    use = ExtendedKeyUsageOID.TIME_STAMPING if may_stamp else ExtendedKeyUsageOID.SERVER_AUTH
    own = (
        _certificate(own_name, root_name, key)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    return Authority(root, own, key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(of: x509.Name, by: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer_name=by, subject_name=of)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_LIFE[0])
        .not_valid_after(_LIFE[1] - timedelta(days=1))
    )


Reply = Callable[[bytes, int | None], tuple[int, bytes]]


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server of stamps on loopback: its address, and the imprints that it was shown so far. `reply` makes a
    status and a body of an imprint and a nonce."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        question = parse_timestamp_request(await reader.readexactly(size))
        asked.append(question.message_imprint.message)
        status, body = reply(asked[-1], question.nonce)
        writer.write(
            b"HTTP/1.1 %d x\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body))
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/tsr", asked


@contextmanager
def serving_beside(reply: Reply) -> Iterator[str]:
    """The same in a thread of its own, for what runs a loop itself: its address."""
    loop, leaving = asyncio.new_event_loop(), asyncio.Event()
    found: Queue[str] = Queue()

    async def serve() -> None:
        async with serving(reply) as (url, _):
            found.put(url)
            await leaving.wait()

    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield found.get(timeout=60)
    finally:
        loop.call_soon_threadsafe(leaving.set)
        thread.join()
        loop.close()
