"""Who belongs to an organisation over HTTP: members, removal, invitations; how an invited person comes in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sons_tracker.api.acts import ACT_ERRORS, KEY_HEADER, act_key, as_response, parse_id, refusal
from sons_tracker.api.contract import Answer, Contract, Example, may, public
from sons_tracker.api.schemas.accounts import (
    AcceptanceIn,
    ConfirmationIn,
    DoneOut,
    EnrolmentOut,
    InvitationIn,
    InvitationOut,
    InvitationsOut,
    JoiningIn,
    MemberOut,
    MembersOut,
    RemovalIn,
    ResponsibilityIn,
    enrolment_out,
    invitation_out,
    member_out,
)
from sons_tracker.api.security import Caller, door_of
from sons_tracker.api.strict import decode
from sons_tracker.api.webhooks import with_secret
from sons_tracker.errors import ErrorCode
from sons_tracker.operations import clock, invitations, members
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer as Kept
from sons_tracker.operations.invitations import Asked, Invitation
from sons_tracker.operations.members import Member

_TAG = "Comptes"
_MEMBERS, _INVITATIONS = "/api/v1/members", "/api/v1/invitations"
_UNKNOWN = "Aucune invitation visible ne porte cet identifiant."
_NO_ORGANISATION = "Aucune organisation visible ne porte cet identifiant."
# Reviewers, payers and pilots are invited and removed by an administrator.
_ERRORS = (*ACT_ERRORS, ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE)
_PUBLIC_ERRORS = (ErrorCode.NOT_FOUND, ErrorCode.UNAVAILABLE)


@get(
    _MEMBERS,
    opt=Contract(
        may("member.read"),
        "Lister les membres de son organisation",
        tag=_TAG,
        description="Avec leurs rôles, qui est responsable d'un organisme gestionnaire, et qui en tient une"
        " délégation de signature en vigueur ; ceux qui sont partis restent, avec l'instant de leur départ.",
        answers={200: Answer("Les membres.", MembersOut)},
        examples=(Example("membres", "Les membres de l'organisation", 200, role="og"),),
    ).opt,
)
async def list_members(actor: Caller) -> MembersOut:
    """The members of the caller's organisation."""
    return MembersOut([member_out(one) for one in await members.list_members(actor, await clock.now())])


