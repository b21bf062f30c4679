"""Bodies and answers about the VA: what is declared per ESSMS, the text that is signed, its signature."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import ActionOut, actions_out
from sons_tracker.api.schemas.delegations import Capacity
from sons_tracker.api.schemas.orders import VerdictOut, paris_text, verdict_out
from sons_tracker.api.strict import Count, FinessGeographiqueText, Sha256, Strict, Text
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.requests import MOST_ESSMS
from sons_tracker.operations.signatures import Signer
from sons_tracker.operations.va import SignatureView, VaDeclaration, VaView
from sons_tracker.rules.french import percent_fr
from sons_tracker.rules.identifiers import parse_geographique
from sons_tracker.rules.lifecycle import VA_WORDS
from sons_tracker.rules.money import NNBSP
from sons_tracker.rules.money_case import VaLine
from sons_tracker.rules.va import rates
from sons_tracker.rules.va_statement import VA_CONSENT


class VaLineIn(Strict, frozen=True, kw_only=True):
    """Ce que la VA déclare d'un ESSMS. Une valeur qui n'est pas déclarée est absente ou null : la VA n'est
    alors pas recevable, et le refus dit pourquoi."""

    finess: FinessGeographiqueText
    dui_deployed: Annotated[bool | None, Meta(description="Le DUI est déployé.")] = None
    tbb1_supplied: Annotated[
        bool | None,
        Meta(description="Le tableau de bord TBB.1 est fourni, de valeurs différentes de zéro."),
    ] = None
    accompanied: Annotated[Count | None, Meta(description="Personnes accompagnées (file active).")] = None
    active: Annotated[Count | None, Meta(description="Dossiers actifs.")] = None
    with_project: Annotated[
        Count | None, Meta(description="Dossiers actifs avec un projet personnalisé.")
    ] = None
    with_event: Annotated[Count | None, Meta(description="Dossiers actifs ayant au moins un événement.")] = (
        None
    )


class VaIn(Strict, frozen=True, kw_only=True):
    """Une VA : tous les ESSMS du périmètre de la commande, chacun une fois, et aucun autre."""

    lines: Annotated[list[VaLineIn], Meta(min_length=1, max_length=MOST_ESSMS)]
    deploiement_mss: Annotated[
        Literal["cas_1", "cas_2"] | None, Meta(description="« Déploiement MSS » : cas 1 ou cas 2.")
    ] = None


class VaSignatureIn(Strict, frozen=True, kw_only=True):
    """La signature de l'organisme gestionnaire : l'empreinte du texte lu, la phrase de consentement recopiée
    mot pour mot, le nom et la fonction du signataire."""

    statement_sha256: Sha256
    consent: Annotated[Text, Meta(examples=[VA_CONSENT])]
    signer_name: Text
    signer_function: Text


class VaLineOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un ESSMS de la VA ; les trois taux sont en pour cent, à une décimale, tirés des nombres déclarés."""

    finess: str
    dui_deployed: bool | None
    tbb1_supplied: bool | None
    accompanied: int | None
    active: int | None
    with_project: int | None
    with_event: int | None
    active_percent: str | None
    project_percent: str | None
    event_percent: str | None


class VaEvidenceOut(msgspec.Struct, frozen=True):
    """Ce qu'un fournisseur d'identité a dit du signataire : qui, à quel niveau, quand, dans quel jeton.

    « name_id » est l'identifiant national ; « finess_check » compare les FINESS juridiques qu'il donne à
    celui de l'organisme gestionnaire, sans en faire une condition.
    """

    provider: str
    issuer: str
    subject: str
    name_id: str | None
    acr: str | None
    auth_time: str | None
    jti: str | None
    finess_check: Literal["matches", "differs", "absent"]


