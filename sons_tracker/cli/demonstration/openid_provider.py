"""A small provider of OpenID Connect, for the demonstration and the tests; it speaks as Pro Santé Connect.

It authenticates whoever it is told is present, without a question: it is nobody's security. It lives in this
process, behind `httpx.ASGITransport`, and opens no port.
"""

from __future__ import annotations

import secrets
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey
from litestar import Litestar, Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body

from sons_tracker.identity_providers import IdentityProvider

ISSUER = "https://identite.demonstration.test/realms/sons"
CLIENT_ID, CLIENT_SECRET = "sons-tracker", "secret-de-demonstration-public"  # nosec B105 # shown
_LIFE = 300


@dataclass(frozen=True, slots=True)
class Present:
    """Who is in front of the provider: its subject, what it says of them, when they proved it (epoch)."""

    subject: str
    given_name: str
    family_name: str
    name_id: str
    finess_juridiques: tuple[str, ...] = ()
    acr: str = "eidas1"


@dataclass
class Provider:
    """The provider; `present` is authenticated at the next visit, nobody when it is None."""

    present: Present | None = None
    issuer: str = ISSUER
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "demo", "use": "sig"}))
    _codes: dict[str, tuple[Present, Mapping[str, str], int]] = field(default_factory=dict)
    _access: dict[str, Present] = field(default_factory=dict)

    @property
    def app(self) -> Litestar:
        """The provider as an application: metadata, keys, authorisation, token, information."""

        @get("/realms/sons/.well-known/openid-configuration", sync_to_thread=False)
        def metadata() -> dict[str, Any]:
            return self.metadata()

        @get("/realms/sons/keys", sync_to_thread=False)
        def keys() -> dict[str, Any]:
            return {"keys": [self.key.as_dict(private=False)]}

        @get("/realms/sons/auth", sync_to_thread=False)
        def authorise(request: Request[Any, Any, Any]) -> Response[None]:
            return Response(
                None, status_code=302, headers={"location": self.authorise(dict(request.query_params))}
            )

        @post("/realms/sons/token", status_code=200, sync_to_thread=False)
        def token(
            data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
            request: Request[Any, Any, Any],
        ) -> Response[dict[str, Any]]:
            found = self.token(data, request.headers.get("authorization", ""))
            return Response(found or {"error": "invalid_grant"}, status_code=200 if found else 400)

        @get("/realms/sons/userinfo", sync_to_thread=False)
        def information(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
            person = self._access.get(request.headers.get("authorization", "").removeprefix("Bearer "))
            return Response(
                {} if person is None else self.information(person), status_code=200 if person else 401
            )

        return Litestar(
            [metadata, keys, authorise, token, information], openapi_config=None, logging_config=None
        )

    def metadata(self) -> dict[str, Any]:
        """What the provider says of itself."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def authorise(self, asked: Mapping[str, str]) -> str:
        """Where the browser goes back to, with a code when somebody is present."""
        back = {"state": asked["state"], "iss": self.issuer}
        if self.present is None:
            back["error"] = "access_denied"
        else:
            back["code"] = secrets.token_urlsafe(16)
            self._codes[back["code"]] = (self.present, dict(asked), int(time.time()))
        found: str = add_params_to_uri(asked["redirect_uri"], sorted(back.items()))
        return found

    def token(self, given: Mapping[str, str], authorization: str) -> dict[str, Any] | None:
        """The tokens of a code, which serves once, to our client and to who can show the verifier."""
        if authorization != f"Basic {b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}":
            return None
        person, asked, since = self._codes.pop(given.get("code", ""), (None, {}, 0))
        challenge = create_s256_code_challenge(given.get("code_verifier", ""))
        if person is None or asked.get("code_challenge") != challenge:
            return None
        access = secrets.token_urlsafe(16)
        self._access[access] = person
        return {
            "access_token": access,
            "token_type": "Bearer",  # nosec B105 # a word of RFC 6750
            "expires_in": _LIFE,
            "id_token": self.sign(self.claims(person, asked, since)),
        }

    def claims(self, person: Present, asked: Mapping[str, str], since: int) -> dict[str, Any]:
        """What the identity token says."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "sub": person.subject,
            "aud": asked["client_id"],
            "exp": now + _LIFE,
            "iat": now,
            "auth_time": since,
            "jti": secrets.token_hex(8),
            "nonce": asked["nonce"],
            "acr": person.acr,
        }

    def sign(self, claims: dict[str, Any]) -> str:
        """The identity token."""
        return jwt.encode({"alg": "RS256", "kid": "demo"}, claims, self.key)

    def information(self, person: Present) -> dict[str, Any]:
        """What the provider knows of a person, in the form of Pro Santé Connect."""
        activities = [
            {"numeroFinessSite": "", "numeroFinessetablissementJuridique": number}
            for number in person.finess_juridiques
        ]
        return {
            "sub": person.subject,
            "SubjectNameID": person.name_id,
            "given_name": person.given_name,
            "family_name": person.family_name,
            "SubjectRole": [],
            "SubjectRefPro": {"exercices": [{"activities": activities}]},
        }


def configured() -> IdentityProvider:
    """The provider as an instance that trusts it would be set."""
    return IdentityProvider(
        name="psc",
        label="Pro Santé Connect (démonstration)",
        issuer=ISSUER,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        client_auth="client_secret_basic",
        scope="openid scope_all",
        acr=("eidas1",),
        acr_accepted=("eidas1", "eidas2", "eidas3"),
        max_age=None,
        roles=frozenset({"og"}),
        name_id_claim="SubjectNameID",
        signature_kind="psc",
    )
