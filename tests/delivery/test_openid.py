"""What a provider of identity may answer, and what is believed of it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from sons_tracker.cli.demonstration.openid_provider import ISSUER, Present, Provider, configured
from sons_tracker.delivery import openid
from sons_tracker.delivery.openid import OpenIdClient
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.session_proofs import Identified, Visit
from tests.api.openid import SERVICE, a_director, query_of

# the very address of the provider, but for the letter that protects it
IN_CLEAR = f"{ISSUER.replace('https', 'http')}/userinfo"
VISIT = Visit("etat", "nonce", "v" * 64)
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "demo", "use": "sig"})
CURVE = ECKey.generate_key("P-256", {"kid": "demo", "use": "sig"})


@dataclass
class Odd(Provider):
    """A provider that changes what it says: `said` the claims, `signed` how, `served` the rest."""

    present: Present | None = field(default_factory=a_director)
    said: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    signed: Callable[[dict[str, Any]], str] | None = None
    served: Mapping[str, Any] = field(default_factory=dict)

    def claims(self, person: Present, asked: Mapping[str, str], since: int) -> dict[str, Any]:
        return self.said(super().claims(person, asked, since))

    def sign(self, claims: dict[str, Any]) -> str:
        return self.signed(claims) if self.signed else super().sign(claims)

    def metadata(self) -> dict[str, Any]:
        return {**super().metadata(), **self.served.get("metadata", {})}

    def information(self, person: Present) -> dict[str, Any]:
        return {**super().information(person), **self.served.get("information", {})}


async def identified(provider: Provider, trusted: Any = None, **given: Any) -> Identified:
    """Whom the client believes after one visit."""
    trusted = trusted or configured()
    transport = httpx.ASGITransport(app=provider.app)
    client = OpenIdClient(SERVICE, transport)
    try:
        async with httpx.AsyncClient(transport=transport) as browser:
            sent = await browser.get(await client.address(trusted, VISIT))
        query = query_of(sent.headers["location"])
        return await client.identify(trusted, VISIT, query["code"], given.get("issuer", query["iss"]))
    finally:
        await client.aclose()


async def test_whom_the_provider_vouches_for() -> None:
    found = await identified(Odd())
    assert (found.issuer, found.subject, found.name) == (ISSUER, "directrice-1", "Camille Fictive")
    assert (found.name_id, found.acr, found.finess_juridiques) == ("899700000001", "eidas1", ())
    assert found.auth_time is not None
    assert abs(found.auth_time.timestamp() - time.time()) < 60
    assert found.token_id


def _said(**changes: Any) -> dict[str, Any]:
    """Claims changed; a claim that is None is left out."""

    def said(claims: dict[str, Any]) -> dict[str, Any]:
        changed = {**claims, **changes}
        return {name: value for name, value in changed.items() if value is not None}

    return {"said": said}


def _base64(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _part(plain: dict[str, Any]) -> str:
    return _base64(json.dumps(plain).encode())


def _unsigned(claims: dict[str, Any]) -> str:
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


def _signed_by(key: Any, alg: str, **header: Any) -> Callable[[dict[str, Any]], str]:
    return lambda claims: jwt.encode({"alg": alg, "kid": "demo", **header}, claims, key, algorithms=[alg])


def _by_the_public_key(provider: Odd) -> Callable[[dict[str, Any]], str]:
    """The public key taken for a shared secret, the oldest confusion; by hand, the library refuses to."""
    key: bytes = provider.key.as_pem(private=False)

    def signed(claims: dict[str, Any]) -> str:
        text = f"{_part({'alg': 'HS256', 'kid': 'demo'})}.{_part(claims)}"
        return f"{text}.{_base64(hmac.digest(key, text.encode(), 'sha256'))}"

    return signed


def _changed_after(claims: dict[str, Any]) -> str:
    head, body, seal = Provider(key=KEY).sign(claims).split(".")
    plain = json.loads(base64.urlsafe_b64decode(body + "=="))
    return ".".join((head, _part({**plain, "sub": "une-autre"}), seal))


NOW = int(time.time())
KEY = RSAKey.generate_key(2048, {"kid": "demo", "use": "sig"})
FORGED: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", _said(iss="https://autre.example.org")),
    ("no issuer", _said(iss=None)),
    ("for another client", _said(aud="autre")),
    ("for another client, by us", _said(aud="autre", azp="sons-tracker")),
    ("for nobody", _said(aud=None)),
    ("for several without a party", _said(aud=["sons-tracker", "autre"])),
    ("for several, another party", _said(aud=["sons-tracker", "autre"], azp="autre")),
    ("another party", _said(azp="autre")),
    ("expired", _said(exp=NOW - 3600)),
    ("without end", _said(exp=None)),
    ("an end that is a word", _said(exp="demain")),
    ("issued tomorrow", _said(iat=NOW + 86_400)),
    ("not issued", _said(iat=None)),
    ("not yet valid", _said(nbf=NOW + 86_400)),
    ("without nonce", _said(nonce=None)),
    ("another nonce", _said(nonce="autre")),
    ("no subject", _said(sub=None)),
    ("an empty subject", _said(sub="")),
    ("a subject that is a number", _said(sub=7)),
    ("a subject of two lines", _said(sub="a\nb")),
    ("an endless subject", _said(sub="x" * 5000)),
    ("a lower level", _said(acr="eidas0")),
    ("no level", _said(acr=None)),
    ("authenticated tomorrow", _said(auth_time=NOW + 86_400)),
    ("authenticated once upon a time", _said(auth_time="jadis")),
    ("another access token", _said(at_hash="x" * 22)),
    ("unsigned", {"signed": _unsigned}),
    ("signed by another", {"signed": _signed_by(OTHER_KEY, "RS256")}),
    ("signed by an unknown key", {"signed": _signed_by(OTHER_KEY, "RS256", kid="autre")}),
    ("signed by a curve", {"signed": _signed_by(CURVE, "ES256")}),
    ("signed otherwise than announced", {"signed": _signed_by(KEY, "RS512"), "key": KEY}),
    ("changed after the signature", {"signed": _changed_after, "key": KEY}),
    ("no token", {"signed": lambda _: ""}),
    ("a token of one word", {"signed": lambda _: "x"}),
    ("a token of points", {"signed": lambda _: "..."}),
    ("an encrypted token", {"signed": lambda _: "a.b.c.d.e"}),
    ("information about another", {"served": {"information": {"sub": "une-autre"}}}),
    (
        "information in clear",
        {"served": {"metadata": {"userinfo_endpoint": IN_CLEAR}}},
    ),
    ("information about nobody", {"served": {"information": {"sub": None}}}),
]


@pytest.mark.parametrize(("what", "odd"), FORGED, ids=[what for what, _ in FORGED])
async def test_what_cannot_be_believed_opens_nothing(what: str, odd: dict[str, Any]) -> None:
    with pytest.raises(SonsError) as caught:
        await identified(Odd(**odd))
    assert caught.value.code is ErrorCode.UNAUTHENTICATED, what
    assert not any(word in caught.value.detail for word in ("nonce", "aud", "signature"))


async def test_the_public_key_is_no_shared_secret() -> None:
    provider = Odd()
    provider.signed = _by_the_public_key(provider)
    for metadata in ({}, {"id_token_signing_alg_values_supported": ["RS256", "HS256"]}):
        provider.served = {"metadata": metadata}
        with pytest.raises(SonsError) as caught:
            await identified(provider)
        assert caught.value.code is ErrorCode.UNAUTHENTICATED


async def test_a_wrong_return_issuer_is_refused_even_when_nothing_is_announced() -> None:
    silent = {"metadata": {"authorization_response_iss_parameter_supported": False}}
    assert (await identified(Odd(served=silent), issuer=None)).subject
    for issuer in ("https://autre.example.org", ""):
        with pytest.raises(SonsError):
            await identified(Odd(served=silent), issuer=issuer)
    with pytest.raises(SonsError):
        await identified(Odd(), issuer=None)


async def test_an_old_authentication_is_refused_where_one_must_be_fresh() -> None:
    fresh = replace(configured(), max_age=300)
    assert (await identified(Odd(), fresh)).subject
    for odd in (_said(auth_time=NOW - 4000), _said(auth_time=None)):
        with pytest.raises(SonsError) as caught:
            await identified(Odd(**odd), fresh)
        assert caught.value.code is ErrorCode.UNAUTHENTICATED
        assert (await identified(Odd(**odd))).subject


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://autre.example.org"},
        {"issuer": None},
        {"authorization_endpoint": "http://identite.demonstration.test/auth"},
        {"authorization_endpoint": None},
        {"token_endpoint": None},
        {"token_endpoint": "http://identite.demonstration.test/token"},
        {"jwks_uri": "http://identite.demonstration.test/keys"},
        {"jwks_uri": None},
        {"jwks_uri": f"{ISSUER}/nowhere"},
        {"jwks_uri": f"{ISSUER}/.well-known/openid-configuration"},
        {"response_types_supported": "code"},
        {"id_token_signing_alg_values_supported": None},
    ],
    ids=str,
)
async def test_a_provider_that_is_not_one_is_unavailable(metadata: dict[str, Any]) -> None:
    with pytest.raises(SonsError) as caught:
        await identified(Odd(served={"metadata": metadata}))
    assert caught.value.code is ErrorCode.UNAVAILABLE


def _answering(status: int, content: bytes = b"", **headers: str) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, content=content, headers=headers))


def _failing(error: Exception) -> httpx.MockTransport:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(
    "transport",
    [
        _answering(500),
        _answering(404),
        _answering(200, b"<html>"),
        _answering(200, b"[]"),
        _answering(200, b"[" * 100_000),
        _answering(200, b"{" + b" " * openid.MOST_BYTES + b"}"),
        _answering(302, location="https://autre.example.org/"),
        _answering(200, b"\xff"),
        _failing(httpx.ConnectError("nobody")),
        _failing(httpx.ReadTimeout("silence")),
        _failing(httpx.RemoteProtocolError("noise")),
        _failing(OSError("no network")),
    ],
)
async def test_a_provider_that_is_ill_is_unavailable(transport: httpx.MockTransport) -> None:
    client = OpenIdClient(SERVICE, transport)
    with pytest.raises(SonsError) as caught:
        await client.address(configured(), VISIT)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    await client.aclose()


async def test_an_answer_that_is_too_long_is_not_read() -> None:
    whole = Odd().metadata()

    def answer(padding: int) -> httpx.MockTransport:
        served = {"/keys": {"keys": [KEY.as_dict(private=False)]}}
        return httpx.MockTransport(
            lambda request: httpx.Response(
                200, content=json.dumps(served.get(request.url.path[-5:], whole)) + " " * padding
            )
        )

    for padding, read in ((0, True), (openid.MOST_BYTES, False)):
        client = OpenIdClient(SERVICE, answer(padding))
        assert (await client.what_fails(configured()) is None) is read
        await client.aclose()


def test_only_asymmetric_signatures_are_taken() -> None:
    assert {name[:2] for name in openid.ALGORITHMS} == {"RS", "PS", "ES"}


async def test_a_provider_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openid, "TOTAL_SECONDS", 0.05)

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0.01)

    client = OpenIdClient(SERVICE, httpx.MockTransport(lambda _: httpx.Response(200, stream=Slow())))
    with pytest.raises(SonsError) as caught:
        await client.address(configured(), VISIT)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    await client.aclose()


async def test_keys_that_changed_are_read_again_but_not_at_each_forgery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider, asked = Odd(), []
    behind = httpx.ASGITransport(app=provider.app)

    async def count(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return await behind.handle_async_request(request)

    client = OpenIdClient(SERVICE, httpx.MockTransport(count))

    async def visit() -> Identified:
        async with httpx.AsyncClient(transport=behind) as browser:
            sent = await browser.get(await client.address(configured(), VISIT))
        query = query_of(sent.headers["location"])
        return await client.identify(configured(), VISIT, query["code"], query["iss"])

    keys = "/realms/sons/keys"
    await visit()
    await visit()
    assert asked.count(keys) == 1
    provider.key = RSAKey.generate_key(2048, {"kid": "demo", "use": "sig"})
    for _ in range(3):
        with pytest.raises(SonsError):
            await visit()
    assert asked.count(keys) == 1  # read a moment ago: a forger does not make us ask
    monkeypatch.setattr(openid, "REFRESH_SECONDS", 0.0)
    assert (await visit()).subject
    assert asked.count(keys) == 2
    await client.aclose()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    ["iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "acr", "amr", "azp", "auth_time", "at_hash", "jti"]
)


@given(claims=st.dictionaries(_NAMES, _JSON, max_size=4), information=st.dictionaries(
    st.sampled_from(["given_name", "family_name", "name", "SubjectNameID", "SubjectRefPro"]), _JSON
))  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_the_provider_says_it_is_believed_or_refused(
    claims: dict[str, Any], information: dict[str, Any]
) -> None:
    provider = Odd(key=KEY, said=lambda right: {**right, **claims}, served={"information": information})
    refused = None
    try:
        found = await identified(provider)
    except SonsError as error:
        refused = error.code
    if refused is None:
        assert found.subject
        assert found.acr in {"eidas1", "eidas2", "eidas3"}
    else:
        assert refused is ErrorCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "given",
    [
        None, [], {"exercices": None}, {"exercices": [None, {}]}, {"exercices": [{"activities": "x"}]},
        {"exercices": [{"activities": [{"numeroFinessetablissementJuridique": None}]}]},
        {"exercices": [{"activities": [{"numeroFinessetablissementJuridique": "12345"}]}]},
    ],
)  # fmt: skip
async def test_numbers_that_are_none_are_left_out(given: object) -> None:
    found = await identified(Odd(served={"information": {"SubjectRefPro": given}}))
    assert found.finess_juridiques == ()


async def test_over_the_network_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """The whole exchange over TLS on loopback; the same provider is refused without its authority."""
    certificate, key = _self_signed(tmp_path)
    provider = Odd()
    config = uvicorn.Config(
        provider.app, port=0, ssl_certfile=certificate, ssl_keyfile=key, log_level="critical", lifespan="off"
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - the server has no event to wait for
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        provider.issuer = f"https://localhost:{port}/realms/sons"
        trusted = replace(configured(), issuer=provider.issuer)
        stranger = OpenIdClient(SERVICE)
        with pytest.raises(SonsError) as caught:
            await stranger.address(trusted, VISIT)
        assert caught.value.code is ErrorCode.UNAVAILABLE
        await stranger.aclose()
        context = ssl.create_default_context(cafile=certificate)
        client = OpenIdClient(SERVICE, httpx.AsyncHTTPTransport(verify=context))
        async with httpx.AsyncClient(verify=context) as browser:
            sent = await browser.get(await client.address(trusted, VISIT))
        query = query_of(sent.headers["location"])
        found = await client.identify(trusted, VISIT, query["code"], query["iss"])
        assert (found.subject, found.issuer) == ("directrice-1", provider.issuer)
        await client.aclose()
    finally:
        server.should_exit = True
        await running


def _self_signed(folder: Path) -> tuple[str, str]:
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate, key = folder / "certificat.pem", folder / "cle.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(certificate), str(key)
