"""The difference between two FINESS extractions, with the orders, VAs, tranches and cases that it touches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import Actor, require, sees_all
from sons_tracker.operations.finess_changes import changes_between, probable_successions, require_stocks
from sons_tracker.rules.parameters import required
from sons_tracker.rules.succession import Change, Entry, Succession
from sons_tracker.rules.tariff import tranche_of
from sons_tracker.rules.texts import Law

# Each change of a number, in the order in which they are told.
CHANGE_WORDS = {
    "created": "nouveau",
    "absent": "absent",
    "closed": "fermé",
    "reopened": "de nouveau en service",
    "og_changed": "autre organisme gestionnaire",
    "category_changed": "autre catégorie",
    "renamed": "autre nom",
    "moved": "autre adresse",
    "siret_changed": "autre SIRET",
    "dated": "autres dates",
}
CHANGES = tuple(CHANGE_WORDS)


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a difference is asked; `touching`: only the numbers that an order names."""

    change: str | None = None
    og: str | None = None
    finess: str | None = None
    touching: bool = False


@dataclass(frozen=True, slots=True)
class OrderTouched:
    """An order that names the number; `holds`: it holds it now. `va`: the state of its last VA, if any."""

    id: UUID
    number: str
    state: str
    holds: bool
    va_number: int | None
    va: str | None


@dataclass(frozen=True, slots=True)
class TrancheTouched:
    """The ESSMS of an OG at the two extractions under the count basis of a vague, and their tranches.

    `changes`: the tranche is not the same. None as a tranche: the OG has no ESSMS there.
    """

    og: str
    vague: str
    counted_before: int
    counted_after: int
    tranche_before: str | None
    tranche_after: str | None

    @property
    def changes(self) -> bool:
        return self.tranche_before != self.tranche_after


@dataclass(frozen=True, slots=True)
class ConflictTouched:
    """A case that is about the number."""

    id: UUID
    number: str
    family: str
    state: str


@dataclass(frozen=True, slots=True)
class KnownSuccession:
    """A probable succession of the difference; with its identifier and state when an import kept it."""

    id: UUID | None
    state: str
    found: Succession


