"""Where a webhook may go: judged as it is written, and again as it resolves when the connection opens."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sons_tracker.delivery import http
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.addresses import allowed, checked_url
from sons_tracker.operations.deliveries import Outcome
from tests.faults.receiver import Receiver, receiving, status

PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:4700::1111", "2a01:e0a::1", "::ffff:8.8.8.8")
# One of each kind that must not be reached: this machine, its network, its cloud, what is not one machine.
FORBIDDEN = (
    "127.0.0.1", "127.255.255.254", "::1", "0.0.0.0", "::", "10.0.0.1", "172.16.0.1", "192.168.1.1",
    "169.254.169.254", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fc00::1", "fec0::1", "100.64.0.1",
    "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1", "168.63.129.16", "192.88.99.1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::", "2001:db8::1",
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_is_allowed(address: str) -> None:
    assert allowed(address, loopback=False)
    assert allowed(address, loopback=True)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_everything_else_is_not(address: str) -> None:
    assert not allowed(address, loopback=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_allowed_where_it_was_asked_for_and_nothing_with_it(address: str) -> None:
    assert allowed(address, loopback=True)
    assert not any(
        allowed(other, loopback=True)
        for other in FORBIDDEN
        if not other.startswith("127.") and other not in {"::1", "::ffff:127.0.0.1"}
    )


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5", "é"])
def test_what_is_no_number_is_not_allowed(text: str) -> None:
    assert not allowed(text, loopback=True)


@given(st.ip_addresses(v=4))
def test_an_address_written_in_ipv6_is_judged_as_itself(address: object) -> None:
    assert allowed(f"::ffff:{address}", loopback=False) is allowed(str(address), loopback=False)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://Editeur.Example/Sons?a=1", "https://editeur.example/Sons?a=1"),
        (" https://editeur.example:443/ ", "https://editeur.example/"),
        ("https://éditeur.example/é", "https://xn--diteur-9ua.example/%C3%A9"),
        ("https://editeur.example:8443/", "https://editeur.example:8443/"),
        ("https://93.184.216.34/", "https://93.184.216.34/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ],
)
def test_an_address_has_one_written_form(text: str, normal: str) -> None:
    assert checked_url(text, loopback=False) == normal
    assert checked_url(normal, loopback=False) == normal


REFUSED = (
    "", "editeur.example", "http://editeur.example/", "ftp://editeur.example/", "https://", "https:///x",
    "https://compte:secret@editeur.example/", "https://compte@editeur.example/", "https://editeur.example/#x",
    "https://editeur.example\\@10.0.0.1/", "https://editeur.example:22/", "https://editeur.example:0/",
    "https://editeur.example:65536/", "https://editeur.example:x/", "https://interne/", "https://localhost/",
    "https://localhost:8443/", "https://interne./", "https://10.0.0.1/", "https://[::1]/", "https://[fe80::1]/",
    "https://[::ffff:10.0.0.1]/", "https://xn--/", "https://editeur.example/\nx", "https://a\x00b.example/",
    "javascript:alert(1)", "file:///etc/passwd", "https://editeur.example/" + "x" * 500,
)  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_any_other_address_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(SonsError) as caught:
        checked_url(text, loopback=False)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert [fault.where for fault in caught.value.faults] == ["$.url"]


def test_plain_http_goes_to_this_machine_only() -> None:
    for text in (
        "http://127.0.0.1:8000/",
        "http://localhost:8000/",
        "http://[::1]:8000/",
        "https://127.0.0.1/",
    ):
        assert checked_url(text, loopback=True) == text
        with pytest.raises(SonsError):
            checked_url(text, loopback=False)
    for text in ("http://editeur.example/", "http://10.0.0.1/", "https://10.0.0.1/", "https://interne/"):
        with pytest.raises(SonsError):
            checked_url(text, loopback=True)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    with contextlib.suppress(SonsError):
        normal = checked_url(f"https://{text}", loopback=False)
        assert checked_url(normal, loopback=False) == normal


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


async def posted(url: str, *, loopback: bool = True, context: ssl.SSLContext | None = None) -> Outcome:
    async with http.make_transport(context) as transport:
        return await http.post(transport, url, {"content-type": "application/json"}, b"{}", loopback=loopback)


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The names that were asked; each question is given the next answer, the last one for ever."""
    asked: list[str] = []
    left = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(http, "resolve", resolve)
    return asked


async def test_a_name_is_resolved_once_and_the_connection_goes_where_it_was_judged(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    outcome = await posted(f"http://rebond.example:{receiver.port}/x")
    assert (outcome, asked) == (Outcome("delivered", 200), ["rebond.example"])
    assert receiver.requests[0].headers["host"] == f"rebond.example:{receiver.port}"


@pytest.mark.parametrize("answer", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::1"], []])
async def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, answer: list[str]
) -> None:
    resolving(monkeypatch, answer)
    outcome = await posted(f"https://rebond.example:{receiver.port}/", loopback=False)
    assert outcome.verdict == "failed"
    assert "réseau privé" in (outcome.problem or "")
    assert receiver.requests == []


async def test_numbers_in_disguise_are_judged_as_they_resolve(receiver: Receiver) -> None:
    for host in ("127.1", "2130706433", "0x7f000001", "localhost"):
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            continue
        outcome = await posted(f"http://{host}:{receiver.port}/", loopback=False)
        assert "réseau privé" in (outcome.problem or ""), host
    assert receiver.requests == []


async def test_the_next_address_is_tried_while_nothing_was_sent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ["::1", "127.0.0.1"])
    assert await posted(f"http://deux.example:{receiver.port}/") == Outcome("delivered", 200)
    receiver.answers = [None]
    resolving(monkeypatch, ["127.0.0.1", "127.0.0.1"])
    before = len(receiver.requests)
    assert (await posted(f"http://deux.example:{receiver.port}/")).verdict == "failed"
    assert len(receiver.requests) == before + 1, "sent once, not twice"


async def test_an_unknown_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(http, "resolve", resolve)
    assert (await posted("https://nulle-part.example/")).problem == "Le nom du serveur n'est pas connu."


async def test_no_proxy_and_no_cookie_of_the_environment(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    receiver.answers = [status(200, "set-cookie: a=b\r\n")]
    async with http.make_transport() as transport:
        for _ in range(2):
            assert (await http.post(transport, receiver.url, {}, b"{}", loopback=True)).verdict == "delivered"
    assert "cookie" not in receiver.requests[1].headers


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `recoit.example`, with its key in the same folder."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=recoit.example",
         "-addext", "subjectAltName=DNS:recoit.example", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


async def test_the_certificate_is_that_of_the_name_not_of_the_number(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    resolving(monkeypatch, ["127.0.0.1"])
    async with receiving(serving) as receiver:
        good, bad = (f"https://{name}.example:{receiver.port}/" for name in ("recoit", "autre"))
        assert await posted(good, context=trusting) == Outcome("delivered", 200)
        for outcome in (await posted(bad, context=trusting), await posted(good)):
            assert outcome.verdict == "failed"
            assert "certificat" in (outcome.problem or "")
        assert len(receiver.requests) == 1


def test_a_target_keeps_the_name_for_the_server_and_the_number_for_the_connection() -> None:
    six = http.target(httpx.URL("https://recoit.example:8443/a?b=c"), "2606:4700::1111")
    assert str(six.url) == "https://[2606:4700::1111]:8443/a?b=c"
    assert (six.host_header, six.server_name) == ("recoit.example:8443", "recoit.example")
