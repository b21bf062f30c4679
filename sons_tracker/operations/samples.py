"""Samples for audits after payment: drawn by seed from what was paid, kept with what they were drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.db.journal import Said
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.acts import Refused, perform
from sons_tracker.operations.idempotency import Answer, Key
from sons_tracker.operations.requests import known_on
from sons_tracker.operations.sample_reading import SampleView, read_sample
from sons_tracker.rules import sampling
from sons_tracker.rules.actions import Reason
from sons_tracker.rules.sampling import Unit
from sons_tracker.rules.texts import Law

Render = Callable[[SampleView | Refused], Answer]
# Money that came back by `until` is deducted: what nothing is left of is no longer to be audited.
_POPULATION = """
select o.id as order_id, o.number, o.supplier_id, o.og_id, {line} as finess, o.dispositif,
  coalesce(o.tranche, '') as tranche, coalesce(d.siren, d.id::text) as editor,
  sum(e.amount_ttc_cents)::bigint as cents
from ledger_entry e join purchase_order o on o.id = e.order_id
join organisation d on d.id = coalesce(o.editor_id, o.supplier_id)
where e.movement <> 'planned' and e.at <= $1
  and ($2::text[] is null or o.dispositif = any($2)) and ($3::text is null or o.tranche = $3)
  and ($4::uuid is null or d.id = $4)
  and (not $5::boolean or exists (select from payment p where p.order_id = o.id and p.kind = 'solde'
    and p.paid_at <= $1 and p.state <> 'returned'))
group by 1, 2, 3, 4, 5, 6, 7, 8 having sum(e.amount_ttc_cents) > 0
"""
_LINES = """
insert into sample_line (sample_id, rank, order_id, supplier_id, og_id, finess_geographique, stratum,
  received_ttc_cents)
select $1, l.rank, l.order_id, l.supplier_id, l.og_id, l.finess, l.stratum, l.cents
from jsonb_to_recordset($2) as l (rank int, order_id uuid, supplier_id uuid, og_id uuid, finess text,
  stratum text[], cents bigint)
