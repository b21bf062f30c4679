"""Bodies and answers about delegations of signature: what is given, to whom, until when."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import parse_id
from sons_tracker.api.schemas.orders import paris_text
from sons_tracker.api.strict import Day, Sha256, Strict, Text
from sons_tracker.operations.delegations import Asked, DelegationView, Proposal
from sons_tracker.operations.signatures import Signer
from sons_tracker.rules.delegations import DELEGATION_CONSENT, DelegationTerms, acts_fr

Capacity = Literal["responsible", "delegation"]
Act = Literal["va", "renunciation", "amendment"]
UNKNOWN_MEMBER = "Aucun membre visible de votre organisme n'est cette personne."
STATE_WORDS = {
    "to_come": "à venir", "in_force": "en vigueur", "ended": "terminée", "revoked": "révoquée",
}  # fmt: skip
_Id = Annotated[str, Meta(description="Identifiant.", extra_json_schema={"format": "uuid"}, max_length=36)]
_ONE = "(va|renunciation|amendment)"


class DelegationsQuery(Strict, frozen=True, kw_only=True):
    """De quel organisme gestionnaire, pour une agence ; un organisme ne voit que les siennes."""

    organisation_id: _Id | None = None


class DelegationTextQuery(Strict, frozen=True, kw_only=True):
    """Ce que l'on donnerait à signer, et de quel jour à quel jour, tous deux compris."""

    acts: Annotated[
        str,
        Meta(
            pattern=f"^{_ONE}(,{_ONE}){{0,2}}(?!\\n)$",
            description="Les actes, séparés par des virgules : « va », « renunciation », « amendment ».",
            examples=["va"],
            extra_json_schema={"x-attendu": "Les actes sont « va », « renunciation » ou « amendment »."},
        ),
    ]
    from_on: Day
    until_on: Day


class DelegationIn(Strict, frozen=True, kw_only=True):
    """Une délégation de signature : à qui, pour quels actes, de quel jour à quel jour ; l'empreinte du texte
    lu, la phrase de consentement recopiée mot pour mot, le nom et la fonction du signataire."""

    receiver_id: _Id
    acts: Annotated[list[Act], Meta(min_length=1, max_length=3)]
    from_on: Day
    until_on: Day
    text_sha256: Sha256
    consent: Annotated[Text, Meta(examples=[DELEGATION_CONSENT])]
    signer_name: Text
    signer_function: Text


class DelegationTextOut(msgspec.Struct, frozen=True):
    """Le texte exact à signer, son empreinte SHA-256 en UTF-8, et la phrase à recopier."""

    text: str
    text_sha256: str
    consent: str


class DelegationOut(msgspec.Struct, frozen=True, kw_only=True):
    """Une délégation de signature. « state » est celui du jour ; « revoked_because » : révoquée
    (« revoked »), son auteur est parti (« giver_left ») ou n'est plus responsable (« not_responsible »), la
    personne qui la tenait est partie (« receiver_left »)."""

    id: str
    organisation_id: str
    giver_id: str
    giver_name: str
    receiver_id: str
    receiver_name: str
    acts: list[Act]
    acts_label: str
    from_on: str
    until_on: str
    state: Literal["to_come", "in_force", "ended", "revoked"]
    state_label: str
    text: str
    text_sha256: str
    signer_name: str
    signer_function: str
    given_at: str
    revoked_at: str | None
    revoked_role: Literal["og", "admin"] | None
    revoked_because: Literal["revoked", "giver_left", "receiver_left", "not_responsible"] | None


class DelegationsOut(msgspec.Struct, frozen=True):
    """Les délégations de signature, la plus récente d'abord."""

    delegations: list[DelegationOut]


def asked_text(receiver_id: str, query: DelegationTextQuery) -> Asked:
    """What a query asks the text of."""
    return _asked(receiver_id, DelegationTerms(_sorted(query.acts.split(",")), query.from_on, query.until_on))


def asked(body: DelegationIn) -> Asked:
    """What a body gives, and to whom."""
    return _asked(body.receiver_id, DelegationTerms(_sorted(body.acts), body.from_on, body.until_on))


def signature(body: DelegationIn) -> tuple[bytes, Signer]:
    """The digest of what was shown, and who signs."""
    return bytes.fromhex(body.text_sha256), Signer(body.signer_name, body.signer_function, body.consent)


def text_out(proposal: Proposal) -> DelegationTextOut:
    """What is to be signed, as JSON shows it."""
    return DelegationTextOut(proposal.text, proposal.text_sha256.hex(), DELEGATION_CONSENT)


def delegation_out(view: DelegationView) -> DelegationOut:
    """A delegation as JSON shows it."""
    return DelegationOut(
        id=str(view.id),
        organisation_id=str(view.organisation_id),
        giver_id=str(view.giver_id),
        giver_name=view.giver_name,
        receiver_id=str(view.receiver_id),
        receiver_name=view.receiver_name,
        acts=list(view.acts),  # type: ignore[arg-type]
        acts_label=acts_fr(view.acts),
        from_on=view.from_on.isoformat(),
        until_on=view.until_on.isoformat(),
        state=view.state,
        state_label=STATE_WORDS[view.state],
        text=view.text,
        text_sha256=view.text_sha256,
        signer_name=view.signer_name,
        signer_function=view.signer_function,
        given_at=paris_text(view.given_at),
        revoked_at=None if view.revoked_at is None else paris_text(view.revoked_at),
        revoked_role=view.revoked_role,  # type: ignore[arg-type]
        revoked_because=view.revoked_because,  # type: ignore[arg-type]
    )


def _asked(receiver_id: str, terms: DelegationTerms) -> Asked:
    return Asked(parse_id(receiver_id, UNKNOWN_MEMBER), terms)


def _sorted(acts: list[str] | list[Act]) -> tuple[str, ...]:
    return tuple(sorted(set(acts)))