class VaSignatureOut(msgspec.Struct, frozen=True):
    """Qui a signé, quand et de quelle manière ; « capacity » : responsable de l'organisme gestionnaire, ou
    par la délégation que nomme « delegation_id ». L'organisme et les agences lisent seuls « evidence »."""

    kind: Literal["cpx", "psc", "rgs", "eidas_simple", "eidas_advanced", "eidas_qualified"]
    signed_at: str
    signer_name: str
    signer_function: str
    capacity: Capacity | None
    delegation_id: str | None
    evidence: VaEvidenceOut | None


class VaOut(msgspec.Struct, frozen=True, kw_only=True):
    """La VA en vigueur d'une commande, son texte entier et l'empreinte SHA-256 de ce texte en UTF-8.

    « consent » est la phrase que le signataire recopie.
    """

    id: str
    order_id: str
    order_number: str
    number: int
    state: Literal["prepared", "signed"]
    state_label: str
    prepared_at: str
    deploiement_mss: Literal["cas_1", "cas_2"] | None
    statement: str
    statement_sha256: str
    consent: str
    lines: list[VaLineOut]
    verdicts: list[VerdictOut]
    signature: VaSignatureOut | None
    actions: list[ActionOut]


def declaration(body: VaIn) -> VaDeclaration:
    """What a body declares, its numbers read.

    Raises:
        SonsError: `INVALID_REQUEST` with every number that is wrong, and its path.
    """
    faults: list[Fault] = []
    lines: list[VaLine] = []
    for index, line in enumerate(body.lines):
        try:
            finess = parse_geographique(line.finess, f"$.lines[{index}].finess")
        except SonsError as error:
            faults += error.faults
            continue
        lines.append(VaLine(**{**msgspec.structs.asdict(line), "finess": finess}))
    if faults:
        detail = f"{faults[0].where} : {faults[0].message}"
        raise SonsError(ErrorCode.INVALID_REQUEST, detail, tuple(faults))
    return VaDeclaration(tuple(lines), body.deploiement_mss)


def signer(body: VaSignatureIn) -> tuple[bytes, Signer]:
    """The digest of what was shown, and who signs."""
    return bytes.fromhex(body.statement_sha256), Signer(body.signer_name, body.signer_function, body.consent)


def va_out(view: VaView) -> VaOut:
    """A VA as JSON shows it."""
    return VaOut(
        id=str(view.id),
        order_id=str(view.order_id),
        order_number=view.order_number,
        number=view.number,
        state=view.state,  # type: ignore[arg-type]
        state_label=VA_WORDS[view.state],
        prepared_at=paris_text(view.prepared_at),
        deploiement_mss=view.deploiement_mss,  # type: ignore[arg-type]
        statement=view.statement,
        statement_sha256=view.statement_sha256.hex(),
        consent=VA_CONSENT,
        lines=[_line_out(line) for line in view.lines],
        verdicts=[verdict_out(verdict) for verdict in view.verdicts],
        signature=None if view.signature is None else _signature_out(view.signature),
        actions=actions_out(view.actions),
    )


def _line_out(line: VaLine) -> VaLineOut:
    found = rates(line)
    return VaLineOut(
        finess=str(line.finess),  # plain text: a JSON encoder knows no subclass
        dui_deployed=line.dui_deployed,
        tbb1_supplied=line.tbb1_supplied,
        accompanied=line.accompanied,
        active=line.active,
        with_project=line.with_project,
        with_event=line.with_event,
        active_percent=_percent(found.active),
        project_percent=_percent(found.project),
        event_percent=_percent(found.event),
    )


def _percent(rate: Fraction | None) -> str | None:
    return None if rate is None else percent_fr(rate).removesuffix(f"{NNBSP}%").replace(",", ".")


def _signature_out(view: SignatureView) -> VaSignatureOut:
    return VaSignatureOut(
        view.kind,  # type: ignore[arg-type]
        paris_text(view.signed_at),
        view.signer_name,
        view.signer_function,
        view.capacity,  # type: ignore[arg-type]
        None if view.delegation_id is None else str(view.delegation_id),
        None if view.evidence is None else msgspec.convert(view.evidence, VaEvidenceOut),
    )
