"""One more extraction into a register's history, whatever its date, set by set.

At any date the history says of a key what the last extraction before it said *of that key*: a stock
speaks of every key, by its row or by its absence; an extrait only of those it names. So what the
extraction of a date `d` says of a key holds on [d, n), where n is the next later extraction that speaks
of that key, and the history of a key is constant on [d, n) before the import: one row covers it, or none.
The operations below replace that one piece and leave both sides as they were.
"""

# ruff: noqa: S608 - the SQL is made of the columns of `layout`, never of a value

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import asyncpg

from sons_tracker.registers.layout import Register, Scope
from sons_tracker.registers.staging import IMPORT_TIMEOUT


@dataclass(frozen=True, slots=True)
class Difference:
    """How many keys an extraction would add, change or close at its date.

    `open_ended`: no later extraction speaks of any of them.
    """

    new: int
    changed: int
    absent: int
    open_ended: bool

    @property
    def any(self) -> bool:
        return bool(self.new or self.changed or self.absent)


async def keep_untold(
    con: asyncpg.Connection, register: Register, extracted_on: date, columns: tuple[str, ...]
) -> None:
    """Fills the empty cells of columns that the file's format never tells with what the register holds."""
    for column in columns:
        await con.execute(
            f"""update incoming i set {column} = h.{column} from {register.table} h
                where {_equal("i", "h", list(register.keys))} and i.{column} is null
                  and h.{column} is not null
                  and h.valid_from <= $1 and (h.valid_to is null or h.valid_to > $1)""",  # nosec B608 # constants
            extracted_on,
            timeout=IMPORT_TIMEOUT,
        )


async def compare(
    con: asyncpg.Connection, register: Register, extracted_on: date, scope: Scope
) -> Difference:
    """Fills the temporary table `difference` with each key that `incoming` would change.

    Its columns: `line` (null: absent), the key, `held_from` and `held_to` (the row that covers the date),
    `next_on` (the next extraction that speaks of the key).
    """
    keys, values = list(register.keys), list(register.values)
    on_keys = " and ".join(f"i.{key} = h.{key}" for key in keys)
    either = ", ".join(f"coalesce(i.{key}, h.{key}) as {key}" for key in keys)
    row_key = "array[" + ", ".join(f"coalesce(i.{key}, h.{key})::text" for key in keys) + "]"
    # what an extrait of the same day named, it said more closely than the stock
    kept = "where not coalesce(m.same_day, false)" if scope == "stock" else "where true"
    await con.execute(
        f"create temp table difference (line int, {_typed(register.keys)}, held_from date, held_to date,"
        " next_on date) on commit drop"
    )
    await con.execute(
        f"""
        insert into difference
        with next_stock as (
          select min(extracted_on) as on_date from extraction
          where register = $2 and scope = 'stock' and extracted_on > $1
        ), mentioned as (
          select row_key, min(extracted_on) filter (where extracted_on > $1) as next_on,
                 bool_or(extracted_on = $1) as same_day
          from extract_mention where register = $2 and extracted_on >= $1 group by row_key
        ), held as (
          select * from {register.table}
          where valid_from <= $1 and (valid_to is null or valid_to > $1)
            {"and not stub" if register.has_stubs else ""}
        )
        select i.line, {either}, h.valid_from, h.valid_to, least(m.next_on, s.on_date)
        from incoming i
        {"full" if scope == "stock" else "left"} join held h on {on_keys}
        left join mentioned m on m.row_key = {row_key}
        cross join next_stock s
        {kept} and (i.line is null or h.valid_from is null
          or {_different("i", "h", values)})""",  # nosec B608 # columns of layout
        extracted_on,
        register.kind.value,
        timeout=IMPORT_TIMEOUT,
    )
    counts = await con.fetchrow(
        "select count(*) filter (where held_from is null) as new,"
        " count(*) filter (where line is not null and held_from is not null) as changed,"
        " count(*) filter (where line is null) as absent,"
        " coalesce(bool_and(next_on is null), true) as open_ended from difference",
        timeout=IMPORT_TIMEOUT,
    )
    return Difference(**counts)


async def count_held(con: asyncpg.Connection, register: Register, extracted_on: date) -> int:
    """How many rows the register holds at the date, placeholders left out."""
    return int(
        await con.fetchval(
            f"select count(*) from {register.table}"
            " where valid_from <= $1 and (valid_to is null or valid_to > $1)"  # nosec B608 # constants
            + (" and not stub" if register.has_stubs else ""),
            extracted_on,
            timeout=IMPORT_TIMEOUT,
        )
    )


