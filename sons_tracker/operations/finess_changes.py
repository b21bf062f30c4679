"""What changed of the establishments between two extractions, and which numbers probably follow which."""

from __future__ import annotations

from datetime import date
from typing import Any

import asyncpg

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.rules.parameters import required
from sons_tracker.rules.succession import Change, Entry, Succession, successions
from sons_tracker.rules.texts import Law

_COLUMNS = (
    "finess_juridique", "name", "long_name", "category", "commune", "address", "siret", "in_service",
    "opened_on", "closed_on",
)  # fmt: skip
# A row that is valid at both dates says the same at both: only rows that end, or begin, in between are read.
_CHANGED = f"""
with before as (
  select * from establishment where valid_from <= $1 and valid_to > $1 and valid_to <= $2
), after as (
  select * from establishment
  where valid_from > $1 and valid_from <= $2 and (valid_to is null or valid_to > $2)
)
select finess_geographique, b.valid_from is not null as was, a.valid_from is not null as is_,
  {", ".join(f"b.{name} as b_{name}, a.{name} as a_{name}" for name in _COLUMNS)}
from before b full join after a using (finess_geographique)
where ({", ".join(f"b.{name}" for name in _COLUMNS)}, b.valid_from is null)
  is distinct from ({", ".join(f"a.{name}" for name in _COLUMNS)}, a.valid_from is null)
order by finess_geographique
"""  # noqa: S608 # nosec B608 # made of the columns above, never of a value
_REMAINING = """
select siret, count(*) as bearers from establishment
where siret = any($3) and in_service and valid_from <= $1 and (valid_to is null or valid_to > $2)
group by siret
"""
_READ_TIMEOUT = 120.0


async def changes_between(con: asyncpg.Connection, earlier: date, later: date) -> tuple[Change, ...]:
    """Every establishment of which the register does not say the same at the two dates, by its number."""
    rows = await con.fetch(_CHANGED, earlier, later, timeout=_READ_TIMEOUT)
    return tuple(
        Change(
            row["finess_geographique"],
            _entry(row, "b_") if row["was"] else None,
            _entry(row, "a_") if row["is_"] else None,
        )
        for row in rows
    )


async def probable_successions(
    con: asyncpg.Connection, changes: tuple[Change, ...], earlier: date, later: date, law: Law
) -> tuple[Succession, ...]:
    """Which numbers probably follow which, by the clues that are in force at the later extraction.

    None where the law says nothing of it: nothing is presumed without its weights.
    """
    version = law.register.matching.find(later, later)
    if version is None:
        return ()
    sirets = {
        entry.siret for change in changes for entry in (change.before, change.after)
        if entry is not None and entry.siret is not None
    }  # fmt: skip
    rows = await con.fetch(_REMAINING, earlier, later, sorted(sirets), timeout=_READ_TIMEOUT)
    remaining = {row["siret"]: row["bearers"] for row in rows}
    return successions(changes, remaining, required(version), earlier, later)


async def previous_stock(con: asyncpg.Connection, extracted_on: date) -> date | None:
    """The day of the stock of establishments that precedes this one, None when it is the first."""
    found: date | None = await con.fetchval(
        "select max(extracted_on) from extraction"
        " where register = 'establishment' and scope = 'stock' and extracted_on < $1",
        extracted_on,
    )
    return found


async def touched_by_import(con: asyncpg.Connection, extracted_on: date) -> list[str]:
    """The numbers of which the extraction of that day does not say what the register said the day before.

    What an incremental audit examines again; sorted.
    """
    rows = await con.fetch(
        "select distinct finess_geographique from establishment where valid_from = $1 or valid_to = $1"
        " order by 1",
        extracted_on,
        timeout=_READ_TIMEOUT,
    )
    return [row["finess_geographique"] for row in rows]


async def require_stocks(con: asyncpg.Connection, **days: date) -> None:
    """Two stocks must be loaded: in anything less an absence says nothing.

    Raises:
        SonsError: `INVALID_REQUEST`, with a fault for each date, by its name.
    """
    loaded = await con.fetch(
        "select extracted_on from extraction where register = 'establishment' and scope = 'stock'"
        " order by extracted_on"
    )
    known = [row["extracted_on"] for row in loaded]
    faults = [
        Fault(name, f"Aucun stock du {day:%d/%m/%Y} n'est chargé.")
        for name, day in days.items()
        if day not in known
    ]
    if faults:
        shown = ", ".join(f"{day:%d/%m/%Y}" for day in known) or "aucun"
        raise SonsError(
            ErrorCode.INVALID_REQUEST,
            f"Deux extractions ne se comparent qu'une fois chargées. Stocks chargés : {shown}.",
            tuple(faults),
        )


def _entry(row: Any, prefix: str) -> Entry:
    return Entry(*(row[prefix + name] for name in _COLUMNS))
