"""Bodies and answers about cancellations and amendments: what is asked, what is signed, what it waits for."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import ActionOut, actions_out
from sons_tracker.api.schemas.delegations import Capacity
from sons_tracker.api.schemas.orders import VerdictOut, paris_text, verdict_out
from sons_tracker.api.strict import FinessGeographiqueText, Sha256, Strict, Text
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.amendments import AmendmentView
from sons_tracker.operations.cancellation_reading import CancellationView, PieceView
from sons_tracker.operations.cancellations import CancellationRequest, Statement
from sons_tracker.operations.requests import MOST_ESSMS
from sons_tracker.operations.signatures import Signer
from sons_tracker.rules.declarations import AMENDMENT_CONSENT, RENUNCIATION_CONSENT, STATEMENT_CONSENT
from sons_tracker.rules.identifiers import parse_geographique
from sons_tracker.rules.life_endings import MOTIVE_WORDS
from sons_tracker.rules.lifecycle import AMENDMENT_WORDS, CANCELLATION_WORDS

Motive = Literal["supplier_error", "agreement", "change_of_editor", "renunciation", "acquisition"]
Party = Literal["editor", "distributor", "og"]
Prose = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4000,
        pattern="^(?=[\\s\\S]*\\S)[^\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$",
        extra_json_schema={"x-attendu": "Le texte ne doit être ni vide ni porter de caractère de contrôle."},
    ),
]


class StatementIn(Strict, frozen=True, kw_only=True):
    """L'attestation sur l'honneur du fournisseur : ses propres mots, signés et motivés. « consent » est la
    phrase à recopier mot pour mot."""

    text: Annotated[Prose, Meta(description="La déclaration et ses motifs.")]
    consent: Annotated[Text, Meta(examples=[STATEMENT_CONSENT])]
    signer_name: Text
    signer_function: Text


class CancellationIn(Strict, frozen=True, kw_only=True):
    """Une demande d'annulation. Le fournisseur y joint son attestation sur l'honneur ; l'organisme
    gestionnaire, qui renonce, signe ensuite la sienne."""

    motive: Motive
    for_acquisition: Annotated[
        bool | None,
        Meta(description="Faite pour demander un financement ESMS numérique de type acquisition (R29)."),
    ] = None
    statement: StatementIn | None = None


class AttestationIn(Strict, frozen=True, kw_only=True):
    """La signature de l'attestation de renonciation : l'empreinte du texte lu, la phrase de consentement
    recopiée mot pour mot, le nom et la fonction du signataire."""

    document_sha256: Sha256
    consent: Annotated[Text, Meta(examples=[RENUNCIATION_CONSENT])]
    signer_name: Text
    signer_function: Text


class EndingReasonIn(Strict, frozen=True, kw_only=True):
    """Le motif d'un refus."""

    reason: Text


class CancellationDecisionIn(Strict, frozen=True, kw_only=True):
    """La décision motivée d'un contrôleur."""

    decision: Literal["carry_out", "refuse"]
    reason: Text


class AmendmentIn(Strict, frozen=True, kw_only=True):
    """Une proposition d'avenant : les ESSMS à retirer de la commande, et qui la signe."""

    remove: Annotated[list[FinessGeographiqueText], Meta(min_length=1, max_length=MOST_ESSMS)]
    signer_name: Text
    signer_function: Text


class AmendmentAgreementIn(Strict, frozen=True, kw_only=True):
    """L'accord de l'autre partie : l'empreinte du texte lu, la phrase de consentement recopiée mot pour mot,
    le nom et la fonction du signataire."""

    document_sha256: Sha256
    consent: Annotated[Text, Meta(examples=[AMENDMENT_CONSENT])]
    signer_name: Text
    signer_function: Text


class PieceOut(msgspec.Struct, frozen=True, kw_only=True):
    """Une pièce d'une annulation : son texte exact, l'empreinte SHA-256 de ce texte, qui l'a signée ;
    « capacity » : à quel titre, pour l'organisme gestionnaire."""

    kind: Literal["statement", "renunciation"]
    text: str
    sha256: str
    given_at: str
    role: Party
    signer_name: str
    signer_function: str
    capacity: Capacity | None
    delegation_id: str | None


class CancellationOut(msgspec.Struct, frozen=True, kw_only=True):
    """Une annulation. « waits_for » dit ce qui manque : attestation sur l'honneur, attestation de
    renonciation, décision d'un contrôleur ; « document » est l'attestation que l'organisme gestionnaire lit
    et signe, avec la phrase « consent » ; « cancelled_at » est l'instant que juge R29."""

    id: str
    order_id: str
    order_number: str
    order_state: str
    number: int
    state: Literal["open", "to_settle", "carried_out", "refused", "dropped"]
    state_label: str
    motive: Motive
    motive_label: str
    for_acquisition: bool | None
    required: list[Literal["statement", "agreement", "renunciation"]]
    waits_for: list[Literal["statement", "renunciation", "reviewer"]]
    document: str | None
    document_sha256: str | None
    consent: str | None
    asked_at: str
    asked_role: Party
    answer_due_at: str | None
    cancelled_at: str | None
    verdicts: list[VerdictOut]
    closed_at: str | None
    closed_role: Literal["editor", "distributor", "og", "reviewer"] | None
    reason: str | None
    pieces: list[PieceOut]
    actions: list[ActionOut]


class CancellationsOut(msgspec.Struct, frozen=True):
    """Les annulations d'une commande, de la plus récente à la plus ancienne."""

    cancellations: list[CancellationOut]


class AmendmentOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un avenant : les ESSMS qu'il retire, le texte que les deux parties signent et son empreinte SHA-256 en
    UTF-8 ; « consent » est la phrase que l'autre partie recopie pour l'accepter. Les « capacity » disent à
    quel titre un membre de l'organisme gestionnaire a signé."""

    id: str
    order_id: str
    order_number: str
    order_state: str
    number: int
    state: Literal["proposed", "agreed", "refused", "withdrawn"]
    state_label: str
    removed: list[str]
    document: str
    document_sha256: str
    consent: str
    proposed_at: str
    proposed_role: Party
    proposer_name: str
    proposer_function: str
    proposed_capacity: Capacity | None
    proposed_delegation_id: str | None
    closed_at: str | None
    closed_role: Party | None
    signer_name: str | None
    signer_function: str | None
    closed_capacity: Capacity | None
    closed_delegation_id: str | None
    refusal: str | None
    actions: list[ActionOut]


class AmendmentsOut(msgspec.Struct, frozen=True):
    """Les avenants d'une commande, du plus récent au plus ancien."""

    amendments: list[AmendmentOut]


def statement(body: StatementIn) -> Statement:
    """The supplier's statement of a body."""
    return Statement(body.text, Signer(body.signer_name, body.signer_function, body.consent))


def cancellation_request(body: CancellationIn) -> CancellationRequest:
    """What a body asks."""
    stated = None if body.statement is None else statement(body.statement)
    return CancellationRequest(body.motive, body.for_acquisition, stated)


def signature(body: AttestationIn | AmendmentAgreementIn) -> tuple[bytes, Signer]:
    """The digest of what was shown, and who signs."""
    signer = Signer(body.signer_name, body.signer_function, body.consent)
    return bytes.fromhex(body.document_sha256), signer


def removed(body: AmendmentIn) -> tuple[str, ...]:
    """The ESSMS to remove, their numbers read.

    Raises:
        SonsError: `INVALID_REQUEST` with every number that is wrong, and its path.
    """
    faults: list[Fault] = []
    numbers: list[str] = []
    for index, number in enumerate(body.remove):
        try:
            numbers.append(str(parse_geographique(number, f"$.remove[{index}]")))
        except SonsError as error:
            faults += error.faults
    if faults:
        detail = f"{faults[0].where} : {faults[0].message}"
        raise SonsError(ErrorCode.INVALID_REQUEST, detail, tuple(faults))
    return tuple(numbers)


def cancellation_out(view: CancellationView) -> CancellationOut:
    """A cancellation as JSON shows it."""
    return CancellationOut(
        id=str(view.id),
        order_id=str(view.order_id),
        order_number=view.order_number,
        order_state=view.order_state,
        number=view.number,
        state=view.state,  # type: ignore[arg-type]
        state_label=CANCELLATION_WORDS[view.state],
        motive=view.motive,  # type: ignore[arg-type]
        motive_label=MOTIVE_WORDS[view.motive],
        for_acquisition=view.for_acquisition,
        required=list(view.required),  # type: ignore[arg-type]
        waits_for=list(view.waits_for),  # type: ignore[arg-type]
        document=view.document,
        document_sha256=view.document_sha256,
        consent=None if view.document is None else RENUNCIATION_CONSENT,
        asked_at=paris_text(view.asked_at),
        asked_role=view.asked_role,  # type: ignore[arg-type]
        answer_due_at=None if view.answer_due_at is None else paris_text(view.answer_due_at),
        cancelled_at=None if view.cancelled_at is None else paris_text(view.cancelled_at),
        verdicts=[verdict_out(verdict) for verdict in view.verdicts],
        closed_at=None if view.closed_at is None else paris_text(view.closed_at),
        closed_role=view.closed_role,  # type: ignore[arg-type]
        reason=view.reason,
        pieces=[_piece_out(piece) for piece in view.pieces],
        actions=actions_out(view.actions),
    )


def _id(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)


def _piece_out(piece: PieceView) -> PieceOut:
    return PieceOut(
        kind=piece.kind,  # type: ignore[arg-type]
        text=piece.text,
        sha256=piece.sha256,
        given_at=paris_text(piece.given_at),
        role=piece.role,  # type: ignore[arg-type]
        signer_name=piece.signer_name,
        signer_function=piece.signer_function,
        capacity=piece.capacity,  # type: ignore[arg-type]
        delegation_id=_id(piece.delegation_id),
    )


def amendment_out(view: AmendmentView) -> AmendmentOut:
    """An amendment as JSON shows it."""
    return AmendmentOut(
        id=str(view.id),
        order_id=str(view.order_id),
        order_number=view.order_number,
        order_state=view.order_state,
        number=view.number,
        state=view.state,  # type: ignore[arg-type]
        state_label=AMENDMENT_WORDS[view.state],
        removed=list(view.removed),
        document=view.document,
        document_sha256=view.document_sha256,
        consent=AMENDMENT_CONSENT,
        proposed_at=paris_text(view.proposed_at),
        proposed_role=view.proposed_role,  # type: ignore[arg-type]
        proposer_name=view.proposer_name,
        proposer_function=view.proposer_function,
        proposed_capacity=view.proposed_capacity,  # type: ignore[arg-type]
        proposed_delegation_id=_id(view.proposed_delegation_id),
        closed_at=None if view.closed_at is None else paris_text(view.closed_at),
        closed_role=view.closed_role,  # type: ignore[arg-type]
        signer_name=view.signer_name,
        signer_function=view.signer_function,
        closed_capacity=view.closed_capacity,  # type: ignore[arg-type]
        closed_delegation_id=_id(view.closed_delegation_id),
        refusal=view.refusal,
        actions=actions_out(view.actions),
    )
