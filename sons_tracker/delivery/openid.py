"""Asking a provider of OpenID Connect who a person is: authorisation code, PKCE, state and nonce.

Libraries speak the protocol: authlib the parameters, the metadata and the claims, joserfc the signatures.
Here is what is asked of them, within bounds of time and size: no redirection, no proxy of the environment,
nothing that is not `https`. Never inside a transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.identity_providers import CALLBACK, IdentityProvider
from sons_tracker.operations.session_proofs import Identified, Visit
from sons_tracker.rules.identifiers import parse_juridique

TOTAL_SECONDS = 10.0
MOST_BYTES = 256 * 1024
KEPT_SECONDS = 3600.0
"""How long the metadata and the keys of a provider are believed without asking again."""
REFRESH_SECONDS = 60.0
"""How often, at most, an unknown key makes us ask for the keys again."""
LEEWAY = 60
"""Seconds by which the provider's clock may differ from ours."""
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
"""What may sign a token: never `none`, never a secret that is shared."""
_MOST_FINESS = 50
_LONGEST_SUBJECT = 200
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Known:
    metadata: Mapping[str, Any]
    keys: KeySet
    read_at: float


class _UnfitError(Exception):
    """The provider answered something that cannot be believed; the message is for our log alone."""


class OpenIdClient:
    """The providers of one instance, and what is remembered of each."""

    def __init__(self, public_url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.callback = public_url + CALLBACK
        self._http = httpx.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, timeout=httpx.Timeout(TOTAL_SECONDS)
        )
        self._known: dict[str, _Known] = {}
        self._asking = asyncio.Lock()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def what_fails(self, provider: IdentityProvider) -> str | None:
        """What keeps the metadata and the keys of the provider from being believed, in the words of the
        machine; None: nothing."""
        try:
            async with _reached(provider):
                await self._look_up(provider)
        except SonsError as error:
            return repr(error.__cause__)[:200]
        except _UnfitError as error:
            return str(error)[:200]
        return None

    async def address(self, provider: IdentityProvider, visit: Visit) -> str:
        """Where the browser goes to be authenticated.

        Raises:
            SonsError: `UNAVAILABLE` when the provider does not answer, or not as one.
        """
        try:
            async with _reached(provider):
                metadata = (await self._look_up(provider)).metadata
        except _UnfitError as error:
            raise _unavailable(provider, error) from error
        asked = {
            "nonce": visit.nonce,
            "code_challenge": create_s256_code_challenge(visit.verifier),
            "code_challenge_method": "S256",
            "acr_values": " ".join(provider.acr) or None,
            "max_age": provider.max_age,
        }
        found: str = prepare_grant_uri(
            metadata["authorization_endpoint"],
            provider.client_id,
            "code",
            redirect_uri=self.callback,
            scope=provider.scope,
            state=visit.state,
            **{name: value for name, value in asked.items() if value is not None},
        )
        return found

    async def identify(
        self, provider: IdentityProvider, visit: Visit, code: str, issuer: str | None
    ) -> Identified:
        """Whom the code stands for; `issuer` is what the return says of itself (RFC 9207), if it does.

        Raises:
            SonsError: `UNAUTHENTICATED` for what cannot be believed; `UNAVAILABLE` when the provider does not
                answer.
        """
        try:
            async with _reached(provider):
                known = await self._look_up(provider)
                said_so = known.metadata.get("authorization_response_iss_parameter_supported") is True
                if issuer != provider.issuer and (said_so or issuer is not None):
                    raise _UnfitError("the return comes from another issuer")
                given = await self._token(provider, known.metadata, visit, code)
                access_token = str(given.get("access_token", ""))
                claims = await self._claims(
                    provider, known, visit, str(given.get("id_token", "")), access_token
                )
                more = await self._user_info(known.metadata, access_token, claims["sub"])
        except (_UnfitError, JoseError) as error:
            _log.warning(
                "an identification was refused",
                extra={"provider": provider.name, "why": type(error).__name__, "what": str(error)[:200]},
            )
            raise SonsError(
                ErrorCode.UNAUTHENTICATED,
                f"« {provider.label} » n'a pas confirmé votre identité.",
                remedy="Recommencer depuis la page de connexion.",
            ) from error
        return _identified(provider, claims, {**more, **claims})

    async def _look_up(self, provider: IdentityProvider, *, renewed: bool = False) -> _Known:
        """The metadata and the keys; `renewed` asks for them again, unless that was done a moment ago."""
        async with self._asking:
            known = self._known.get(provider.name)
            age = KEPT_SECONDS if known is None else time.monotonic() - known.read_at
            if known is None or age >= (REFRESH_SECONDS if renewed else KEPT_SECONDS):
                root = provider.issuer.rstrip("/")
                metadata = OpenIDProviderMetadata(
                    await self._json("GET", f"{root}/.well-known/openid-configuration")
                )
                try:
                    metadata.validate()
                except ValueError as error:
                    raise _UnfitError(f"metadata: {error}") from error
                if metadata["issuer"] != provider.issuer:
                    raise _UnfitError("metadata of another issuer")
                keys = await self._json("GET", metadata["jwks_uri"])
                known = _Known(metadata, _key_set(keys), time.monotonic())
                self._known[provider.name] = known
            return known

    async def _token(
        self, provider: IdentityProvider, metadata: Mapping[str, Any], visit: Visit, code: str
    ) -> Mapping[str, Any]:
        body = prepare_token_request(
            "authorization_code", redirect_uri=self.callback, code=code, code_verifier=visit.verifier
        )
        address = metadata["token_endpoint"]
        auth = ClientAuth(provider.client_id, provider.client_secret, provider.client_auth)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        address, headers, body = auth.prepare("POST", address, headers, body)
        return await self._json("POST", address, headers=dict(headers), content=body)

    async def _claims(
        self, provider: IdentityProvider, known: _Known, visit: Visit, id_token: str, access_token: str
    ) -> Mapping[str, Any]:
        offered = known.metadata.get("id_token_signing_alg_values_supported") or ()
        algorithms = sorted(ALGORITHMS.intersection(offered))
        try:
            token = jwt.decode(id_token, known.keys, algorithms=algorithms)
        except (JoseError, ValueError):
            # the provider may have changed its keys since we read them
            keys = (await self._look_up(provider, renewed=True)).keys
            token = _decoded(id_token, keys, algorithms)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": provider.client_id},
                "sub": {"essential": True},
            },
            {"nonce": visit.nonce, "client_id": provider.client_id, "access_token": access_token},
        )
        now = int(time.time())
        try:
            claims.validate(now=now, leeway=LEEWAY)
        except (TypeError, ValueError) as error:
            raise _UnfitError("a claim has another form") from error
        if not _text(claims["sub"]) or len(claims["sub"]) > _LONGEST_SUBJECT:
            raise _UnfitError("the subject cannot be kept")
        since = claims.get("auth_time")
        if since is not None and not 0 <= since <= now + LEEWAY:
            raise _UnfitError("the authentication is not of the past")
        if provider.max_age is not None and (since is None or now - since > provider.max_age + LEEWAY):
            raise _UnfitError("the authentication is too old")
        if provider.acr_accepted and claims.get("acr") not in provider.acr_accepted:
            raise _UnfitError("the level of authentication is not one that is taken")
        return dict(claims)

    async def _user_info(
        self, metadata: Mapping[str, Any], access_token: str, subject: str
    ) -> Mapping[str, Any]:
        address = metadata.get("userinfo_endpoint")
        if not address or not access_token:
            return {}
        found = await self._json("GET", address, headers={"authorization": f"Bearer {access_token}"})
        if found.get("sub") != subject:
            raise _UnfitError("the information is about somebody else")
        return found

    async def _json(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: str | None = None,
    ) -> Mapping[str, Any]:
        if urlsplit(str(address)).scheme != "https":
            raise _UnfitError("an address is not https")
        asked = {"accept": "application/json", **(headers or {})}
        async with (
            asyncio.timeout(TOTAL_SECONDS),
            self._http.stream(method, address, headers=asked, content=content) as answer,
        ):
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise _UnfitError("an answer is too long")
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise httpx.HTTPStatusError("the provider is ill", request=answer.request, response=answer)
        if answer.status_code != httpx.codes.OK:
            raise _UnfitError(f"answered {answer.status_code}")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _UnfitError("an answer is no JSON") from error
        if not isinstance(found, dict):
            raise _UnfitError("an answer is no JSON object")
        return found