async def apply(
    con: asyncpg.Connection, register: Register, extracted_on: date, difference: Difference, read: int
) -> None:
    """Writes what `compare` found: on [date, next_on), what the `read` rows of `incoming` say."""
    table, keys, values = register.table, list(register.keys), list(register.values)
    same_key = _equal("t", "d", keys)
    key_list, value_list = ", ".join(keys), ", ".join(values)
    said, until = "incoming i join difference d on d.line = i.line", "d.next_on"
    if difference.new == read and difference.open_ended:
        said, until = "incoming i", "null::date"  # a register's first stock: a third of the time saved
    has_right_part = "d.next_on is not null and (d.held_to is null or d.next_on < d.held_to)"
    steps = [
        # the row that covers the date ends there…
        f"""update {table} t set valid_to = $1 from difference d
            where {same_key} and t.valid_from = d.held_from and d.held_from < $1""",  # nosec B608 # constants
        # … and goes on from the next extraction that had said the same
        f"""insert into {table} ({key_list}, valid_from, valid_to, {value_list}{_stub(register, ", stub")})
            select {_of("t", keys)}, d.next_on, d.held_to, {_of("t", values)}{_stub(register, ", false")}
            from {table} t join difference d on {same_key} and t.valid_from = d.held_from
            where d.held_from < $1 and {has_right_part}""",  # nosec B608 # columns of layout
        # a row that begins on the date is what an earlier import said of that same date: replaced
        f"""update {table} t set valid_from = d.next_on from difference d
            where {same_key} and t.valid_from = d.held_from and d.held_from = $1 and {has_right_part}""",  # nosec B608 # constants
        f"""delete from {table} t using difference d
            where {same_key} and t.valid_from = d.held_from and d.held_from = $1""",  # nosec B608 # constants
        f"""insert into {table} ({key_list}, valid_from, valid_to, {value_list}{_stub(register, ", stub")})
            select {_of("i", keys)}, $1, {until}, {_of("i", values)}{_stub(register, ", false")}
            from {said}""",  # nosec B608 # columns of layout
    ]
    if register.has_stubs:
        steps.insert(0, _SHORTEN_STUBS)
        steps.insert(0, _REMOVE_STUBS)
    for step in steps:
        await con.execute(step, *([extracted_on] if "$1" in step else []), timeout=IMPORT_TIMEOUT)
    # Rows can only meet where an extraction had spoken already: on this date or on a later one.
    if await con.fetchval(
        "select exists (select from extraction where register = $1 and extracted_on >= $2)",
        register.kind.value,
        extracted_on,
    ):
        await _join_equal_neighbours(con, register, extracted_on)


async def _join_equal_neighbours(con: asyncpg.Connection, register: Register, extracted_on: date) -> None:
    """Two rows that touch and say the same become one: the table does not tell the order of the imports."""
    table, keys, values = register.table, list(register.keys), list(register.values)
    no_stub = " and not l.stub and not r.stub" if register.has_stubs else ""
    not_a_stub = " and not t.stub" if register.has_stubs else ""
    for boundary in ("$1::date", "d.next_on"):
        await con.execute(
            f"""
            with joined as (
              delete from {table} r using {table} l, difference d
              where {_equal("r", "d", keys)} and {_equal("l", "d", keys)}
                and r.valid_from = {boundary} and l.valid_to = {boundary}
                and not {_different("l", "r", values)}{no_stub}
              returning {_of("r", keys)}, r.valid_from, r.valid_to)
            update {table} t set valid_to = j.valid_to from joined j
            where {_equal("t", "j", keys)} and t.valid_to = j.valid_from{not_a_stub}""",  # nosec B608 # constants
            *([extracted_on] if boundary == "$1::date" else []),
            timeout=IMPORT_TIMEOUT,
        )


# A stub stands before the first real row of its key, never beside one.
_REMOVE_STUBS = """
delete from legal_entity t using difference d
where t.finess_juridique = d.finess_juridique and d.line is not null and t.stub and t.valid_from >= $1"""
_SHORTEN_STUBS = """
update legal_entity t set valid_to = $1 from difference d
where t.finess_juridique = d.finess_juridique and d.line is not null and t.stub
  and t.valid_from < $1 and (t.valid_to is null or t.valid_to > $1)"""


async def add_stubs(con: asyncpg.Connection, extracted_on: date) -> int:
    """A placeholder for each legal entity that `incoming` establishments name and no register tells.

    A legal entity is told from its first row on; the stub covers what comes before. Returns how many
    were written.
    """
    return int(
        await con.fetchval(
            """
            with untold as (
              select finess_juridique, min(l.valid_from) as told_from,
                     (array_agg(l.stub order by l.valid_from))[1] as first_is_stub
              from (select distinct finess_juridique from incoming i
                    where finess_juridique is not null and not exists (
                      select from legal_entity l
                      where l.finess_juridique = i.finess_juridique and l.valid_from <= $1)) n
              left join legal_entity l using (finess_juridique)
              group by finess_juridique
            ), advanced as (
              update legal_entity l set valid_from = $1 from untold u
              where u.first_is_stub and l.finess_juridique = u.finess_juridique
                and l.valid_from = u.told_from
            ), added as (
              insert into legal_entity (finess_juridique, valid_from, valid_to, name, stub)
              select finess_juridique, $1, told_from,
                     'Entité juridique ' || finess_juridique || ' (absente du répertoire)', true
              from untold where first_is_stub is not true
              returning 1)
            select count(*) from added""",
            extracted_on,
            timeout=IMPORT_TIMEOUT,
        )
    )


async def mention(con: asyncpg.Connection, register: Register, extracted_on: date) -> None:
    """Remembers the keys that an extrait names, changed or not."""
    row_key = "array[" + ", ".join(f"{key}::text" for key in register.keys) + "]"
    await con.execute(
        f"""insert into extract_mention (register, extracted_on, row_key)
            select $1, $2, {row_key} from incoming on conflict do nothing""",  # nosec B608 # constants
        register.kind.value,
        extracted_on,
        timeout=IMPORT_TIMEOUT,
    )


def _typed(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {sql_type}" for name, sql_type in columns.items())


def _of(alias: str, columns: list[str]) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns)


def _equal(left: str, right: str, columns: list[str]) -> str:
    return " and ".join(f"{left}.{column} = {right}.{column}" for column in columns)


def _different(left: str, right: str, columns: list[str]) -> str:
    return f"({_of(left, columns)}) is distinct from ({_of(right, columns)})"


def _stub(register: Register, text: str) -> str:
    return text if register.has_stubs else ""
