"""FINESS numbers that follow others: found at an import, confirmed or dismissed by a reviewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.law import load
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.audit_touches import examine_succession
from sons_tracker.operations.finess_changes import changes_between, previous_stock, probable_successions
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.outbox import announce
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.succession import FOLLOWED, Clue, Succession
from sons_tracker.rules.texts import Law

PROBABLE, CONFIRMED, DISMISSED = "probable", "confirmed", "dismissed"
STATE_WORDS = {PROBABLE: "probable", CONFIRMED: "confirmée", DISMISSED: "écartée"}
LONGEST_REASON = 2_000


@dataclass(frozen=True, slots=True)
class SuccessionView:
    """A succession that was found, and what was decided of it; the reason is a reviewer's."""

    id: UUID
    predecessor: str
    successor: str
    predecessor_og: str | None
    successor_og: str | None
    kind: str
    score: int
    clues: tuple[Clue, ...]
    earlier_on: date
    later_on: date
    state: str
    found_at: datetime
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """A succession after a decision, and what it did to the claims.

    `followed`: live claims that now hold, or held until now, the old number for the new one. `both_held`: the
    vagues in which each of the two numbers is held for itself: nothing can follow, it is a conflict.
    """

    succession: SuccessionView
    followed: int
    both_held: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuccessionPage:
    """One page, the most probable first; `following` is where to go on from, None at the end."""

    successions: tuple[SuccessionView, ...]
    following: tuple[int, UUID] | None


Render = Callable[[Settled | Refused], Answer]

_SELECT = (
    "select id, predecessor, successor, predecessor_og, successor_og, kind, score, reasons as clues,"
    " earlier_on, later_on, state, found_at, decided_at, reason from succession"
)


async def look_for_successions(
    con: asyncpg.Connection, at: datetime, law: Law, later: date
) -> dict[str, int]:
    """Looks for successions between the stock of that day and the one before; returns how many, by kind.

    What was decided stays decided; what nobody has decided is told anew.
    """
    earlier = await previous_stock(con, later)
    if earlier is None:
        return {}
    changes = await changes_between(con, earlier, later)
    found = await probable_successions(con, changes, earlier, later, law)
    if found:
        await _keep(con, found, earlier, later, at)
    return dict(sorted(Counter(one.kind for one in found).items()))


async def _keep(
    con: asyncpg.Connection, found: Sequence[Succession], earlier: date, later: date, at: datetime
) -> None:
    await con.execute(
        "insert into succession as s (id, predecessor, successor, predecessor_og, successor_og, kind, score,"
        " reasons, earlier_on, later_on, state, found_at)"
        " select id, old, new, old_og, new_og, kind, score, told -> 'clues', $9, $10, 'probable', $11"
        " from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[],"
        " $8::jsonb[]) as f (id, old, new, old_og, new_og, kind, score, told)"
        " on conflict on constraint succession_once_per_pair do update set"
        " predecessor_og = excluded.predecessor_og, successor_og = excluded.successor_og,"
        " kind = excluded.kind, score = excluded.score, reasons = excluded.reasons,"
        " earlier_on = excluded.earlier_on, later_on = excluded.later_on where s.state = 'probable'",
        [uuid4() for _ in found],
        [one.predecessor for one in found],
        [one.successor for one in found],
        [one.predecessor_og for one in found],
        [one.successor_og for one in found],
        [one.kind for one in found],
        [one.score for one in found],
        # in an object: a list of lists would be an array of two dimensions
        [{"clues": [asdict(clue) for clue in one.clues]} for one in found],
        earlier,
        later,
        at,
    )


async def list_successions(
    actor: Actor,
    state: str | None,
    kind: str | None,
    finess: str | None,
    after: tuple[int, UUID] | None,
    limit: int,
) -> SuccessionPage:
    """The successions that the actor may see: the agencies all, an OG those of its own establishments."""
    require(actor, "succession.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            f"{_SELECT} where ($1::text is null or state = $1) and ($2::text is null or kind = $2)"
            " and ($3::text is null or $3 in (predecessor, successor))"
            " and ($4::smallint is null or (score, id) < ($4, $5::uuid))"
            " order by score desc, id desc limit $6",
            state,
            kind,
            finess,
            *(after or (None, None)),
            limit + 1,
        )
    shown = tuple(succession_view(row) for row in rows[:limit])
    last = shown[-1] if len(rows) > limit else None
    return SuccessionPage(shown, None if last is None else (last.score, last.id))


