"""The VA: prepared by the supplier, read and signed by the OG; one text, one digest, one signature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.identity_providers import SignatureKind
from sons_tracker.operations.actors import Actor, require, sees_all
from sons_tracker.operations.acts import Refused, perform, tell
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.session_proofs import IN_APPLICATION, kind_and_evidence
from sons_tracker.operations.signatures import Signer, check_consent, digest, facts_of, kept_as
from sons_tracker.operations.views import VerdictView, verdict_from_row, verdict_view
from sons_tracker.rules.actions import Action, Reason, reason_of
from sons_tracker.rules.deeds import order_actions, reasons
from sons_tracker.rules.dossier import Dossier
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.money_case import VaCase, VaLine
from sons_tracker.rules.texts import Law
from sons_tracker.rules.va import assess_va
from sons_tracker.rules.va_statement import VA_CONSENT, VaParties, va_statement
from sons_tracker.rules.verdicts import Outcome, Verdict

_ACTIONS = ("prepare_va", "sign_va", "request_solde")
_MOST_NAMED = 10
_NO_VA = "Aucune VA n'est préparée pour cette commande."


@dataclass(frozen=True, slots=True)
class VaDeclaration:
    """What the supplier declares, ESSMS by ESSMS; `deploiement_mss`: cas_1, cas_2, or None when unsaid."""

    lines: tuple[VaLine, ...]
    deploiement_mss: str | None = None


@dataclass(frozen=True, slots=True)
class SignatureView:
    """A signature as both parties and the agencies see it; `capacity`: responsible, or delegation, which is
    then named; None where it was not kept. `evidence`: what the provider of identity said of the signer, for
    the OG and the agencies alone."""

    kind: str
    signed_at: datetime
    signer_name: str
    signer_function: str
    capacity: str | None
    delegation_id: UUID | None
    evidence: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class VaView:
    """The VA in force of an order; `verdicts` are those of its signature, before it those of its preparation.

    `actions`: what the reader may do about the VA and the solde now, and why not.
    """

    id: UUID
    order_id: UUID
    order_number: str
    number: int
    state: str
    prepared_at: datetime
    deploiement_mss: str | None
    statement: str
    statement_sha256: bytes
    lines: tuple[VaLine, ...]
    verdicts: tuple[VerdictView, ...]
    signature: SignatureView | None
    actions: tuple[Action, ...]


Render = Callable[[VaView | Refused], Answer]


async def prepare_va(
    actor: Actor,
    order_id: UUID,
    declared: VaDeclaration,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Prepares the VA of one of the actor's own validated orders, in place of the one before.

    All or nothing (R18): a fact that fails, an ESSMS that is missing or one too many refuses the whole, each
    with what would repair it. What the OG will be shown is written here, once.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, and those of `perform`.
    """
    require(actor, "va.prepare")

    async def work(con: asyncpg.Connection) -> VaView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = reasons("prepare_va", dossier, law, at)
        verdicts = _of_essms(assess_va(_case(dossier, declared.lines, at), law, known_on(at)))
        if against or _failed(verdicts):
            return _refused(order_id, (*against, *_failed(verdicts)))
        await con.execute(
            "update va set state = 'withdrawn', withdrawn_at = $2"
            " where order_id = $1 and state <> 'withdrawn'",
            order_id,
            at,
        )
        facts = await _write(con, actor, dossier, declared, verdicts, law, at)
        await tell(con, actor, at, "va.prepared", dossier, facts)
        return await _view(con, actor, order_id, law, at)

    return await perform(actor, at, key, work, render)


