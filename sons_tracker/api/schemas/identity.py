"""Bodies and answers about providers of identity: who may vouch, a visit, what comes back, what is linked."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sons_tracker.api.schemas.accounts import EntityId, InvitationSecret, RoleName
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Strict
from sons_tracker.identity_providers import IdentityProvider
from sons_tracker.operations.identities import Identity

_Name = Annotated[
    str,
    Meta(
        pattern="^[a-z][a-z0-9-]{0,30}(?!\\n)$",
        description="Nom court du fournisseur, donné par « GET /api/v1/identity-providers ».",
        examples=["psc"],
        extra_json_schema={"x-attendu": "Le nom court d'un fournisseur, en minuscules."},
    ),
]
_ReturnTo = Annotated[
    str,
    Meta(
        # One slash, then no second one nor a backslash: a browser would read the name of another site.
        pattern="^/(?![/\\\\])[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,199}(?!\\n)$",
        description="Où revenir sur ce service une fois connecté : un chemin, sans nom de machine.",
        examples=["/"],
        extra_json_schema={"x-attendu": "Un chemin de ce service, qui commence par une seule barre."},
    ),
]


class VisitIn(Strict, frozen=True, kw_only=True):
    """Par qui être identifié. L'invitation est celle que l'on accepte en venant, s'il y en a une."""

    provider: _Name
    organisation_id: EntityId | None = None
    role: RoleName | None = None
    invitation: InvitationSecret | None = None
    return_to: _ReturnTo = "/"


class LinkIn(Strict, frozen=True, kw_only=True):
    """Le fournisseur dont lier une identité à votre compte."""

    provider: _Name
    return_to: _ReturnTo = "/"


_Returned = Annotated[
    str,
    Meta(
        pattern="^[\\x20-\\x7e]{1,4000}(?!\\n)$",
        extra_json_schema={"x-attendu": "De 1 à 4000 caractères ASCII imprimables."},
    ),
]


class ReturnQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Ce que le fournisseur renvoie ; il peut y ajouter ce qu'il veut."""

    state: _Returned | None = None
    code: _Returned | None = None
    iss: _Returned | None = None
    error: _Returned | None = None


class ProviderOut(msgspec.Struct, frozen=True):
    """Un fournisseur d'identité, et les rôles qu'il peut ouvrir ici."""

    name: str
    label: str
    roles: list[str]


class ProvidersOut(msgspec.Struct, frozen=True):
    """Les fournisseurs d'identité de cette instance."""

    providers: list[ProviderOut]


class VisitOut(msgspec.Struct, frozen=True):
    """Où envoyer le navigateur ; l'adresse vaut dix minutes, pour lui seul."""

    address: str


class IdentityOut(msgspec.Struct, frozen=True):
    """Une identité liée à votre compte : le fournisseur, et le nom qu'il vous donne."""

    id: str
    issuer: str
    subject: str
    linked_at: str


class IdentitiesOut(msgspec.Struct, frozen=True):
    """Vos identités, la plus ancienne d'abord."""

    identities: list[IdentityOut]


def provider_out(provider: IdentityProvider) -> ProviderOut:
    """A provider as JSON shows it."""
    return ProviderOut(provider.name, provider.label, sorted(provider.roles))


def identity_out(identity: Identity) -> IdentityOut:
    """An identity as JSON shows it."""
    return IdentityOut(str(identity.id), identity.issuer, identity.subject, paris_text(identity.linked_at))
