"""Bodies and answers about sessions, tokens, members and invitations."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.delegations import Act
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Strict, Text
from sons_tracker.operations.invitations import Enrolment, Invitation
from sons_tracker.operations.members import Member
from sons_tracker.operations.sessions import Opened, Place, Session
from sons_tracker.operations.tokens import Token

_Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=200,
        pattern="^[^\\s@\\u0000-\\u001f\\u007f]+@[^\\s@\\u0000-\\u001f\\u007f]+(?!\\n)$",
        description="Adresse électronique.",
        examples=["personne@example.org"],
        extra_json_schema={"x-attendu": "Une adresse s'écrit « nom@domaine »."},
    ),
]
_Code = Annotated[
    str,
    Meta(
        pattern="^[0-9]{6}(?!\\n)$",
        description="Code du second facteur : six chiffres, qui ne servent qu'une fois.",
        examples=["000000"],
        extra_json_schema={"x-attendu": "Le code compte six chiffres."},
    ),
]
EntityId = Annotated[
    str, Meta(description="Identifiant.", extra_json_schema={"format": "uuid"}, max_length=36)
]
RoleName = Literal["editor", "distributor", "og", "ars", "reviewer", "payer", "pilot", "admin"]
_Scope = Annotated[
    str,
    Meta(
        pattern="^(read|write)(:[a-z-]{1,40})?(?!\\n)$",
        description="« read » ou « write », seul ou borné à un nom de l'interface : « read:orders ».",
        examples=["read"],
        extra_json_schema={"x-attendu": "Une portée s'écrit « read », « write », « read:orders »…"},
    ),
]
InvitationSecret = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9_-]{43}(?!\\n)$",
        description="Le secret de l'invitation.",
        examples=["a" * 43],
        extra_json_schema={"x-attendu": "Le secret d'une invitation compte 43 caractères."},
    ),
]


_Password = Annotated[
    str,
    Meta(min_length=1, max_length=512, description="De 12 à 128 caractères.", examples=["douze lettres"]),
]
_Current = Annotated[str, Meta(min_length=1, max_length=512, description="Le mot de passe actuel.")]


class SignInIn(Strict, frozen=True, kw_only=True):
    """Qui se connecte. Sans organisation ni rôle, la première appartenance est prise."""

    email: _Email
    password: Annotated[str, Meta(min_length=1, max_length=512, description="Mot de passe.")]
    code: _Code
    organisation_id: EntityId | None = None
    role: RoleName | None = None


class RoleIn(Strict, frozen=True, kw_only=True):
    """Le rôle à prendre, parmi les vôtres."""

    organisation_id: EntityId
    role: RoleName


class TokenIn(Strict, frozen=True, kw_only=True):
    """Ce qu'un nouveau jeton permettra, et pour combien de jours."""

    scopes: Annotated[list[_Scope], Meta(min_length=1, max_length=40)]
    days: Annotated[int, Meta(ge=1, le=366)] = 90


class InvitationIn(Strict, frozen=True, kw_only=True):
    """Qui inviter. Seul un administrateur nomme une autre organisation, un autre rôle, ou « reset ».

    « responsible » : la personne devient responsable de l'organisme gestionnaire ; le dit un administrateur,
    ou une personne qui l'est. Absent : seule la première personne qu'un administrateur y invite l'est.
    """

    email: _Email
    organisation_id: EntityId | None = None
    role: RoleName | None = None
    kind: Literal["join", "reset"] = "join"
    responsible: bool | None = None
    deliver: Annotated[
        Literal["email", "hand"],
        Meta(description="« hand » : le secret vous est montré ; « email » : il est écrit à la personne."),
    ] = "hand"


class AcceptanceIn(Strict, frozen=True, kw_only=True):
    """La première étape d'un compte : le nom et le mot de passe de la personne invitée."""

    invitation: InvitationSecret
    name: Text
    password: _Password


class ConfirmationIn(Strict, frozen=True, kw_only=True):
    """La seconde étape : un premier code du second facteur."""

    invitation: InvitationSecret
    code: _Code


class PasswordIn(Strict, frozen=True, kw_only=True):
    """Le nouveau mot de passe, et ce qui prouve que c'est bien vous."""

    current_password: _Current
    code: _Code
    password: _Password


class SecondFactorIn(Strict, frozen=True, kw_only=True):
    """Ce qui prouve que c'est bien vous, avant qu'un autre second facteur vous soit montré."""

    current_password: _Current
    code: _Code


class CodeIn(Strict, frozen=True, kw_only=True):
    """Un premier code du nouveau second facteur."""

    code: _Code


class JoiningIn(Strict, frozen=True, kw_only=True):
    """L'invitation par laquelle une personne connectée rejoint une organisation."""

    invitation: InvitationSecret


class RemovalIn(Strict, frozen=True, kw_only=True):
    """Qui retirer ; par défaut de votre organisation et de votre rôle."""

    person_id: EntityId
    organisation_id: EntityId | None = None
    role: RoleName | None = None


class ResponsibilityIn(Strict, frozen=True, kw_only=True):
    """Quel membre d'un organisme gestionnaire en est responsable, ou ne l'est plus ; par défaut du vôtre."""

    person_id: EntityId
    responsible: bool
    organisation_id: EntityId | None = None


class PlaceOut(msgspec.Struct, frozen=True):
    """Une appartenance : une organisation, et un rôle dans celle-ci."""

    organisation_id: str
    organisation_name: str
    organisation_kind: str
    role: str


