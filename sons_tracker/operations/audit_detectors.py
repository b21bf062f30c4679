"""What a detector of the audit is: one statement that reads pairs, and the law's answer to each signature.

A statement reduces each pair to a signature, a text that holds what the rules read and nothing else: who
came first as the sign of a difference, the law's day as the start of the version that was in force. A nation
has a few hundred distinct ones; each is given back to the pure rules as the smallest file that has it. No
word of the law stands in the SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sons_tracker.rules.case import Grant
from sons_tracker.rules.parameters import Etat, Parameter
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Finding

Arguments = Sequence[object]

_ARGUMENT = re.compile(r"\$(\d+)")

BETWEEN = "\x1f"
"""Between two fields of a signature: a control character, which no register may hold."""

CURRENT = "g.valid_from <= $2 and (g.valid_to is null or g.valid_to > $2)"
"""A grant as the register tells it on the day of the knowledge, `$2`."""

DAY = date(2000, 1, 1)
"""The day of the first act of a file that is made from a signature; only what is before or after counts."""


@dataclass(frozen=True, slots=True)
class Known:
    """What every detector is asked under: the law, the day of the knowledge, the latest stock of the register
    of establishments known on it (None when there is none)."""

    law: Law
    on: date
    stock_on: date | None

    @property
    def vagues(self) -> list[str]:
        return sorted(self.law.vagues)


@dataclass(frozen=True, slots=True)
class Told:
    """One answer of the law to a signature. `second_first`: the second act of the pair is the earlier one."""

    rule: str
    finding: Finding
    second_first: bool = False


@dataclass(frozen=True, slots=True)
class Detector:
    """How some families are found.

    `sql` selects family, vague, order_a, grant_a, order_b, grant_b, finess, counterpart, signature; its `$1`
    is the families asked for and its `{scope}` becomes a condition on `number` where only some ESSMS are
    examined. `arguments`: those from `$2` on. `tell`: the answers to one signature, none or several.
    """

    families: tuple[str, ...]
    sql: str
    number: str
    arguments: Callable[[Known], Arguments]
    tell: Callable[[Known, str], Iterable[Told]]

    def statement(
        self, known: Known, families: Sequence[str], numbers: Sequence[str] | None, taken: int = 0
    ) -> tuple[str, list[object]]:
        """The statement and its arguments, for the whole nation or for some numbers; `taken`: how many
        arguments come before its own."""
        arguments: list[object] = [list(families), *self.arguments(known)]
        scope = ""
        if numbers is not None:
            arguments.append(list(numbers))
            scope = " and " + self.number.format(f"${len(arguments)}::text[]")
        sql = self.sql.replace("{scope}", scope)
        return _ARGUMENT.sub(lambda found: f"${int(found[1]) + taken}", sql), arguments


def starts(*parameters: Parameter[object], known_on: date) -> list[date]:
    """The days on which a version of one of these begins, rising: between two of them the law is the same."""
    return sorted(
        {
            version.depuis
            for parameter in parameters
            for version in parameter.versions
            if version.etat is Etat.EN_VIGUEUR and version.publie_le <= known_on
        }
    )


def law_day(day: str, starts_at: str) -> str:
    """SQL: the start of the version in force on `day`, `starts_at` being the parameter that holds `starts`.

    Before the first text the day itself: what is said then names it.
    """
    return f"coalesce(({starts_at}::date[])[nullif(width_bucket({day}, {starts_at}::date[]), 0)], {day})"


def signature(*fields: str) -> str:
    """SQL: the text of some fields; what is null is empty."""
    texts = ", ".join(f"({field})::text" for field in fields)
    return f"array_to_string(array[{texts}], '{BETWEEN}', '')"


def grant_fields(alias: str) -> tuple[str, ...]:
    """SQL: what the rules read of a grant, but for its software and its dates."""
    return (
        f"array_to_string({alias}.components, ',')",
        f"{alias}.project",
        f"{alias}.call_year",
        f"{alias}.state",
        f"{alias}.dui_referenced",
    )


GRANT_FIELDS = len(grant_fields(""))


def grant_of(
    fields: Sequence[str], reference: str, solution: str | None, agreed_on: date | None, paid_on: date | None
) -> Grant:
    """A grant from its fields in a signature."""
    components, project, year, state, referenced = fields
    return Grant(
        reference=reference,
        year=int(year),
        project=project,
        components=tuple(components.split(",")),
        state=state,
        solution=solution,
        dui_referenced=known(referenced),
        agreed_on=agreed_on,
        first_payment_on=paid_on,
    )


def known(field: str) -> bool | None:
    """A boolean of a signature."""
    return None if field == "" else field == "true"


def beside(field: str) -> date | None:
    """The day of an act from its difference with `DAY` in a signature: -1, 0 or 1 day, None when unknown."""
    return None if field == "" else DAY + timedelta(days=int(field))


def solutions(same: str) -> tuple[str | None, str | None]:
    """Two solutions that are the same, differ, or of which one is not known."""
    told = known(same)
    return "A", None if told is None else "A" if told else "B"