"""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is drawn, and from what: lines or whole orders that were `paid` something by `until`, or whose
    solde was (`settled`); None does not narrow. `editor` is an organisation, `couloir` is `MS1`…"""

    unit: Literal["line", "order"]
    what: Literal["paid", "settled"]
    until: datetime
    size: int
    at_least_one: bool
    couloir: str | None = None
    tranche: str | None = None
    editor: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        """As the sample keeps it."""
        return asdict(self) | {
            "until": self.until.isoformat(),
            "editor": None if self.editor is None else str(self.editor),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Criteria:
        """The criteria that a sample keeps."""
        editor = kept["editor"]
        return cls(
            **{
                **kept,
                "until": datetime.fromisoformat(kept["until"]),
                "editor": None if editor is None else UUID(editor),
            }
        )


@dataclass(frozen=True, slots=True)
class Redraw:
    """The same draw on today's population: whether that is the one that was drawn from, and what the sample
    would lose and gain, by name (order, or order/ESSMS)."""

    unchanged: bool
    population: int
    population_ttc_cents: int
    digest: bytes
    lost: tuple[str, ...]
    gained: tuple[str, ...]


async def draw_sample(
    actor: Actor, criteria: Criteria, seed: str, law: Law, at: datetime, key: Key, render: Render
) -> Answer:
    """Draws a sample stratified by couloir, tranche and editor, and keeps it; `actor` is a reviewer.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` for an unknown couloir, a time to come, or a size below the
            number of strata that must have one each; those of `perform`.
    """
    require(actor, "sample.draw")
    if criteria.until > at:
        problem = "Un échantillon se tire de ce qui est déjà payé : cet instant est à venir."
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.until", problem),))

    async def work(con: asyncpg.Connection) -> SampleView | Refused:
        population = await _population(con, criteria, law)
        if not population:
            nothing = Reason("Rien de ce qui est payé ne répond à ces critères.", "Élargir les critères.")
            return Refused("sample.refused", "organisation", str(actor.organisation_id), (nothing,))
        units = list(population)
        drawn = sampling.draw(units, seed, criteria.size, at_least_one=criteria.at_least_one)
        sample_id = uuid4()
        number = await con.fetchval(
            "insert into sample (id, number, unit, seed, criteria, strata, population, population_ttc_cents,"
            " digest, size, drawn_at, drawn_by)"
            " select $1, 'EC-' || $2 || '-' || lpad(n::text, greatest(6, length(n::text)), '0'), $3, $4, $5,"
            " $6, $7, $8, $9, $10, $11, $12 from nextval('sample_number') as n returning number",
            sample_id,
            str(known_on(at).year),
            criteria.unit,
            seed,
            criteria.as_json(),
            _strata(units, drawn),
            len(units),
            sum(one.received_cents for one in units),
            sampling.digest_of(units),
            len(drawn),
            at,
            actor.person_id,
        )
        lines = [
            population[one] | {"rank": rank, "stratum": one.stratum, "cents": one.received_cents}
            for rank, one in enumerate(drawn, start=1)
        ]
        await con.execute(_LINES, sample_id, lines)
        facts = {"number": number, "seed": Said(seed), "population": len(units), "size": len(drawn)}
        await journal.record(con, actor, at, "sample.drawn", "sample", str(sample_id), facts)
        return await read_sample(con, sample_id)

    return await perform(actor, at, key, work, render)


async def redraw(actor: Actor, sample_id: UUID, law: Law) -> Redraw:
    """Draws a kept sample again, without keeping it: what has changed since shows.

    Raises:
        SonsError: `FORBIDDEN`, `NOT_FOUND`.
    """
    require(actor, "sample.read")
    async with transaction(actor.context, isolation="repeatable_read", read_only=True) as con:
        kept = await read_sample(con, sample_id)
        criteria = Criteria.from_json(kept.criteria)
        units = list(await _population(con, criteria, law))
        before = {
            row["name"]
            for row in await con.fetch(
                "select o.number || coalesce('/' || l.finess_geographique, '') as name from sample_line l"
                " join purchase_order o on o.id = l.order_id where l.sample_id = $1",
                sample_id,
            )
        }
    digest = sampling.digest_of(units)
    try:
        drawn = sampling.draw(units, kept.seed, criteria.size, at_least_one=criteria.at_least_one)
    except SonsError:  # strata came since: one of each no longer fits
        drawn = ()
    after = {one.name for one in drawn}
    return Redraw(
        digest == kept.digest,
        len(units),
        sum(one.received_cents for one in units),
        digest,
        tuple(sorted(before - after)),
        tuple(sorted(after - before)),
    )


async def _population(con: asyncpg.Connection, criteria: Criteria, law: Law) -> dict[Unit, dict[str, Any]]:
    """What may be drawn, with the identifiers of each; names hold numbers, which any machine reads alike."""
    dispositifs = None
    if criteria.couloir is not None:
        dispositifs = [code for code, d in law.dispositifs.items() if d.couloir == criteria.couloir]
        if not dispositifs:
            problem = f"Le couloir « {criteria.couloir[:20]} » n'existe pas."
            raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.couloir", problem),))
    sql = _POPULATION.format(line="e.finess_geographique" if criteria.unit == "line" else "null::text")
    rows = con.cursor(
        sql,
        criteria.until,
        dispositifs,
        criteria.tranche,
        criteria.editor,
        criteria.what == "settled",
        prefetch=2_000,
    )
    found = {}
    async for row in rows:
        name = row["number"] if row["finess"] is None else f"{row['number']}/{row['finess']}"
        stratum = (law.dispositifs[row["dispositif"]].couloir, row["tranche"], row["editor"])
        ids = {key: str(row[key]) for key in ("order_id", "supplier_id", "og_id")} | {"finess": row["finess"]}
        found[Unit(name, stratum, row["cents"])] = ids
    return found


def _strata(units: list[Unit], drawn: tuple[Unit, ...]) -> list[dict[str, Any]]:
    taken, there = Counter(one.stratum for one in drawn), Counter(one.stratum for one in units)
    return [
        {
            "couloir": couloir,
            "tranche": tranche,
            "editor": editor,
            "population": count,
            "drawn": taken[stratum],
        }
        for stratum, count in sorted(there.items())
        for couloir, tranche, editor in (stratum,)
    ]