@dataclass(frozen=True, slots=True)
class Item:
    """One number of which the two extractions do not say the same, and what that touches."""

    finess: str
    changes: tuple[str, ...]
    before: Entry | None
    after: Entry | None
    successions: tuple[KnownSuccession, ...] = ()
    orders: tuple[OrderTouched, ...] = ()
    tranches: tuple[TrancheTouched, ...] = ()
    conflicts: tuple[ConflictTouched, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """How many numbers by change, successions by kind, and what they touch: orders, cases, OG whose tranche
    is another."""

    numbers: int
    changes: dict[str, int]
    successions: dict[str, int]
    orders: int
    conflicts: int
    tranches: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A page of a difference, by number; `following` is where to go on from, None at the end.

    `summary` is of all that is asked, whatever the page.
    """

    earlier: date
    later: date
    summary: Summary
    items: tuple[Item, ...]
    following: str | None


@dataclass(slots=True)
class _Touched:
    """What the numbers of a difference touch, by number; tranches by OG."""

    orders: dict[str, list[OrderTouched]] = field(default_factory=lambda: defaultdict(list))
    conflicts: dict[str, list[ConflictTouched]] = field(default_factory=lambda: defaultdict(list))
    tranches: dict[str, list[TrancheTouched]] = field(default_factory=lambda: defaultdict(list))


async def difference(
    actor: Actor, earlier: date, later: date, filters: Filters, law: Law, after: str | None, limit: int
) -> Difference:
    """What the stock of `later` does not say as that of `earlier` did: the agencies see all, an OG its own.

    A number that is absent is not closed: the extraction no longer speaks of it.

    Raises:
        SonsError: `FORBIDDEN`; `INVALID_REQUEST` unless both stocks are loaded.
    """
    require(actor, "extraction.compare")
    async with transaction(actor.context, read_only=True) as con:
        await require_stocks(con, earlier=earlier, later=later)
        every = await changes_between(con, earlier, later)
        found = await _known(con, await probable_successions(con, every, earlier, later, law))
        own = None if sees_all(actor, "extraction.compare") else await _own(con, actor)
        asked = [one for one in every if _is_asked(one, filters, own)]
        touched = await _touched(con, asked, earlier, later, law)
    if filters.touching:
        asked = [one for one in asked if one.finess in touched.orders]
    follows: dict[str, list[KnownSuccession]] = defaultdict(list)
    for known in found:
        for number in (known.found.predecessor, known.found.successor):
            follows[number].append(known)
    page = [one for one in asked if after is None or one.finess > after][: limit + 1]
    items = tuple(_item(one, follows, touched) for one in page[:limit])
    following = items[-1].finess if len(page) > limit else None
    return Difference(earlier, later, _summary(asked, follows, touched), items, following)


def changes_of(change: Change) -> tuple[str, ...]:
    """What changed of a number, in words of `CHANGES`."""
    before, after = change.before, change.after
    if before is None:
        return ("created",)
    if after is None:
        return ("absent",)
    told = {
        "closed": before.in_service and not after.in_service,
        "reopened": after.in_service and not before.in_service,
        "og_changed": before.og != after.og,
        "category_changed": before.category != after.category,
        "renamed": (before.name, before.long_name) != (after.name, after.long_name),
        "moved": (before.commune, before.address) != (after.commune, after.address),
        "siret_changed": before.siret != after.siret,
        "dated": (before.opened_on, before.closed_on) != (after.opened_on, after.closed_on),
    }
    return tuple(name for name in CHANGES if told.get(name))


def ogs_of(change: Change) -> set[str]:
    """The OG that either extraction attaches the number to."""
    entries = (change.before, change.after)
    return {entry.og for entry in entries if entry is not None and entry.og is not None}


def _is_asked(change: Change, filters: Filters, own: str | None) -> bool:
    return (
        (own is None or own in ogs_of(change))
        and (filters.og is None or filters.og in ogs_of(change))
        and (filters.finess is None or filters.finess == change.finess)
        and (filters.change is None or filters.change in changes_of(change))
    )


async def _own(con: asyncpg.Connection, actor: Actor) -> str:
    """The FINESS juridique of the OG that asks; empty when it has none, and nothing is its own."""
    number = await con.fetchval(
        "select finess_juridique from organisation where id = $1", actor.organisation_id
    )
    return number or ""


async def _known(con: asyncpg.Connection, found: Iterable[Succession]) -> list[KnownSuccession]:
    rows = await con.fetch("select id, predecessor, successor, state from succession")
    kept = {(row["predecessor"], row["successor"]): row for row in rows}
    known = []
    for one in found:
        row = kept.get((one.predecessor, one.successor))
        known.append(
            KnownSuccession(None, "probable", one)
            if row is None
            else KnownSuccession(row["id"], row["state"], one)
        )
    return known


_ORDERS = """
select l.finess_geographique, o.id, o.number, o.state, v.number as va_number, v.state as va,
  exists (select from claim c where c.order_id = o.id and c.finess_geographique = l.finess_geographique
          and c.released_at is null) as holds
from order_line l join purchase_order o on o.id = l.order_id
left join lateral (
  select va.number, va.state from va where va.order_id = o.id order by va.number desc limit 1) v on true
where l.finess_geographique = any($1) order by o.number
"""
_CONFLICTS = """
select e.number as finess_geographique, c.id, c.number, c.family, c.state
from conflict c join (
  select conflict_id, finess_geographique as number from conflict_essms where finess_geographique = any($1)
  union select conflict_id, counterpart from conflict_essms where counterpart = any($1)) e
  on e.conflict_id = c.id
order by c.number
"""
_COUNTS = """
select og, count(*) filter (where on_ = $1) as before, count(*) filter (where on_ = $2) as after
from unnest($3::text[]) as og cross join unnest(array[$1, $2]::date[]) as on_
join establishment e on e.finess_juridique = og and e.in_service and e.aggregate = any($4)
  and e.valid_from <= on_ and (e.valid_to is null or e.valid_to > on_)
group by og order by og
"""


async def _touched(
    con: asyncpg.Connection, changes: Sequence[Change], earlier: date, later: date, law: Law
) -> _Touched:
    numbers, touched = [one.finess for one in changes], _Touched()
    for row in await con.fetch(_ORDERS, numbers):
        facts = dict(row)
        touched.orders[facts.pop("finess_geographique")].append(OrderTouched(**facts))
    for row in await con.fetch(_CONFLICTS, numbers):
        facts = dict(row)
        touched.conflicts[facts.pop("finess_geographique")].append(ConflictTouched(**facts))
    ogs = sorted({og for one in changes for og in ogs_of(one)})
    for code in sorted(law.vagues):
        for one in await _tranches(con, ogs, code, earlier, later, law):
            touched.tranches[one.og].append(one)
    return touched


async def _tranches(
    con: asyncpg.Connection, ogs: list[str], vague: str, earlier: date, later: date, law: Law
) -> list[TrancheTouched]:
    """The count and the tranche of each OG at both extractions, under one basis and one barème: the later's.

    Nothing where the law has none: the couloirs of a vague share the barème (R13), so the first one tells.
    """
    basis = law.vagues[vague].count_basis.find(later, later)
    dispositifs = (d for _, d in sorted(law.dispositifs.items()) if d.vague == vague)
    bareme = next((found for d in dispositifs if (found := d.bareme.find(later, later))), None)
    if basis is None or bareme is None:
        return []
    rows: list[Any] = await con.fetch(_COUNTS, earlier, later, ogs, sorted(required(basis).aggregates))
    tranches = required(bareme)
    return [
        TrancheTouched(
            row["og"],
            vague,
            row["before"],
            row["after"],
            tranche_of(tranches, row["before"]).code if row["before"] else None,
            tranche_of(tranches, row["after"]).code if row["after"] else None,
        )
        for row in rows
    ]


def _item(change: Change, follows: dict[str, list[KnownSuccession]], touched: _Touched) -> Item:
    return Item(
        change.finess,
        changes_of(change),
        change.before,
        change.after,
        tuple(follows.get(change.finess, ())),
        tuple(touched.orders.get(change.finess, ())),
        tuple(one for og in sorted(ogs_of(change)) for one in touched.tranches.get(og, ())),
        tuple(touched.conflicts.get(change.finess, ())),
    )


def _summary(
    asked: Sequence[Change], follows: dict[str, list[KnownSuccession]], touched: _Touched
) -> Summary:
    numbers = [one.finess for one in asked]
    kinds = {
        (known.found.predecessor, known.found.successor): known.found.kind
        for number in numbers
        for known in follows.get(number, ())
    }
    ogs = {og for one in asked for og in ogs_of(one)}
    return Summary(
        len(asked),
        _counted(name for one in asked for name in changes_of(one)),
        _counted(kinds.values()),
        len({order.id for number in numbers for order in touched.orders.get(number, ())}),
        len({case.id for number in numbers for case in touched.conflicts.get(number, ())}),
        len({og for og in ogs for one in touched.tranches.get(og, ()) if one.changes}),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
