"""The file of a supplier: submitted by who may speak for it, then validated or sent back by an agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from sons_tracker.db import journal
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.outbox import announce
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.supplier_views import Mandate, SupplierView
from sons_tracker.operations.suppliers import load_supplier, lock_supplier
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.french import date_fr

Render = Callable[[SupplierView | Refused], Answer]
CERTIFICATE, MANDATE, EXEMPTION = "referencing_certificate", "mandate", "vat_exemption"
PIECES = (CERTIFICATE, MANDATE, EXEMPTION)


@dataclass(frozen=True, slots=True)
class EnrolmentFile:
    """What a supplier submits. `pieces` are the SHA-256 (32 bytes) of each piece by its kind.

    `representative_id` is the legal representative as a member of the supplier, when he or she is one.
    """

    certificate_reference: str
    solution: str
    representative_name: str
    representative_function: str
    representative_id: UUID | None
    mandate: Mandate | None
    vat_liable: bool
    vat_from_on: date
    pieces: dict[str, bytes]


async def submit(
    actor: Actor, supplier_id: UUID, file: EnrolmentFile, at: datetime, key: Key, render: Render
) -> Answer:
    """Submits a file for the actor's own organisation; it waits for an agent, the former stays in force.

    Refused when the actor is neither the legal representative nor holds a mandate that covers the Paris day
    of `at`.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND` for another organisation, `INVALID_REQUEST` for a file that
            contradicts itself or names somebody who is no member; what `perform` raises.
    """
    require(actor, "enrolment.submit")
    _check(file)

    async def work(con: asyncpg.Connection) -> SupplierView | Refused:
        await lock_supplier(con, supplier_id)
        await load_supplier(con, actor, supplier_id, at)
        await _check_members(con, supplier_id, file)
        if reasons := _may_not_file(actor, file, known_on(at)):
            return Refused("enrolment.refused", "supplier", str(supplier_id), reasons)
        number: int = await con.fetchval(
            "select coalesce(max(number), 0) + 1 from enrolment where supplier_id = $1", supplier_id
        )
        await _write(con, actor, supplier_id, number, file, at)
        facts = {"number": number, "vat_liable": file.vat_liable, "vat_from_on": file.vat_from_on.isoformat()}
        await journal.record(con, actor, at, "enrolment.submitted", "supplier", str(supplier_id), facts)
        await announce(con, at, "enrolment.submitted", "supplier", str(supplier_id), (supplier_id,), facts)
        return await load_supplier(con, actor, supplier_id, at)

    return await perform(actor, at, key, work, render)


async def validate(
    actor: Actor, supplier_id: UUID, number: int, at: datetime, key: Key, render: Render
) -> Answer:
    """Validates file `number`, which the agent has read: it is in force from `at` on.

    Refused when another file came since, when it was decided already, or when the list of the ANS as known
    that day shows no referenced version of the solution for this supplier.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`; what `perform` raises.
    """
    return await _decide(actor, supplier_id, number, (), at, key, render)


async def ask_correction(
    actor: Actor,
    supplier_id: UUID,
    number: int,
    reasons: tuple[str, ...],
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Sends file `number` back, with what is to be corrected; refused and raises as `validate`.

    Raises:
        SonsError: `INVALID_REQUEST` without a reason.
    """
    if not reasons:
        problem = "Un renvoi dit ce qui est à modifier."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.reasons", problem),))
    return await _decide(actor, supplier_id, number, reasons, at, key, render)


