"""OpenID Connect over HTTP: the providers, the visit, the return, the identities of one's account.

What a visit must remember travels in a cookie that we alone can read and that lives ten minutes: nothing is
written for whoever only knocks, and the return is believed from the browser that left.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any
from uuid import UUID

import msgspec
from cryptography.fernet import InvalidToken
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api import rate_limits
from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, may, public
from sons_tracker.api.rate_limits import client_address
from sons_tracker.api.schemas.accounts import DoneOut
from sons_tracker.api.schemas.identity import (
    IdentitiesOut,
    LinkIn,
    ProvidersOut,
    ReturnQuery,
    VisitIn,
    VisitOut,
    identity_out,
    provider_out,
)
from sons_tracker.api.security import Caller, door_of, session_secret
from sons_tracker.api.sessions import session_cookie
from sons_tracker.api.strict import decode, read_query
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.identity_providers import CALLBACK, IdentityProvider
from sons_tracker.operations import clock, identities, sessions
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.identities import Wanted
from sons_tracker.operations.proofs import Door
from sons_tracker.operations.session_proofs import Visit

_TAG = "Comptes"
_VISITS, _IDENTITIES = "/api/v1/session/oidc", "/api/v1/account/identities"
VISIT_COOKIE = "__Host-sons-visite"
VISIT_SECONDS = 600
_UNKNOWN = "Aucune de vos identités ne porte cet identifiant."
_ORGANISATION = "Aucune organisation visible ne porte cet identifiant."
_VISIT_ERRORS = (ErrorCode.UNAVAILABLE, ErrorCode.TOO_MANY_REQUESTS)


class _Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser carries, sealed, from the visit to the return. `session_id`: the session that links."""

    provider: str
    visit: Visit
    return_to: str
    organisation_id: UUID | None = None
    role: str | None = None
    invitation: str | None = None
    session_id: UUID | None = None


@get(
    "/api/v1/identity-providers",
    opt=Contract(
        public("session.open"),
        "Lister les fournisseurs d'identité",
        tag=_TAG,
        description="Ceux par lesquels on peut se connecter ici, s'il y en a : Pro Santé Connect pour les"
        " signataires des organismes gestionnaires, ou tout autre que l'instance a réglé.",
        answers={200: Answer("Les fournisseurs.", ProvidersOut)},
    ).opt,
)
async def list_providers(request: Request[Any, Any, Any]) -> ProvidersOut:
    """The providers of this instance."""
    found = request.app.state.settings.identity_providers
    return ProvidersOut([provider_out(one) for one in found])


@post(
    _VISITS,
    status_code=200,
    opt=Contract(
        public("session.open"),
        "Se connecter par un fournisseur d'identité",
        tag=_TAG,
        description="Rend l'adresse où envoyer le navigateur, et un cookie « __Host-sons-visite » scellé de"
        " dix minutes ; le retour n'est cru que du navigateur qui le porte. Avec une invitation, on entre"
        " dans l'organisation qui invite. Sans « Idempotency-Key » : rien n'est écrit.",
        body=VisitIn,
        answers={200: Answer("Où aller.", VisitOut)},
        errors=(ErrorCode.NOT_FOUND, *_VISIT_ERRORS),
    ).opt,
)
async def visit(request: Request[Any, Any, Any]) -> Response[VisitOut]:
    """Sends the browser to a provider."""
    body = await decode(request, VisitIn)
    wanted = None if body.organisation_id is None else parse_id(body.organisation_id, _ORGANISATION)
    return await _leave(
        request,
        _Remembered(
            provider=body.provider,
            visit=_new_visit(),
            return_to=body.return_to,
            organisation_id=wanted,
            role=body.role,
            invitation=body.invitation,
        ),
    )


@get(
    CALLBACK,
    status_code=303,
    opt=Contract(
        public("session.open"),
        "Revenir d'un fournisseur d'identité",
        tag=_TAG,
        description="Le navigateur y revient de lui-même. Ce que dit le fournisseur est vérifié (signature,"
        " destinataire, nonce, niveau), puis la session s'ouvre et le navigateur est renvoyé où il voulait"
        " aller. Une adresse de retour ne sert qu'au navigateur qui est parti.",
        query=ReturnQuery,
        answers={303: Answer("La session est dans le cookie ; suivre « Location ».")},
        errors=(
            ErrorCode.UNAUTHENTICATED,
            ErrorCode.FORBIDDEN,
            ErrorCode.NOT_FOUND,
            ErrorCode.CONFLICT,
            *_VISIT_ERRORS,
        ),
    ).opt,
)
async def come_back(request: Request[Any, Any, Any]) -> Response[None]:
    """Believes the provider, or not, and opens the session or links the identity."""
    await rate_limits.charge(request)
    query, door = read_query(request, ReturnQuery), door_of(request)
    remembered = _recall(request, door)
    if query.state is None or not hmac.compare_digest(query.state.encode(), remembered.visit.state.encode()):
        raise _stray("Ce retour n'est pas celui de votre visite.")
    if query.code is None or query.error is not None:
        raise _stray("L'identification a été refusée ou abandonnée.")
    provider = _provider(request, remembered.provider)
    client = request.app.state.openid
    identified = await client.identify(provider, remembered.visit, query.code, query.iss)
    at = await clock.now()
    forget = _visit_cookie("", 0)
    if remembered.session_id is not None:
        actor = await sessions.authenticate(session_secret(request) or "", door)
        if actor is None or actor.token_id != remembered.session_id:
            raise _stray("La session qui demandait ce lien n'est plus ouverte.")
        await identities.link(actor, identified, at)
        return _see_other(remembered.return_to, [forget])
    wanted = Wanted(remembered.organisation_id, remembered.role, remembered.invitation)
    opened = await identities.sign_in(provider, identified, wanted, client_address(request), door, at)
    return _see_other(remembered.return_to, [session_cookie(opened, door), forget])