@contextlib.asynccontextmanager
async def _reached(provider: IdentityProvider) -> AsyncIterator[None]:
    """Who does not answer is unavailable; who answers wrongly is not believed."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        raise _unavailable(provider, error) from error


def _unavailable(provider: IdentityProvider, error: Exception) -> SonsError:
    _log.warning("a provider of identity failed", extra={"provider": provider.name, "why": repr(error)[:200]})
    return SonsError(
        ErrorCode.UNAVAILABLE,
        f"« {provider.label} » ne répond pas comme il faut.",
        remedy="Recommencer dans quelques minutes, ou se connecter autrement.",
    )


def _key_set(found: Mapping[str, Any]) -> KeySet:
    try:
        return KeySet.import_key_set({"keys": [one for one in found["keys"] if _signs(one)]})
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise _UnfitError("its keys cannot be read") from error


def _signs(key: Mapping[str, Any]) -> bool:
    """Asymmetric keys alone: a shared secret among public keys is a mistake or an attack."""
    return key.get("kty") in {"RSA", "EC"} and key.get("use", "sig") == "sig"


def _decoded(id_token: str, keys: KeySet, algorithms: list[str]) -> jwt.Token:
    try:
        return jwt.decode(id_token, keys, algorithms=algorithms)
    except ValueError as error:
        raise _UnfitError("the identity token cannot be read") from error


def _identified(
    provider: IdentityProvider, claims: Mapping[str, Any], all_claims: Mapping[str, Any]
) -> Identified:
    name = " ".join(_text(all_claims.get(part)) or "" for part in ("given_name", "family_name")).strip()
    since = claims.get("auth_time")
    name_id = _text(all_claims.get(provider.name_id_claim)) if provider.name_id_claim else None
    return Identified(
        issuer=provider.issuer,
        subject=claims["sub"],
        name=name or _text(all_claims.get("name")),
        name_id=name_id,
        acr=_text(claims.get("acr")),
        auth_time=None if since is None else datetime.fromtimestamp(since, UTC),
        token_id=_text(claims.get("jti")),
        finess_juridiques=_finess(all_claims.get("SubjectRefPro")),
    )


def _text(value: object) -> str | None:
    """A printable text of a sensible length, or nothing: claims are written by others."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    return value.strip()[:200] or None


def _finess(found: object) -> tuple[str, ...]:
    """The FINESS juridiques of the activities that Pro Santé Connect lists; often none."""
    numbers: list[str] = []
    for practice in _rows(found, "exercices"):
        for activity in _rows(practice, "activities"):
            number = activity.get("numeroFinessetablissementJuridique")
            with contextlib.suppress(SonsError):
                numbers.append(parse_juridique(str(number or "")))
    return tuple(dict.fromkeys(numbers))[:_MOST_FINESS]


def _rows(found: object, name: str) -> list[dict[str, Any]]:
    rows = found.get(name) if isinstance(found, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
