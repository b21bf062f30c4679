"""Bodies and answers about suppliers: enrolment file, VAT, bank accounts, and what can be done now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sons_tracker.api.acts import ActionOut, actions_out
from sons_tracker.api.schemas.orders import Code, paris_text
from sons_tracker.api.strict import Count, Day, Sha256, Strict, Text
from sons_tracker.operations.bank_numbers import BankNumbers, parse_bank_numbers
from sons_tracker.operations.enrolment_files import EnrolmentFile
from sons_tracker.operations.supplier_views import (
    ChangeState,
    ChangeView,
    FileView,
    Mandate,
    SupplierPage,
    SupplierSummary,
    SupplierView,
    Who,
)

_Person = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\\n)$",
        description="Identifiant d'une personne de votre organisation.",
        extra_json_schema={"x-attendu": "Un identifiant s'écrit en 36 caractères, en minuscules."},
    ),
]
_Iban = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=60,
        description="IBAN, espaces admis : clés contrôlées, compte tenu dans l'espace SEPA.",
        examples=["FR14 2004 1010 0505 0001 3M02 606"],
    ),
]
_Bic = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=60,
        description="BIC, 8 ou 11 caractères : du pays de l'IBAN, et de sa banque quand elle est connue.",
        examples=["PSSTFRPPXXX"],
    ),
]


class RepresentativeIn(Strict, frozen=True, kw_only=True):
    """Le représentant légal ; « person_id » quand il est aussi membre de votre organisation ici."""

    name: Text
    function: Text
    person_id: _Person | None = None


class MandateIn(Strict, frozen=True, kw_only=True):
    """L'employé que le représentant légal mandate pour déposer, du premier au dernier jour inclus."""

    person_id: _Person
    from_on: Day
    to_on: Day


class VatIn(Strict, frozen=True, kw_only=True):
    """La situation au regard de la TVA, à compter d'un jour ; sans TVA, la pièce « vat_exemption » suit."""

    liable: bool
    from_on: Day


class PiecesIn(Strict, frozen=True, kw_only=True):
    """Les pièces, par leur empreinte SHA-256 : celles dont le dossier parle, et elles seules."""

    referencing_certificate: Sha256
    mandate: Sha256 | None = None
    vat_exemption: Sha256 | None = None


class EnrolmentIn(Strict, frozen=True, kw_only=True):
    """Le dossier d'enrôlement d'un fournisseur, entier à chaque dépôt.

    Il est déposé par le représentant légal, ou par l'employé mandaté.
    """

    certificate_reference: Annotated[Text, Meta(description="Référence de l'attestation de référencement.")]
    solution: Annotated[Code, Meta(description="Code de la solution dans la liste de l'ANS.")]
    representative: RepresentativeIn
    mandate: MandateIn | None = None
    vat: VatIn
    pieces: PiecesIn


class BankAccountIn(Strict, frozen=True, kw_only=True):
    """Le compte qui doit être payé, et l'empreinte de son relevé d'identité bancaire."""

    iban: _Iban
    bic: _Bic
    statement_sha256: Sha256


class ValidationIn(Strict, frozen=True, kw_only=True):
    """Le numéro du dossier qui a été lu : un dossier déposé entre-temps n'est pas validé par surprise."""

    number: Count


class CorrectionIn(Strict, frozen=True, kw_only=True):
    """Le numéro du dossier qui a été lu, et ce qui est à modifier."""

    number: Count
    reasons: Annotated[list[Text], Meta(min_length=1, max_length=20)]


class SuppliersQuery(Strict, frozen=True, kw_only=True):
    """Filtre et page d'une liste de fournisseurs ; « after » est le « next » de la page précédente."""

    state: Literal["absent", "submitted", "to_correct", "validated"] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Annotated[str, Meta(max_length=40)] | None = None


class WhoOut(msgspec.Struct, frozen=True):
    """Une personne ; son nom n'est montré qu'à son organisation et aux agents."""

    id: str
    name: str | None


class MandateOut(msgspec.Struct, frozen=True):
    """Le mandat de l'employé qui dépose."""

    person_id: str
    from_on: str
    to_on: str


class EnrolmentFileOut(msgspec.Struct, frozen=True, kw_only=True):
    """Le dernier dossier déposé ; « decision » est null tant qu'aucun agent n'a répondu."""

    number: int
    submitted_at: str
    submitted_by: WhoOut
    certificate_reference: str
    solution: str
    representative_name: str
    representative_function: str
    representative_id: str | None
    mandate: MandateOut | None
    vat_liable: bool
    vat_from_on: str
    pieces: dict[str, str]
    decision: Literal["validated", "to_correct"] | None
    decided_at: str | None
    reasons: list[str]


class BankAccountOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un compte et l'histoire de sa demande. « iban » et « bic » ne sont donnés, à la lecture, qu'aux membres
    du fournisseur et à l'agent payeur ; les autres voient « iban_masked »."""

    id: str
    iban_masked: str
    iban: str | None
    bic: str | None
    state: ChangeState
    requested_at: str
    requested_by: WhoOut
    confirmed_at: str | None
    confirmed_by: WhoOut | None
    takes_effect_at: str | None
    stopped_at: str | None
    stopped_by: WhoOut | None
    actions: list[ActionOut]