async def sign_va(
    actor: Actor,
    order_id: UUID,
    shown: bytes,
    signer: Signer,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Signs the VA that waits, for the OG of the order, in the application (R17, level eIDAS simple).

    `shown` is the SHA-256 of the text that the signer was shown: another one than that of the present text
    is refused. Kept as evidence: that digest, the person, how it was identified (and what its provider of
    identity said, when one did), the instant, the consent.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND`, the same for another OG's order; `INVALID_REQUEST` for another
            sentence of consent; those of `perform`.
    """
    require(actor, "va.sign")
    check_consent(signer, VA_CONSENT)

    async def work(con: asyncpg.Connection) -> VaView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = reasons("sign_va", dossier, law, at)
        if against or dossier.va is None:
            return _refused(order_id, against)
        capacity = dossier.capacity("va", at)
        va_id = dossier.va.id
        if shown != await con.fetchval("select statement_sha256 from va where id = $1", va_id):
            return _refused(order_id, (_CHANGED,))
        lines = await _lines(con, va_id)
        kind, evidence = await kind_and_evidence(con, actor, dossier.og_finess)
        verdicts = assess_va(_case(dossier, lines, at, kind), law, known_on(at))
        if _failed(verdicts):
            return _refused(order_id, _failed(verdicts))
        await con.execute(
            "insert into va_signature (va_id, order_id, supplier_id, og_id, kind, statement_sha256, consent,"
            " signer_name, signer_function, signed_at, person_id, role, auth_level, token_id, verdicts,"
            " law_digest, known_on, capacity, delegation_id, evidence) values"
            " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
            va_id,
            order_id,
            dossier.supplier_id,
            dossier.og_id,
            kind,
            shown,
            signer.consent,
            signer.name,
            signer.function,
            at,
            actor.person_id,
            actor.role,
            actor.auth_level,
            actor.token_id,
            [verdict_view(verdict) for verdict in verdicts],
            law.digest,
            known_on(at),
            *kept_as(capacity),
            evidence,
        )
        await con.execute("update va set state = 'signed' where id = $1", va_id)
        facts = {
            "va_id": str(va_id),
            "statement_sha256": shown.hex(),
            "kind": kind,
            **facts_of(capacity),
        }
        await tell(con, actor, at, "va.signed", dossier, facts)
        return await _view(con, actor, order_id, law, at)

    return await perform(actor, at, key, work, render)


async def find_va(actor: Actor, order_id: UUID, law: Law, at: datetime) -> VaView:
    """The VA in force of an order that the actor may see, with its text.

    Raises:
        SonsError: `NOT_FOUND`: no such order for this actor, or no VA yet.
    """
    require(actor, "va.read")
    async with transaction(actor.context, read_only=True) as con:
        return await _view(con, actor, order_id, law, at)


_CHANGED = Reason(
    "Le document a changé : ce n'est plus le texte qui vous a été montré.",
    "Relire la VA, puis signer le texte affiché.",
    "R17",
)


def _refused(order_id: UUID, against: tuple[Reason, ...]) -> Refused:
    return Refused("va.refused", "order", str(order_id), against)


def _case(
    dossier: Dossier, lines: tuple[VaLine, ...], at: datetime, kind: SignatureKind = IN_APPLICATION
) -> VaCase:
    """The VA as it would be signed at `at`, in the application, by its OG."""
    return VaCase(
        dispositif=dossier.dispositif,
        signed_at=at,
        signer_is_og=True,
        signature_kind=kind,
        lines=lines,
        expected=tuple(FinessGeographique(line.finess) for line in dossier.kept),
    )


def _of_essms(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """What can be said before anybody signs; who signs, and when, is judged at the signature."""
    return tuple(verdict for verdict in verdicts if verdict.essms)


def _failed(verdicts: Iterable[Verdict]) -> tuple[Reason, ...]:
    """The verdicts that refuse a VA, as reasons that name their ESSMS."""
    return tuple(_reason(verdict) for verdict in verdicts if verdict.outcome is Outcome.FAIL)


def _reason(verdict: Verdict) -> Reason:
    reason = reason_of(verdict)
    if not verdict.essms:
        return reason
    named = ", ".join(verdict.essms[:_MOST_NAMED])
    more = len(verdict.essms) - _MOST_NAMED
    others = f" et {more} autre{'s' if more > 1 else ''}" if more > 0 else ""
    return Reason(f"ESSMS {named}{others} : {reason.message}", reason.remedy, reason.rule, reason.source)


_PARTIES = """
select s.name as supplier, s.siren, coalesce((
  select coalesce(e.long_name, e.name) from legal_entity e
  where e.finess_juridique = $2 order by e.valid_from desc limit 1), 'OG ' || $2) as og
from organisation s where s.id = $1
"""


async def _write(
    con: asyncpg.Connection,
    actor: Actor,
    dossier: Dossier,
    declared: VaDeclaration,
    verdicts: tuple[Verdict, ...],
    law: Law,
    at: datetime,
) -> dict[str, Any]:
    """The VA with its lines and its text; returns what is told of it."""
    names = await con.fetchrow(_PARTIES, dossier.supplier_id, dossier.og_finess)
    number = await con.fetchval("select 1 + count(*) from va where order_id = $1", dossier.id)
    parties = VaParties(
        number=dossier.number,
        dispositif=dossier.dispositif,
        signed_on=dossier.signed_on,
        solution_version=dossier.solution_version,
        supplier=names["supplier"],
        supplier_siren=names["siren"],
        og=names["og"],
        og_finess=dossier.og_finess,
    )
    text = va_statement(parties, number, declared.lines, declared.deploiement_mss, at)
    va_id = uuid4()
    sha256 = digest(text)
    await con.execute(
        "insert into va (id, order_id, supplier_id, og_id, number, state, version, covered, deploiement_mss,"
        " statement, statement_sha256, prepared_at, prepared_by, verdicts, law_digest, known_on)"
        " values ($1, $2, $3, $4, $5, 'prepared', 1, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        va_id,
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        number,
        len(declared.lines),
        declared.deploiement_mss,
        text,
        sha256,
        at,
        actor.person_id,
        [verdict_view(verdict) for verdict in verdicts],
        law.digest,
        known_on(at),
    )
    lines = sorted(declared.lines, key=lambda line: line.finess)
    await con.execute(
        "insert into va_line (va_id, finess_geographique, order_id, supplier_id, og_id, dui_deployed,"
        " tbb1_supplied, accompanied, active, with_project, with_event)"
        " select $1, finess, $2, $3, $4, dui, tbb1, accompanied, active, project, event"
        " from unnest($5::text[], $6::boolean[], $7::boolean[], $8::int[], $9::int[], $10::int[], $11::int[])"
        " as l (finess, dui, tbb1, accompanied, active, project, event)",
        va_id,
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        [line.finess for line in lines],
        [line.dui_deployed for line in lines],
        [line.tbb1_supplied for line in lines],
        [line.accompanied for line in lines],
        [line.active for line in lines],
        [line.with_project for line in lines],
        [line.with_event for line in lines],
    )
    return {
        "va_id": str(va_id),
        "va_number": number,
        "essms": len(lines),
        "statement_sha256": sha256.hex(),
    }


_VA = """
select v.id, v.number, v.state, v.prepared_at, v.deploiement_mss, v.statement, v.statement_sha256,
       coalesce(s.verdicts, v.verdicts) as verdicts, s.kind, s.signed_at, s.signer_name, s.signer_function,
       s.capacity, s.delegation_id, s.evidence
from va v left join va_signature s on s.va_id = v.id where v.id = $1
"""


async def _view(con: asyncpg.Connection, actor: Actor, order_id: UUID, law: Law, at: datetime) -> VaView:
    dossier = await load_dossier(con, actor, order_id, at)
    if dossier.va is None:
        raise SonsError(ErrorCode.NOT_FOUND, _NO_VA, remedy="Attendre que le fournisseur prépare la VA.")
    row = await con.fetchrow(_VA, dossier.va.id)
    signature = None
    if row["signed_at"] is not None:
        shown = actor.organisation_id == dossier.og_id or sees_all(actor, "va.read")
        signature = SignatureView(
            row["kind"], row["signed_at"], row["signer_name"], row["signer_function"], row["capacity"],
            row["delegation_id"], row["evidence"] if shown else None,
        )  # fmt: skip
    return VaView(
        id=row["id"],
        order_id=order_id,
        order_number=dossier.number,
        number=row["number"],
        state=row["state"],
        prepared_at=row["prepared_at"],
        deploiement_mss=row["deploiement_mss"],
        statement=row["statement"],
        statement_sha256=row["statement_sha256"],
        lines=await _lines(con, row["id"]),
        verdicts=tuple(verdict_from_row(verdict) for verdict in row["verdicts"]),
        signature=signature,
        actions=tuple(one for one in order_actions(dossier, actor.role, law, at) if one.code in _ACTIONS),
    )


async def _lines(con: asyncpg.Connection, va_id: UUID) -> tuple[VaLine, ...]:
    rows = await con.fetch(
        "select finess_geographique as finess, dui_deployed, tbb1_supplied, accompanied, active,"
        " with_project, with_event from va_line where va_id = $1 order by finess_geographique",
        va_id,
    )
    return tuple(VaLine(**{**dict(row), "finess": FinessGeographique(row["finess"])}) for row in rows)