@post(
    f"{_MEMBERS}/removal",
    status_code=200,
    opt=Contract(
        may("member.remove"),
        "Retirer un membre",
        tag=_TAG,
        description="Ses jetons et ses sessions dans cette organisation cessent aussitôt ; ce qu'il a signé"
        " reste. Un éditeur, un distributeur, un OG ou une ARS retire chez soi ; un administrateur, partout,"
        " sauf le dernier administrateur. Un responsable d'organisme gestionnaire n'est retiré que par un"
        " responsable, ou par un administrateur ; les délégations qu'il a données cessent avec lui.",
        headers=KEY_HEADER,
        body=RemovalIn,
        answers={200: Answer("Le membre, et l'instant de son départ.", MemberOut)},
        errors=_ERRORS,
    ).opt,
)
async def remove(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """A person leaves an organisation."""
    key = await act_key(request, f"POST {_MEMBERS}/removal")
    body = await decode(request, RemovalIn)
    person_id = parse_id(body.person_id, "Aucun membre visible n'est cette personne.")
    of = _organisation(body.organisation_id)
    at = await clock.now()
    return as_response(await members.remove(actor, person_id, of, body.role, at, key, render_member))


@post(
    f"{_MEMBERS}/responsibility",
    status_code=200,
    opt=Contract(
        may("member.appoint"),
        "Nommer ou relever un responsable d'organisme gestionnaire",
        tag=_TAG,
        description="Un responsable signe pour l'organisme et peut déléguer sa signature. Relevé, ce qu'il a"
        " délégué cesse aussitôt. Le dit un responsable chez soi, ou un administrateur ; lui seul relève le"
        " dernier.",
        headers=KEY_HEADER,
        body=ResponsibilityIn,
        answers={200: Answer("Le membre.", MemberOut)},
        errors=_ERRORS,
    ).opt,
)
async def appoint(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Says who is responsible for an OG."""
    key = await act_key(request, f"POST {_MEMBERS}/responsibility")
    body = await decode(request, ResponsibilityIn)
    person_id = parse_id(body.person_id, "Aucun membre visible n'est cette personne.")
    of = _organisation(body.organisation_id)
    at = await clock.now()
    return as_response(await members.appoint(actor, person_id, of, body.responsible, at, key, render_member))


@get(
    _INVITATIONS,
    opt=Contract(
        may("invitation.read"),
        "Lister les invitations",
        tag=_TAG,
        description="De votre organisation et de votre rôle ; toutes, pour un administrateur.",
        answers={200: Answer("Les invitations.", InvitationsOut)},
        examples=(Example("invitations", "Les invitations", 200, role="og"),),
    ).opt,
)
async def list_invitations(actor: Caller) -> InvitationsOut:
    """The invitations that the caller may see."""
    return InvitationsOut([invitation_out(one) for one in await invitations.list_invitations(actor)])


@post(
    _INVITATIONS,
    status_code=201,
    opt=Contract(
        may("invitation.make"),
        "Inviter une personne",
        tag=_TAG,
        description="Vaut sept jours, une fois. Par défaut (« hand »), le secret n'est que dans cette"
        " réponse : le remettre à la personne. Avec « email », il est écrit à la personne seule, si"
        " l'instance envoie du courrier. Un éditeur, un distributeur, un OG ou une ARS invite chez soi, dans"
        " son rôle ; un administrateur, partout, et rouvre par « reset » un compte dont le mot de passe est"
        " perdu.",
        headers=KEY_HEADER,
        body=InvitationIn,
        answers={201: Answer("L'invitation et son secret.", InvitationOut)},
        errors=_ERRORS,
        examples=(
            Example(
                "collegue", "Inviter chez soi", 201, body={"email": "signataire@example.org"},
                headers={"Idempotency-Key": "invitation-1"}, role="og",
            ),
            Example(
                "ailleurs", "Un OG n'invite pas un administrateur", 403,
                body={"email": "signataire@example.org", "role": "admin"},
                headers={"Idempotency-Key": "invitation-2"}, role="og",
            ),
        ),
    ).opt,
)  # fmt: skip
async def invite(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """Invites a person."""
    key = await act_key(request, f"POST {_INVITATIONS}")
    body = await decode(request, InvitationIn)
    organisation_id, by_email = _organisation(body.organisation_id), body.deliver == "email"
    asked = Asked(body.email, organisation_id, body.role, body.kind, body.responsible, by_email)
    mails = request.app.state.settings.smtp_url is not None
    shown = await invitations.invite(actor, asked, await clock.now(), key, _created, mails=mails)
    return as_response(with_secret(shown, "secret"))


@post(
    f"{_INVITATIONS}/{{invitation_id:str}}/revoke",
    status_code=200,
    opt=Contract(
        may("invitation.revoke"),
        "Retirer une invitation",
        tag=_TAG,
        description="Elle ne vaut plus rien. Refusé quand elle a déjà servi.",
        path={"invitation_id": "Identifiant de l'invitation."},
        headers=KEY_HEADER,
        answers={200: Answer("L'invitation retirée.", InvitationOut)},
        errors=_ERRORS,
    ).opt,
)
async def revoke(
    request: Request[Any, Any, Any], actor: Caller, invitation_id: FromPath[str]
) -> Response[bytes]:
    """Takes an invitation back."""
    key = await act_key(request, f"POST {_INVITATIONS}/{{invitation_id}}/revoke")
    wanted = parse_id(invitation_id, _UNKNOWN)
    return as_response(await invitations.revoke(actor, wanted, await clock.now(), key, _done))


@post(
    f"{_INVITATIONS}/acceptance",
    status_code=200,
    opt=Contract(
        public("invitation.accept"),
        "Accepter une invitation : choisir un mot de passe",
        tag=_TAG,
        description="Première étape de qui n'a pas de compte. La réponse donne le second facteur à"
        " enregistrer ; rien n'est ouvert avant qu'un code le confirme. Peut être refait jusque-là. Sans"
        " « Idempotency-Key » : un secret rejoué serait un secret gardé.",
        body=AcceptanceIn,
        answers={200: Answer("Le second facteur, montré une fois.", EnrolmentOut)},
        errors=(*_PUBLIC_ERRORS, ErrorCode.FORBIDDEN),
    ).opt,
)
async def accept(request: Request[Any, Any, Any]) -> EnrolmentOut:
    """The password and the second factor of a new account."""
    body = await decode(request, AcceptanceIn)
    door, at = door_of(request), await clock.now()
    return enrolment_out(await invitations.accept(body.invitation, body.name, body.password, door, at))


@post(
    f"{_INVITATIONS}/confirmation",
    status_code=200,
    opt=Contract(
        public("invitation.accept"),
        "Accepter une invitation : confirmer le second facteur",
        tag=_TAG,
        description="Un premier code ouvre le compte et fait entrer la personne dans l'organisation. Sans"
        " « Idempotency-Key » : qui demande n'est pas encore connu, et l'invitation ne sert qu'une fois.",
        body=ConfirmationIn,
        answers={200: Answer("Le compte est ouvert.", DoneOut)},
        errors=_PUBLIC_ERRORS,
    ).opt,
)
async def confirm(request: Request[Any, Any, Any]) -> DoneOut:
    """The first code of a new account."""
    body = await decode(request, ConfirmationIn)
    await invitations.confirm(body.invitation, body.code, door_of(request), await clock.now())
    return DoneOut(True)


@post(
    f"{_INVITATIONS}/joining",
    status_code=200,
    opt=Contract(
        may("invitation.join"),
        "Rejoindre une organisation",
        tag=_TAG,
        description="Pour qui est déjà connecté, et est la personne invitée.",
        headers=KEY_HEADER,
        body=JoiningIn,
        answers={200: Answer("L'appartenance est acquise.", DoneOut)},
        errors=_ERRORS,
    ).opt,
)
async def join(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """One more organisation for a person who is signed in."""
    key = await act_key(request, f"POST {_INVITATIONS}/joining")
    body = await decode(request, JoiningIn)
    return as_response(await invitations.join(actor, body.invitation, await clock.now(), key, _joined))


def _organisation(text: str | None) -> UUID | None:
    return None if text is None else parse_id(text, _NO_ORGANISATION)


def _joined(_: None) -> Kept:
    return Kept(200, msgspec.json.encode(DoneOut(True)))


def render_member(outcome: Member | Refused) -> Kept:
    """The answer to an act on a member."""
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(200, msgspec.json.encode(member_out(outcome)))


def _created(outcome: Invitation | Refused) -> Kept:
    return _rendered(outcome, 201)


def _done(outcome: Invitation | Refused) -> Kept:
    return _rendered(outcome, 200)


def _rendered(outcome: Invitation | Refused, status: int) -> Kept:
    if isinstance(outcome, Refused):
        return refusal(outcome)
    return Kept(status, msgspec.json.encode(invitation_out(outcome)))


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    list_members,
    remove,
    appoint,
    list_invitations,
    invite,
    revoke,
    accept,
    confirm,
    join,
)