class SessionOut(msgspec.Struct, frozen=True):
    """Une session ouverte."""

    id: str
    organisation_id: str
    role: str
    auth_level: str
    created_at: str
    last_seen_at: str
    expires_at: str


class OpenedOut(msgspec.Struct, frozen=True):
    """La session qui vient de s'ouvrir ; « csrf_token » accompagne chaque écriture par « X-CSRF-Token »."""

    session: SessionOut
    csrf_token: str
    places: list[PlaceOut]


class CurrentOut(msgspec.Struct, frozen=True):
    """Qui vous êtes pour cette demande ; « csrf_token » est nul avec un jeton."""

    person_id: str | None
    organisation_id: str | None
    role: str
    auth_level: str
    scopes: list[str] | None
    csrf_token: str | None
    places: list[PlaceOut]


class SessionsOut(msgspec.Struct, frozen=True):
    """Vos sessions ouvertes, la plus récente d'abord."""

    sessions: list[SessionOut]


class TokenOut(msgspec.Struct, frozen=True):
    """Un jeton ; « scopes » nul : tout ce que permet le rôle. « token » n'est montré qu'à la création."""

    id: str
    person_id: str
    role: str
    scopes: list[str] | None
    created_at: str
    expires_at: str
    last_used_at: str | None
    revoked_at: str | None
    token: str | None = None


class TokensOut(msgspec.Struct, frozen=True):
    """Les jetons de votre organisation, le plus récent d'abord."""

    tokens: list[TokenOut]


class HeldDelegationOut(msgspec.Struct, frozen=True):
    """Une délégation de signature en vigueur : ses actes, et son dernier jour."""

    id: str
    acts: list[Act]
    until_on: str


class MemberOut(msgspec.Struct, frozen=True):
    """Une personne et son rôle ; « removed_at » dit quand elle est partie. « responsible » : responsable de
    l'organisme gestionnaire, elle signe pour lui ; « delegations » : celles qu'elle tient aujourd'hui."""

    person_id: str
    name: str
    organisation_id: str
    role: str
    removed_at: str | None
    responsible: bool
    delegations: list[HeldDelegationOut]


class MembersOut(msgspec.Struct, frozen=True):
    """Les membres de votre organisation, présents et passés."""

    members: list[MemberOut]


class InvitationOut(msgspec.Struct, frozen=True):
    """Une invitation ; « secret » n'est montré qu'à la création, à remettre à la personne invitée."""

    id: str
    kind: str
    organisation_id: str
    role: str
    email: str
    created_at: str
    expires_at: str
    accepted_at: str | None
    revoked_at: str | None
    responsible: bool
    secret: str | None = None


class InvitationsOut(msgspec.Struct, frozen=True):
    """Les invitations de votre organisation, la plus récente d'abord."""

    invitations: list[InvitationOut]


class EnrolmentOut(msgspec.Struct, frozen=True):
    """Ce que lit une application de codes, montré une fois : le secret, et son adresse « otpauth:// »."""

    secret: str
    address: str


class ChangedOut(msgspec.Struct, frozen=True):
    """C'est changé ; « sessions_closed » compte les autres sessions de la personne, closes avec l'acte."""

    sessions_closed: int


class DoneOut(msgspec.Struct, frozen=True):
    """C'est fait."""

    done: bool


def place_out(place: Place) -> PlaceOut:
    """Where a person belongs, as JSON shows it."""
    return PlaceOut(str(place.organisation_id), place.organisation_name, place.organisation_kind, place.role)


def session_out(session: Session) -> SessionOut:
    """A session as JSON shows it, without its secret."""
    return SessionOut(
        str(session.id),
        str(session.organisation_id),
        session.role,
        session.auth_level,
        paris_text(session.created_at),
        paris_text(session.last_seen_at),
        paris_text(session.expires_at),
    )


def opened_out(opened: Opened) -> OpenedOut:
    """A session just opened: the cookie carries its secret, this what goes with it."""
    return OpenedOut(session_out(opened.session), opened.csrf, [place_out(one) for one in opened.places])


def token_out(token: Token) -> TokenOut:
    """A token as JSON shows it."""
    return TokenOut(
        str(token.id),
        str(token.person_id),
        token.role,
        None if token.scopes is None else list(token.scopes),
        paris_text(token.created_at),
        paris_text(token.expires_at),
        None if token.last_used_at is None else paris_text(token.last_used_at),
        None if token.revoked_at is None else paris_text(token.revoked_at),
    )


def member_out(member: Member) -> MemberOut:
    """A member as JSON shows it."""
    gone = None if member.removed_at is None else paris_text(member.removed_at)
    return MemberOut(
        str(member.person_id),
        member.name,
        str(member.organisation_id),
        member.role,
        gone,
        member.responsible,
        [
            HeldDelegationOut(str(held.id), list(held.acts), held.until_on.isoformat())  # type: ignore[arg-type]
            for held in member.delegations
        ],
    )


def invitation_out(invitation: Invitation) -> InvitationOut:
    """An invitation as JSON shows it."""
    return InvitationOut(
        str(invitation.id),
        invitation.kind,
        str(invitation.organisation_id),
        invitation.role,
        invitation.email,
        paris_text(invitation.created_at),
        paris_text(invitation.expires_at),
        None if invitation.accepted_at is None else paris_text(invitation.accepted_at),
        None if invitation.revoked_at is None else paris_text(invitation.revoked_at),
        invitation.responsible,
    )


def enrolment_out(enrolment: Enrolment) -> EnrolmentOut:
    """What an authenticator needs."""
    return EnrolmentOut(enrolment.secret, enrolment.address)
