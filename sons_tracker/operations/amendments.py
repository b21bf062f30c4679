"""Amendments (avenants): the supplier and the OG agree to take some ESSMS out of an order (R18, C10).

One party proposes, another person of the other party accepts the exact text, or refuses it. The ESSMS are
then free; what the advance paid for them stays received, and is compensated in the solde. Adding ESSMS is a
new order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.db.journal import Said
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform, tell
from sons_tracker.operations.dossier import load_dossier
from sons_tracker.operations.endings import unplan
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.signatures import Signer, check_consent, digest, facts_of, kept_as
from sons_tracker.rules.actions import Action, Reason
from sons_tracker.rules.declarations import AMENDMENT_CONSENT, amendment_text
from sons_tracker.rules.deeds import order_actions, reasons
from sons_tracker.rules.dossier import Dossier, DossierAmendment
from sons_tracker.rules.life_endings import removal_reasons
from sons_tracker.rules.lifecycle import AMENDMENT_WORDS
from sons_tracker.rules.texts import Law

_ACTIONS = ("agree_amendment", "refuse_amendment", "withdraw_amendment")
_UNKNOWN = "Aucun avenant visible de cette commande ne porte cet identifiant."


@dataclass(frozen=True, slots=True)
class AmendmentView:
    """An amendment: the ESSMS that it takes out, the text that both sign, and what was answered.

    `number` counts the amendments of the order from 1; roles are those of the persons who acted, capacities
    those in which a member of the OG signed, with the delegation.
    """

    id: UUID
    order_id: UUID
    order_number: str
    order_state: str
    number: int
    state: str
    removed: tuple[str, ...]
    document: str
    document_sha256: str
    proposed_at: datetime
    proposed_role: str
    proposer_name: str
    proposer_function: str
    proposed_capacity: str | None
    proposed_delegation_id: UUID | None
    closed_at: datetime | None
    closed_role: str | None
    signer_name: str | None
    signer_function: str | None
    closed_capacity: str | None
    closed_delegation_id: UUID | None
    refusal: str | None
    actions: tuple[Action, ...] = ()


Render = Callable[[AmendmentView | Refused], Answer]


async def propose(
    actor: Actor,
    order_id: UUID,
    removed: Sequence[str],
    name: str,
    function: str,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Proposes to the other party to take these ESSMS out of the order; `name` and `function` are those of
    who signs the proposal.

    Refused when they are not in the order or would empty it, when the advance is due and not yet paid, when
    the solde is asked, when something else is pending.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "amendment.propose")

    async def work(con: asyncpg.Connection) -> AmendmentView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        against = (
            *reasons("propose_amendment", dossier, law, at, actor.role),
            *removal_reasons(dossier, removed),
        )
        if against:
            return _refused(order_id, against)
        essms = sorted({str(number) for number in removed})  # plain text: an encoder knows no subclass
        number = 1 + await con.fetchval("select count(*) from amendment where order_id = $1", order_id)
        amendment_id = uuid4()
        document = amendment_text(dossier, number, essms)
        await con.execute(
            "insert into amendment (id, order_id, supplier_id, og_id, number, state, version, removed,"
            " document, document_sha256, proposed_at, proposed_by, proposed_for, proposed_role,"
            " proposed_auth_level, proposed_token_id, proposer_name, proposer_function, proposed_capacity,"
            " proposed_delegation_id)"
            " values ($1, $2, $3, $4, $5, 'proposed', 1, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
            " $17, $18)",
            amendment_id,
            order_id,
            dossier.supplier_id,
            dossier.og_id,
            number,
            len(essms),
            document,
            digest(document),
            at,
            actor.person_id,
            actor.organisation_id,
            actor.role,
            actor.auth_level,
            actor.token_id,
            name,
            function,
            *kept_as(dossier.capacity("amendment", at)),
        )
        await con.execute(
            "insert into amendment_line (amendment_id, finess_geographique, order_id, supplier_id, og_id)"
            " select $1, n, $3, $4, $5 from unnest($2::text[]) as n order by n",
            amendment_id,
            essms,
            order_id,
            dossier.supplier_id,
            dossier.og_id,
        )
        await _tell(con, actor, at, "proposed", dossier, amendment_id, essms)
        return await _load(con, actor, order_id, amendment_id, law, at)

    return await perform(actor, at, key, work, render)


async def agree(
    actor: Actor,
    order_id: UUID,
    amendment_id: UUID,
    document_sha256: bytes,
    signer: Signer,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Accepts an amendment in the name of the other party: its ESSMS are free, and nothing more is planned
    for them.

    Refused to the party and to the person that proposed it, and when `document_sha256` (32 bytes) is not
    that of its text.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` for another consent; what `perform` raises.
    """
    require(actor, "amendment.agree")
    check_consent(signer, AMENDMENT_CONSENT)

    async def work(con: asyncpg.Connection) -> AmendmentView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        found = await _open(con, dossier, amendment_id, "agree_amendment", actor, law, at)
        if isinstance(found, Refused):
            return found
        against = (
            *removal_reasons(dossier, found.removed),
            *((_OTHER_TEXT,) if document_sha256 != digest(found.document) else ()),
            *((_SAME_PERSON,) if actor.person_id == found.proposer_id else ()),
        )
        if against:
            return _refused(order_id, against)
        await con.execute(
            "update amendment set state = 'agreed', closed_at = $2, closed_by = $3, closed_for = $4,"
            " closed_role = $5, closed_auth_level = $6, closed_token_id = $7, signed_sha256 = $8,"
            " signer_name = $9, signer_function = $10, consent = $11, closed_capacity = $12,"
            " closed_delegation_id = $13 where id = $1",
            amendment_id,
            *_closer(actor, at),
            document_sha256,
            signer.name,
            signer.function,
            signer.consent,
            *kept_as(dossier.capacity("amendment", at)),
        )
        await con.execute(
            "update claim set released_at = $3, release_reason = 'removed_from_perimeter'"
            " where order_id = $1 and finess_geographique = any($2) and released_at is null",
            order_id,
            list(found.removed),
            at,
        )
        await unplan(con, {order_id: at}, "removed", essms=found.removed)
        await _tell(con, actor, at, "agreed", dossier, amendment_id, found.removed)
        return await _load(con, actor, order_id, amendment_id, law, at)

    return await perform(actor, at, key, work, render)