async def settle_succession(
    actor: Actor,
    succession_id: UUID,
    confirmed: bool,
    reason: str,
    at: datetime,
    key: Key,
    render: Render,
) -> Answer:
    """Confirms or dismisses a succession, with a reason; a decision may be taken back by the other.

    Confirmed, but for a split, the live claims on the new number hold the old one too; dismissed, they let it
    go. The OG that are known here are told. What it touched is examined in the next transaction.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`, `INVALID_REQUEST` without a reason, and those of `perform`.
    """
    require(actor, "succession.settle")
    if not reason.strip() or len(reason) > LONGEST_REASON:
        message = f"Une décision se motive, en {LONGEST_REASON} caractères au plus."
        raise SonsError(ErrorCode.INVALID_REQUEST, message, (Fault("reason", message),))
    state = CONFIRMED if confirmed else DISMISSED

    async def work(con: asyncpg.Connection) -> Settled | Refused:
        row = await con.fetchrow(f"{_SELECT} where id = $1 for update", succession_id)
        if row is None:
            raise SonsError(ErrorCode.NOT_FOUND, "Aucune succession visible ne porte cet identifiant.")
        if row["state"] == state:
            done = "déjà confirmée" if confirmed else "déjà écartée"
            told = (
                Reason(f"Cette succession est {done}.", "Pour y revenir, prendre la décision contraire."),
            )
            return Refused("succession.refused", "succession", str(succession_id), told)
        before = await _followers(con, row["predecessor"])
        await con.execute(
            "update succession set state = $2, decided_at = $3, decided_by = $4, reason = $5 where id = $1",
            succession_id,
            state,
            at,
            actor.person_id,
            reason.strip(),
        )
        row = await con.fetchrow(f"{_SELECT} where id = $1", succession_id)
        settled = Settled(
            succession_view(row),
            len(before ^ await _followers(con, row["predecessor"])),
            await _both_held(con, row) if confirmed else (),
        )
        await _tell(con, actor, at, settled)
        return settled

    answer = await perform(actor, at, key, work, render)
    # committed: claims taken meanwhile no longer wait for the decision
    await examine_succession(load().law, at, succession_id)
    return answer


async def _followers(con: asyncpg.Connection, predecessor: str) -> set[int]:
    """The live claims that hold this number, or one that it succeeds, for another."""
    rows = await con.fetch(
        "select id from claim where released_at is null and origin is not null and finess_geographique"
        " = any (array(select predecessor from succeeded_by(array[$1])) || $1::text)",
        predecessor,
    )
    return {row["id"] for row in rows}


async def _both_held(con: asyncpg.Connection, row: Any) -> tuple[str, ...]:
    """The vagues in which two live claims stand, one on each number, neither for the other."""
    if row["kind"] not in FOLLOWED:
        return ()
    rows = await con.fetch(
        "select a.vague from claim a join claim b on b.vague = a.vague"
        " where a.finess_geographique = $1 and b.finess_geographique = $2 and a.released_at is null"
        " and b.released_at is null and a.origin is null and b.origin is null order by 1",
        row["predecessor"],
        row["successor"],
    )
    return tuple(row["vague"] for row in rows)


async def _tell(con: asyncpg.Connection, actor: Actor, at: datetime, settled: Settled) -> None:
    one = settled.succession
    facts = {
        "predecessor": one.predecessor,
        "successor": one.successor,
        "kind": one.kind,
        "score": one.score,
        "state": one.state,
    }
    effects = {"claims_followed": settled.followed, "both_held": list(settled.both_held)}
    event = f"succession.{one.state}"
    await journal.record(con, actor, at, event, "succession", str(one.id), {**facts, **effects})
    rows = await con.fetch(
        "select id from organisation where kind = 'og' and finess_juridique = any($1)",
        [og for og in (one.predecessor_og, one.successor_og) if og is not None],
    )
    told = {**facts, "reasons": [one.reason]}
    await announce(con, at, event, "succession", str(one.id), [row["id"] for row in rows], told)


def succession_view(row: Any) -> SuccessionView:
    """A succession from its row."""
    return SuccessionView(**{**dict(row), "clues": tuple(Clue(**clue) for clue in row["clues"])})