@post(
    _IDENTITIES,
    status_code=200,
    opt=Contract(
        may("identity.link"),
        "Lier une identité à son compte",
        tag=_TAG,
        description="Rend l'adresse où envoyer le navigateur, comme pour se connecter ; au retour, l'identité"
        " est liée à la personne de cette session. Réservé aux sessions. Sans « Idempotency-Key » : rien"
        " n'est écrit avant le retour, et lier deux fois ne change rien.",
        body=LinkIn,
        answers={200: Answer("Où aller.", VisitOut)},
        errors=(ErrorCode.NOT_FOUND, *_VISIT_ERRORS),
    ).opt,
)
async def link(request: Request[Any, Any, Any], actor: Caller) -> Response[VisitOut]:
    """Sends the browser of who is signed in to a provider."""
    body = await decode(request, LinkIn)
    return await _leave(
        request,
        _Remembered(
            provider=body.provider,
            visit=_new_visit(),
            return_to=body.return_to,
            session_id=sessions.session_id(actor),
        ),
    )


@get(
    _IDENTITIES,
    opt=Contract(
        may("identity.read"),
        "Lister ses identités",
        tag=_TAG,
        description="Celles qui sont liées à la personne, quel que soit le rôle de la demande.",
        answers={200: Answer("Vos identités.", IdentitiesOut)},
    ).opt,
)
async def list_identities(actor: Caller) -> IdentitiesOut:
    """The identities of the caller's person."""
    return IdentitiesOut([identity_out(one) for one in await identities.list_identities(actor)])


@post(
    f"{_IDENTITIES}/{{identity_id:str}}/unlinking",
    status_code=200,
    opt=Contract(
        may("identity.unlink"),
        "Délier une de ses identités",
        tag=_TAG,
        description="Les sessions qu'elle a ouvertes cessent aussitôt. Refusé quand c'est la seule façon de"
        " se connecter.",
        path={"identity_id": "Identifiant de l'identité."},
        headers=KEY_HEADER,
        answers={200: Answer("C'est fait.", DoneOut)},
        errors=(*ACT_ERRORS, ErrorCode.UNAVAILABLE),
    ).opt,
)
async def unlink(
    request: Request[Any, Any, Any], actor: Caller, identity_id: FromPath[str]
) -> Response[bytes]:
    """Unlinks an identity of the caller's person."""
    key = await act_key(request, f"POST {_IDENTITIES}/{{identity_id}}/unlinking")
    wanted = parse_id(identity_id, _UNKNOWN)
    return as_response(await identities.unlink(actor, wanted, await clock.now(), key, _unlinked))


def _unlinked(found: Refused | None) -> Kept:
    if isinstance(found, Refused):
        return refusal(found)
    return Kept(200, msgspec.json.encode(DoneOut(True)))


async def _leave(request: Request[Any, Any, Any], remembered: _Remembered) -> Response[VisitOut]:
    await rate_limits.charge(request)
    provider, door = _provider(request, remembered.provider), door_of(request)
    address = await request.app.state.openid.address(provider, remembered.visit)
    sealed = door.keys.encrypt(msgspec.json.encode(remembered)).decode()
    return Response(VisitOut(address), status_code=200, cookies=[_visit_cookie(sealed, VISIT_SECONDS)])


def _recall(request: Request[Any, Any, Any], door: Door) -> _Remembered:
    try:
        plain = door.keys.decrypt(request.cookies.get(VISIT_COOKIE, "").encode(), ttl=VISIT_SECONDS)
    except InvalidToken:
        raise _stray(
            "Ce navigateur n'a pas de visite en cours, ou elle date de plus de dix minutes."
        ) from None
    return msgspec.json.decode(plain, type=_Remembered)


def _new_visit() -> Visit:
    # 48 bytes: a verifier of RFC 7636 has from 43 to 128 characters
    return Visit(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))


def _provider(request: Request[Any, Any, Any], name: str) -> IdentityProvider:
    for one in request.app.state.settings.identity_providers:
        if one.name == name:
            found: IdentityProvider = one
            return found
    problem = "Cette instance n'a pas de fournisseur d'identité de ce nom."
    raise SonsError(ErrorCode.NOT_FOUND, problem, (Fault("$.provider", problem),))


def _visit_cookie(sealed: str, seconds: int) -> Cookie:
    # `lax`: the provider sends the browser back from another site, by a plain navigation
    return Cookie(
        VISIT_COOKIE, value=sealed, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax"
    )


def _see_other(path: str, cookies: list[Cookie]) -> Response[None]:
    return Response(None, status_code=303, headers={"location": path}, cookies=cookies)


def _stray(detail: str) -> SonsError:
    return SonsError(ErrorCode.UNAUTHENTICATED, detail, remedy="Recommencer depuis la page de connexion.")


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    list_providers,
    visit,
    come_back,
    link,
    list_identities,
    unlink,
)
