"""The temporary table `incoming`: what a file says, typed, before it is compared with a register.

Every reader ends here, whatever its format, so that checks across rows, comparison, guard and history
are written once. A row has its line in the file and the columns of the register.
"""

# ruff: noqa: S608 - the SQL is made of the columns of `layout`, never of a value

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from sons_tracker.registers.anomalies import Anomalies
from sons_tracker.registers.layout import Register
from sons_tracker.registers.source import Progress

# Beyond, only the count goes on: a file that is wrong on each line is wrong once.
REFUSALS_SHOWN = 1_000
# Seconds for one statement of an import; a national register takes a few.
IMPORT_TIMEOUT = 600.0

Refusal = tuple[int, str]


@dataclass(slots=True)
class Staged:
    """What reading gave. `refused` holds the first refusals by line, `refused_count` counts them all.

    `warnings` counts, by French label, what was accepted with a doubt. `anomalies`: both, line by line and by
    code, for a register that tells them so (the grants).
    """

    read: int = 0
    refused: list[Refusal] = field(default_factory=list)
    refused_count: int = 0
    warnings: dict[str, int] = field(default_factory=dict)
    anomalies: Anomalies = field(default_factory=Anomalies)

    def refuse(self, line: int, reason: str) -> None:
        self.refused_count += 1
        if len(self.refused) < REFUSALS_SHOWN:
            self.refused.append((line, reason))

    def warn(self, label: str, count: int = 1) -> None:
        if count:
            self.warnings[label] = self.warnings.get(label, 0) + count

    @property
    def warned(self) -> int:
        return sum(self.warnings.values())


class MustExplainError(Exception):
    """The fast reader met a defect that it cannot place: `RegisterFile.explain` will."""


class RegisterFile(Protocol):
    """A file whose format was recognised. `declared_on`: the extraction date that it tells itself."""

    path: Path
    register: Register
    encoding: str
    declared_on: date | None

    # columns that the format never tells: they keep what the register held, where the file says nothing
    silent_on: tuple[str, ...]

    @property
    def format(self) -> str:
        """Its name in the table `extraction`; known once the file was read."""

    async def stage(
        self, con: asyncpg.Connection, staged: Staged, extracted_on: date, progress: Progress | None
    ) -> None:
        """Fills `incoming` in the caller's transaction.

        Raises:
            MustExplainError: leave the transaction, and call `explain`.
            SonsError: `INVALID_FILE`, for what is wrong with the file as a whole.
        """

    def explain(self, staged: Staged) -> None:
        """Reads the file slowly and refuses each bad line with its reason."""


async def stage_rows(
    con: asyncpg.Connection, register: Register, rows: AsyncIterator[tuple[Any, ...]]
) -> None:
    """Makes `incoming` and fills it with rows: line, then the columns of the register in order."""
    columns = ", ".join(f"{name} {sql_type}" for name, sql_type in register.columns.items())
    await con.execute(f"create temp table incoming (line int not null, {columns}) on commit drop")
    await con.copy_records_to_table(
        "incoming", columns=("line", *register.columns), records=rows, timeout=IMPORT_TIMEOUT
    )


async def refuse_repeated(con: asyncpg.Connection, register: Register, staged: Staged) -> None:
    """Refuses each row of `incoming` whose key stands on an earlier line already."""
    keys = ", ".join(register.keys)
    rows = await con.fetch(
        f"""
        with repeated as (select {keys} from incoming group by {keys} having count(*) > 1),
        ranked as (
          select i.line, min(i.line) over (partition by {keys}) as first_line,
                 concat_ws(' / ', {keys}) as shown
          from incoming i join repeated using ({keys}))
        select line, first_line, shown, count(*) over () as found
        from ranked where line > first_line order by line limit {REFUSALS_SHOWN}""",  # nosec B608 # constants
        timeout=IMPORT_TIMEOUT,
    )
    for row in rows:
        staged.refuse(row["line"], f"« {row['shown']} » figure déjà à la ligne {row['first_line']}.")
    staged.refused_count += rows[0]["found"] - len(rows) if rows else 0
    staged.refused.sort()