class SupplierSummaryOut(msgspec.Struct, frozen=True, kw_only=True):
    """Un fournisseur : où en est son enrôlement, et ce qui manque avant tout paiement."""

    id: str
    kind: Literal["editor", "distributor"]
    name: str
    siren: str | None
    state: Literal["absent", "submitted", "to_correct", "validated"]
    complete: bool
    missing: list[str]


class SupplierOut(SupplierSummaryOut, frozen=True, kw_only=True):
    """Un fournisseur, son dernier dossier, le dossier et la situation de TVA en vigueur, ses comptes du plus
    récent au plus ancien."""

    validated_number: int | None
    vat_liable: bool | None
    file: EnrolmentFileOut | None
    bank_accounts: list[BankAccountOut]
    actions: list[ActionOut]


class SuppliersOut(msgspec.Struct, frozen=True):
    """Une page de fournisseurs ; « next » est null à la dernière."""

    suppliers: list[SupplierSummaryOut]
    next: str | None


def enrolment_file(body: EnrolmentIn) -> EnrolmentFile:
    """The file of a body, its identifiers and digests read."""
    person, mandate = body.representative.person_id, body.mandate
    given = msgspec.to_builtins(body.pieces)
    return EnrolmentFile(
        certificate_reference=body.certificate_reference,
        solution=body.solution,
        representative_name=body.representative.name,
        representative_function=body.representative.function,
        representative_id=None if person is None else UUID(person),
        mandate=None if mandate is None else Mandate(UUID(mandate.person_id), mandate.from_on, mandate.to_on),
        vat_liable=body.vat.liable,
        vat_from_on=body.vat.from_on,
        pieces={kind: bytes.fromhex(digest) for kind, digest in given.items() if digest is not None},
    )


def bank_account(body: BankAccountIn) -> tuple[BankNumbers, bytes]:
    """The account of a body and the digest of its statement.

    Raises:
        SonsError: `INVALID_REQUEST` with every fault; no message repeats the number.
    """
    return parse_bank_numbers(body.iban, body.bic), bytes.fromhex(body.statement_sha256)


def supplier_out(view: SupplierView) -> SupplierOut:
    """A supplier as JSON shows it; what a role may not see was left out before."""
    enrolment = view.enrolment
    return SupplierOut(
        **_summary(view),
        validated_number=None if enrolment is None else enrolment.validated_number,
        vat_liable=None if enrolment is None else enrolment.vat_liable,
        file=None if view.file is None else _file_out(view.file),
        bank_accounts=[_account_out(one) for one in view.changes],
        actions=actions_out(view.actions),
    )


def suppliers_out(page: SupplierPage) -> SuppliersOut:
    """A page of suppliers."""
    return SuppliersOut(
        [SupplierSummaryOut(**_summary(one)) for one in page.suppliers],
        None if page.next_after is None else str(page.next_after),
    )


def _summary(supplier: SupplierSummary) -> dict[str, Any]:
    return {
        "id": str(supplier.id),
        "kind": supplier.kind,
        "name": supplier.name,
        "siren": supplier.siren,
        "state": "absent" if supplier.enrolment is None else supplier.enrolment.state,
        "complete": not supplier.missing,
        "missing": list(supplier.missing),
    }


def _file_out(file: FileView) -> EnrolmentFileOut:
    mandate = file.mandate
    return EnrolmentFileOut(
        number=file.number,
        submitted_at=paris_text(file.submitted_at),
        submitted_by=WhoOut(str(file.submitted_by.id), file.submitted_by.name),
        certificate_reference=file.certificate_reference,
        solution=file.solution,
        representative_name=file.representative_name,
        representative_function=file.representative_function,
        representative_id=None if file.representative_id is None else str(file.representative_id),
        mandate=None
        if mandate is None
        else MandateOut(str(mandate.person_id), mandate.from_on.isoformat(), mandate.to_on.isoformat()),
        vat_liable=file.vat_liable,
        vat_from_on=file.vat_from_on.isoformat(),
        pieces=dict(file.pieces),
        decision=file.decision,
        decided_at=_instant(file.decided_at),
        reasons=list(file.reasons),
    )


def _account_out(change: ChangeView) -> BankAccountOut:
    return BankAccountOut(
        id=str(change.id),
        iban_masked=change.iban_masked,
        iban=change.iban,
        bic=change.bic,
        state=change.state,
        requested_at=paris_text(change.requested_at),
        requested_by=WhoOut(str(change.requested_by.id), change.requested_by.name),
        confirmed_at=_instant(change.confirmed_at),
        confirmed_by=_who(change.confirmed_by),
        takes_effect_at=_instant(change.takes_effect_at),
        stopped_at=_instant(change.stopped_at),
        stopped_by=_who(change.stopped_by),
        actions=actions_out(change.actions),
    )


def _instant(at: datetime | None) -> str | None:
    return None if at is None else paris_text(at)


def _who(who: Who | None) -> WhoOut | None:
    return None if who is None else WhoOut(str(who.id), who.name)