async def _decide(
    actor: Actor,
    supplier_id: UUID,
    number: int,
    wrong: tuple[str, ...],
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    require(actor, "enrolment.decide")

    async def work(con: asyncpg.Connection) -> SupplierView | Refused:
        await lock_supplier(con, supplier_id)
        view = await load_supplier(con, actor, supplier_id, at)
        reasons = view.action("enrolment_correction" if wrong else "enrolment_validate").reasons
        if view.file is not None and view.file.number != number:
            reasons = (
                Reason(
                    f"Le dossier n° {number} n'est pas le dernier : le n° {view.file.number} a été déposé.",
                    "Lire le dernier dossier, puis décider.",
                ),
            )
        if reasons:
            return Refused("enrolment.refused", "supplier", str(supplier_id), reasons)
        await con.execute(
            "insert into enrolment_decision (supplier_id, number, decision, decided_at, decided_by,"
            " organisation_id, role, reasons) values ($1, $2, $3, $4, $5, $6, $7, $8)",
            supplier_id,
            number,
            "to_correct" if wrong else "validated",
            at,
            actor.person_id,
            actor.organisation_id,
            actor.role,
            list(wrong),
        )
        event = "enrolment.correction_asked" if wrong else "enrolment.validated"
        await journal.record(con, actor, at, event, "supplier", str(supplier_id), {"number": number})
        told = {"number": number, "reasons": list(wrong)}
        await announce(con, at, event, "supplier", str(supplier_id), (supplier_id,), told)
        return await load_supplier(con, actor, supplier_id, at)

    return await perform(actor, at, key, work, render)


def _check(file: EnrolmentFile) -> None:
    expected = {CERTIFICATE: True, MANDATE: file.mandate is not None, EXEMPTION: not file.vat_liable}
    why = {
        CERTIFICATE: "L'attestation de référencement est jointe à tout dossier.",
        MANDATE: "La pièce « mandate » est jointe quand le dossier nomme un mandataire, et alors seulement.",
        EXEMPTION: "La pièce « vat_exemption » est jointe par qui n'est pas redevable de la TVA, et par lui"
        " seulement.",
    }
    faults = [
        Fault(f"$.pieces.{kind}", why[kind])
        for kind, wanted in expected.items()
        if wanted is not (kind in file.pieces)
    ]
    if file.mandate is not None and file.mandate.to_on < file.mandate.from_on:
        faults.append(Fault("$.mandate.to_on", "Le mandat finit avant de commencer."))
    _raise(faults)


async def _check_members(con: asyncpg.Connection, supplier_id: UUID, file: EnrolmentFile) -> None:
    named = {"$.representative.person_id": file.representative_id}
    if file.mandate is not None:
        named["$.mandate.person_id"] = file.mandate.person_id
    members = await con.fetch(
        "select person_id from membership where organisation_id = $1 and removed_at is null", supplier_id
    )
    known = {row["person_id"] for row in members} | {None}
    problem = "Aucune personne de votre organisation n'a cet identifiant."
    _raise([Fault(path, problem) for path, person_id in named.items() if person_id not in known])


def _raise(faults: list[Fault]) -> None:
    if faults:
        more = "" if len(faults) == 1 else f" ({len(faults)} défauts)"
        detail = f"Le dossier est mal formé : {faults[0].message}{more}"
        raise SonsError(ErrorCode.INVALID_REQUEST, detail, tuple(faults))


def _may_not_file(actor: Actor, file: EnrolmentFile, today: date) -> tuple[Reason, ...]:
    if actor.person_id == file.representative_id:
        return ()
    if file.mandate is None or file.mandate.person_id != actor.person_id:
        return (
            Reason(
                "Le dossier est déposé par le représentant légal, ou par l'employé qu'il mandate.",
                "Le faire déposer par le représentant légal, ou joindre un mandat à votre nom.",
            ),
        )
    if not file.mandate.from_on <= today <= file.mandate.to_on:
        period = f"du {date_fr(file.mandate.from_on)} au {date_fr(file.mandate.to_on)}"
        return (
            Reason(
                f"Le mandat vaut {period} : il ne couvre pas le {date_fr(today)}.",
                "Joindre un mandat en cours.",
            ),
        )
    return ()


async def _write(
    con: asyncpg.Connection, actor: Actor, supplier_id: UUID, number: int, file: EnrolmentFile, at: datetime
) -> None:
    mandate = file.mandate
    await con.execute(
        "insert into enrolment (supplier_id, number, supplier_kind, submitted_at, submitted_by,"
        " certificate_reference, solution, representative_name, representative_function, representative_id,"
        " mandated_id, mandate_from_on, mandate_to_on, vat_liable, vat_from_on)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        supplier_id,
        number,
        actor.role,
        at,
        actor.person_id,
        file.certificate_reference,
        file.solution,
        file.representative_name,
        file.representative_function,
        file.representative_id,
        None if mandate is None else mandate.person_id,
        None if mandate is None else mandate.from_on,
        None if mandate is None else mandate.to_on,
        file.vat_liable,
        file.vat_from_on,
    )
    await con.execute(
        "insert into enrolment_piece (supplier_id, number, kind, sha256)"
        " select $1, $2, * from unnest($3::text[], $4::bytea[])",
        supplier_id,
        number,
        list(file.pieces),
        list(file.pieces.values()),
    )
