"""The steps of a cancellation, in the transaction of an act: opened, completed, judged, carried out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg

from sons_tracker.operations.actors import Actor
from sons_tracker.operations.acts import tell
from sons_tracker.operations.corrections import answer_delay
from sons_tracker.operations.endings import Ending, end_order
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.signatures import Signer, digest, kept_as
from sons_tracker.operations.views import verdict_view
from sons_tracker.rules.actions import Reason, reason_of
from sons_tracker.rules.cancellation import assess_cancellation, cancellation_reasons
from sons_tracker.rules.context import dispositif_of
from sons_tracker.rules.declarations import renunciation_text
from sons_tracker.rules.dossier import Dossier, DossierCancellation
from sons_tracker.rules.identifiers import FinessGeographique
from sons_tracker.rules.life_endings import MOTIVE_WORDS, va_deposited_at
from sons_tracker.rules.money_case import ACQUISITION, AGREEMENT, PIECES, RENUNCIATION, STATEMENT
from sons_tracker.rules.money_case import CancellationCase as Case
from sons_tracker.rules.parameters import Version, required
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome, Verdict

ANSWER_RULE = "cancellation"
_HELD = (Outcome.REVIEW, Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Judged:
    """What R29 says of a cancellation, at the instant that it compares."""

    cancelled_at: datetime
    verdicts: tuple[Verdict, ...]

    @property
    def forbidden(self) -> tuple[Reason, ...]:
        """The reasons of R29 against it, whatever anybody decides."""
        return tuple(reason_of(v) for v in self.verdicts if v.outcome is Outcome.FAIL)

    @property
    def held(self) -> bool:
        """Whether a person must speak."""
        return any(verdict.outcome in _HELD for verdict in self.verdicts)


def judge_cancellation(
    dossier: Dossier,
    motive: str,
    for_acquisition: bool | None,
    cancelled_at: datetime,
    law: Law,
    at: datetime,
) -> Judged:
    """What R29 says of a cancellation of that instant, the law being known as it is at `at`."""
    case = _case(dossier, motive, for_acquisition, cancelled_at)
    return Judged(cancelled_at, assess_cancellation(case, law, known_on(at)))


def motive_reasons(
    dossier: Dossier, motive: str, for_acquisition: bool | None, law: Law, at: datetime
) -> tuple[Reason, ...]:
    """What no piece repairs: a motive that the law does not know, or that contradicts what is declared."""
    return cancellation_reasons(_case(dossier, motive, for_acquisition, at), law, known_on(at))


async def open_cancellation(
    con: asyncpg.Connection,
    actor: Actor,
    dossier: Dossier,
    motive: str,
    for_acquisition: bool | None,
    law: Law,
    at: datetime,
) -> DossierCancellation:
    """Writes a cancellation with the pieces that the law asks; an OG's opens the delay of the supplier."""
    pieces = required(_pieces(dossier, law, at))[motive]
    purpose = True if motive == ACQUISITION else for_acquisition
    signs = RENUNCIATION in pieces or AGREEMENT in pieces
    document = renunciation_text(dossier, motive, purpose, AGREEMENT in pieces) if signs else None
    asked_by_og = actor.role == "og"
    due_at, source = answer_delay(law, dossier, at) if asked_by_og and STATEMENT in pieces else (None, "")
    opened = DossierCancellation(
        id=uuid4(),
        state="open",
        motive=motive,
        for_acquisition=purpose,
        asked_by="og" if asked_by_og else "supplier",
        asked_at=at,
        required=pieces,
        given=(),
        attested_at=None,
        answer_due_at=due_at,
        document=document,
    )
    await con.execute(
        "insert into cancellation (id, order_id, supplier_id, og_id, number, state, version, motive,"
        " for_acquisition, required, document, document_sha256, asked_at, asked_by, asked_for, asked_role,"
        " answer_due_at)"
        " select $1, $2, $3, $4, 1 + count(*), 'open', 1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14"
        " from cancellation where order_id = $2",
        opened.id,
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        motive,
        purpose,
        list(pieces),
        document,
        None if document is None else digest(document),
        at,
        actor.person_id,
        actor.organisation_id,
        actor.role,
        due_at,
    )
    if due_at is not None:
        await con.execute(
            "insert into deadline (rule, object_id, due_at, kind, order_id, supplier_id, og_id, facts)"
            " values ($1, $2, $3, 'answer', $4, $5, $6, $7)",
            ANSWER_RULE,
            str(opened.id),
            due_at,
            dossier.id,
            dossier.supplier_id,
            dossier.og_id,
            {"label": "Réponse du fournisseur à l'annulation", "source": source, "a_confirmer": True},
        )
    return opened