async def refuse(
    actor: Actor,
    order_id: UUID,
    amendment_id: UUID,
    reason: str,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Refuses an amendment in the name of the other party, with its reason: the order stays as it is.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "amendment.refuse")
    return await _close(
        actor, order_id, amendment_id, "refuse_amendment", "refused", reason, law, at, key, render
    )


async def withdraw(
    actor: Actor, order_id: UUID, amendment_id: UUID, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Takes back an amendment that was not answered, by the party that proposed it.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, what `perform` raises.
    """
    require(actor, "amendment.withdraw")
    return await _close(
        actor, order_id, amendment_id, "withdraw_amendment", "withdrawn", None, law, at, key, render
    )


async def find_amendments(actor: Actor, order_id: UUID, law: Law, at: datetime) -> tuple[AmendmentView, ...]:
    """The amendments of an order that the actor may see, the newest first.

    Raises:
        SonsError: `NOT_FOUND`, the same for an unknown order and for another organisation's.
    """
    require(actor, "amendment.read")
    async with transaction(actor.context, read_only=True) as con:
        return await _load_all(con, actor, order_id, law, at)


async def find_amendment(
    actor: Actor, order_id: UUID, amendment_id: UUID, law: Law, at: datetime
) -> AmendmentView:
    """One amendment of an order that the actor may see.

    Raises:
        SonsError: `NOT_FOUND`.
    """
    require(actor, "amendment.read")
    async with transaction(actor.context, read_only=True) as con:
        return await _load(con, actor, order_id, amendment_id, law, at)


_OTHER_TEXT = Reason(
    "L'empreinte n'est pas celle du texte de cet avenant.",
    "Relire l'avenant, puis l'accepter avec l'empreinte qui l'accompagne.",
)
_SAME_PERSON = Reason(
    "La personne qui a proposé l'avenant ne peut pas l'accepter au nom de l'autre partie.",
    "Le faire accepter par une autre personne.",
)


async def _close(
    actor: Actor,
    order_id: UUID,
    amendment_id: UUID,
    deed: str,
    state: str,
    refusal: str | None,
    law: Law,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Ends an amendment that changes nothing."""

    async def work(con: asyncpg.Connection) -> AmendmentView | Refused:
        dossier = await load_dossier(con, actor, order_id, at, lock=True)
        found = await _open(con, dossier, amendment_id, deed, actor, law, at)
        if isinstance(found, Refused):
            return found
        await con.execute(
            "update amendment set state = $8, closed_at = $2, closed_by = $3, closed_for = $4,"
            " closed_role = $5, closed_auth_level = $6, closed_token_id = $7, refusal = $9 where id = $1",
            amendment_id,
            *_closer(actor, at),
            state,
            refusal,
        )
        await _tell(con, actor, at, state, dossier, amendment_id, found.removed, reason=refusal)
        return await _load(con, actor, order_id, amendment_id, law, at)

    return await perform(actor, at, key, work, render)


async def _open(
    con: asyncpg.Connection,
    dossier: Dossier,
    amendment_id: UUID,
    deed: str,
    actor: Actor,
    law: Law,
    at: datetime,
) -> DossierAmendment | Refused:
    """The amendment that waits for an answer, or why it is not answered by this act.

    Raises:
        SonsError: `NOT_FOUND` for an amendment that is not of this order.
    """
    state = await con.fetchval(
        "select state from amendment where id = $1 and order_id = $2", amendment_id, dossier.id
    )
    if state is None:
        raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
    if dossier.amendment is None or dossier.amendment.id != amendment_id:
        over = Reason(f"Cet avenant est déjà « {AMENDMENT_WORDS[state]} ».", "En proposer un autre.")
        return _refused(dossier.id, (over,))
    against = reasons(deed, dossier, law, at, actor.role)
    return _refused(dossier.id, against) if against else dossier.amendment


def _closer(actor: Actor, at: datetime) -> tuple[Any, ...]:
    """Who ends an amendment: instant, person, organisation, role, level, token."""
    return at, actor.person_id, actor.organisation_id, actor.role, actor.auth_level, actor.token_id


async def _tell(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    step: str,
    dossier: Dossier,
    amendment_id: UUID,
    essms: Sequence[str],
    reason: str | None = None,
) -> None:
    facts: dict[str, Any] = {"amendment_id": str(amendment_id), "essms": list(essms)}
    if step in ("proposed", "agreed"):
        facts |= facts_of(dossier.capacity("amendment", at))
    if reason is not None:
        facts["reason"] = Said(reason)
    await tell(con, actor, at, f"amendment.{step}", dossier, facts)


_VIEW = """
select a.id, a.order_id, o.number as order_number, o.state as order_state, a.number, a.state,
       array(select l.finess_geographique from amendment_line l
             where l.amendment_id = a.id order by 1) as removed,
       a.document, encode(a.document_sha256, 'hex') as document_sha256, a.proposed_at, a.proposed_role,
       a.proposer_name, a.proposer_function, a.proposed_capacity, a.proposed_delegation_id, a.closed_at,
       a.closed_role, a.signer_name, a.signer_function, a.closed_capacity, a.closed_delegation_id, a.refusal
from amendment a join purchase_order o on o.id = a.order_id where a.order_id = $1 order by a.number desc
"""


async def _load_all(
    con: asyncpg.Connection, actor: Actor, order_id: UUID, law: Law, at: datetime
) -> tuple[AmendmentView, ...]:
    dossier = await load_dossier(con, actor, order_id, at)
    actions = tuple(a for a in order_actions(dossier, actor.role, law, at) if a.code in _ACTIONS)
    rows = await con.fetch(_VIEW, order_id)
    return tuple(
        AmendmentView(
            **{**dict(row), "removed": tuple(row["removed"])},
            actions=actions if row["state"] == "proposed" else (),
        )
        for row in rows
    )


async def _load(
    con: asyncpg.Connection, actor: Actor, order_id: UUID, amendment_id: UUID, law: Law, at: datetime
) -> AmendmentView:
    for view in await _load_all(con, actor, order_id, law, at):
        if view.id == amendment_id:
            return view
    raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)


def _refused(order_id: UUID, against: tuple[Reason, ...]) -> Refused:
    return Refused("amendment.not_possible", "order", str(order_id), against)