async def join_piece(
    con: asyncpg.Connection,
    actor: Actor,
    dossier: Dossier,
    asked: DossierCancellation,
    kind: str,
    text: str,
    signer: Signer,
    at: datetime,
) -> DossierCancellation:
    """Writes a piece with its evidence; returns the cancellation as it then is."""
    await con.execute(
        "insert into cancellation_piece (cancellation_id, kind, order_id, supplier_id, og_id, text, sha256,"
        " consent, given_at, person_id, organisation_id, role, auth_level, token_id, signer_name,"
        " signer_function, capacity, delegation_id)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        asked.id,
        kind,
        dossier.id,
        dossier.supplier_id,
        dossier.og_id,
        text,
        digest(text),
        signer.consent,
        at,
        actor.person_id,
        actor.organisation_id,
        actor.role,
        actor.auth_level,
        actor.token_id,
        signer.name,
        signer.function,
        *kept_as(dossier.capacity("renunciation", at) if kind == RENUNCIATION else None),
    )
    attested_at = at if kind == RENUNCIATION else asked.attested_at
    return replace(asked, given=(*asked.given, kind), attested_at=attested_at)


async def go_on(
    con: asyncpg.Connection,
    actor: Actor,
    dossier: Dossier,
    asked: DossierCancellation,
    law: Law,
    at: datetime,
) -> tuple[Reason, ...]:
    """What follows a piece: nothing while one is missing; else carried out, or held for a reviewer.

    R29 is asked at every piece, and what it forbids is returned: the caller refuses.
    """
    judged = judge_cancellation(
        dossier, asked.motive, asked.for_acquisition, asked.attested_at or at, law, at
    )
    if judged.forbidden:
        return judged.forbidden
    if asked.waits_for_statement or asked.waits_for_attestation:
        return ()
    if judged.held:
        await con.execute(
            "update cancellation set state = 'to_settle', cancelled_at = $2, verdicts = $3, law_digest = $4,"
            " known_on = $5 where id = $1",
            asked.id,
            *_said(judged, law, at),
        )
        await tell_step(con, actor, at, "cancellation.held", dossier, asked)
    else:
        await carry_out(con, actor, dossier, asked, judged, law, at, None)
    return ()


async def carry_out(
    con: asyncpg.Connection,
    actor: Actor,
    dossier: Dossier,
    asked: DossierCancellation,
    judged: Judged | None,
    law: Law,
    at: datetime,
    reason: str | None,
) -> None:
    """Ends the order, then the cancellation; `judged` is None when what R29 said is kept already."""
    facts: dict[str, Any] = {"cancellation_id": str(asked.id), "motive": asked.motive}
    source = f"Annulation, motif : {MOTIVE_WORDS[asked.motive]} ; {_pieces(dossier, law, at).source}"
    await end_order(con, actor, at, dossier, Ending("cancelled", "cancelled", source, facts))
    await close(
        con, actor, asked, "carried_out", at, reason, None if judged is None else _said(judged, law, at)
    )


async def close(
    con: asyncpg.Connection,
    actor: Actor,
    asked: DossierCancellation,
    state: str,
    at: datetime,
    reason: str | None,
    said: tuple[Any, ...] | None = None,
) -> None:
    """Writes the end of a cancellation, with its reason where somebody decided."""
    await con.execute(
        "update cancellation set state = $2, closed_at = $3, closed_by = $4, closed_role = $5, reason = $6,"
        " cancelled_at = coalesce($7, cancelled_at), verdicts = coalesce($8, verdicts),"
        " law_digest = coalesce($9, law_digest), known_on = coalesce($10, known_on) where id = $1",
        asked.id,
        state,
        at,
        actor.person_id,
        actor.role,
        reason,
        *(said or (None, None, None, None)),
    )
    await supersede_answer(con, asked, at)


async def supersede_answer(con: asyncpg.Connection, asked: DossierCancellation, at: datetime) -> None:
    """The supplier answered, or there is nothing to answer any more."""
    await con.execute(
        "update deadline set superseded_at = $3 where rule = $1 and object_id = $2 and fired_at is null"
        " and superseded_at is null",
        ANSWER_RULE,
        str(asked.id),
        at,
    )


async def tell_step(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    event: str,
    dossier: Dossier,
    asked: DossierCancellation,
    **facts: Any,
) -> None:
    """Journals and announces one step of a cancellation."""
    known = {"cancellation_id": str(asked.id), "motive": asked.motive}
    await tell(con, actor, at, event, dossier, {**known, **facts})


def _case(dossier: Dossier, motive: str, for_acquisition: bool | None, cancelled_at: datetime) -> Case:
    return Case(
        dispositif=dossier.dispositif,
        essms=tuple(FinessGeographique(line.finess) for line in dossier.kept),
        cancelled_at=cancelled_at,
        motive=motive,
        for_acquisition=for_acquisition,
        va_deposited_at=va_deposited_at(dossier),
        pieces=frozenset(PIECES),  # those that are missing are waited for: they refuse nothing
    )


def _pieces(dossier: Dossier, law: Law, at: datetime) -> Version[Any]:
    known = known_on(at)
    return dispositif_of(law, dossier.dispositif)[1].cancellation_pieces.in_force(known, known)


def _said(judged: Judged, law: Law, at: datetime) -> tuple[Any, ...]:
    """What R29 said, as it is kept: instant, verdicts, law, day of what was known."""
    return judged.cancelled_at, [verdict_view(v) for v in judged.verdicts], law.digest, known_on(at)
