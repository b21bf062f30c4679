"""The tables from a rule to what it reads, which an explanation goes by, are held to the rules themselves.

Over files drawn at random, one kind of fact is replaced by another file's, or one value of the law is taken
away: a rule that then answers otherwise reads it, and the tables must say so; and what they say must be seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from sons_tracker.operations.order_replays import FACTS_OF_RULE, VERSIONS_OF_RULE
from sons_tracker.operations.requests import known_on
from sons_tracker.rules.assessment import assess
from sons_tracker.rules.case import Case
from sons_tracker.rules.catalogue import ORDER, RULES
from sons_tracker.rules.parameters import Parameter
from sons_tracker.rules.texts import Law
from tests.rules.generated import CASES, LAW

_DRAWN = settings(
    max_examples=400,  # seldom enough, both files have what the rarest rows of the tables need
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Answers = dict[str, list[tuple[object, ...]]]


def _answers(case: Case, law: Law) -> Answers:
    """What each rule answers: outcomes and words, by ESSMS."""
    answers: Answers = defaultdict(list)
    for one in assess(case, law, case.signed_on, known_on(case.received_at)).verdicts:
        answers[one.rule].append((one.outcome, one.essms, one.finding.message))
    return answers


def _changed(before: Answers, after: Answers) -> set[str]:
    return {rule for rule in before.keys() | after.keys() if before.get(rule) != after.get(rule)}


def _with_lines(name: str) -> Callable[[Case, Case], Case]:
    """The same file, whose lines have what the other's lines have under that name."""

    def made(case: Case, other: Case) -> Case:
        given = [getattr(line, name) for line in other.lines] or [None]
        lines = tuple(
            replace(line, **{name: given[place % len(given)]}) for place, line in enumerate(case.lines)
        )
        return replace(case, lines=lines)

    return made


# The kinds of facts of a chain, and where the rules find them in a file.
_REPLACED: dict[tuple[str, ...], Callable[[Case, Case], Case]] = {
    ("grant",): _with_lines("grants"),
    ("claim", "reservation", "succession"): _with_lines("engagements"),
    ("register",): _with_lines("establishment"),
    ("order",): lambda case, other: replace(case, other_orders=other.other_orders),
}


def _sorted(table: Mapping[str, Iterable[str]]) -> list[tuple[str, list[str]]]:
    return sorted((rule, sorted(names)) for rule, names in table.items())


def test_the_facts_of_a_rule_are_those_that_change_its_answer() -> None:
    read: dict[str, set[str]] = defaultdict(set)

    @_DRAWN
    @given(CASES, CASES)
    def look(case: Case, other: Case) -> None:
        before = _answers(case, LAW)
        for kinds, replaced in _REPLACED.items():
            for rule in _changed(before, _answers(replaced(case, other), LAW)):
                read[rule].update(kinds)

    look()
    assert _sorted(FACTS_OF_RULE) == _sorted(read)


def _without(name: str, law: Law) -> Law:
    """The law before any text gave the values whose name ends so."""
    return replace(
        law,
        dispositifs={code: _emptied(one, name) for code, one in law.dispositifs.items()},
        vagues={code: _emptied(one, name) for code, one in law.vagues.items()},
        register=_emptied(law.register, name),
    )


def _emptied(texts: Any, name: str) -> Any:
    values = {field.name: getattr(texts, field.name) for field in fields(texts)}
    return replace(
        texts,
        **{
            field: Parameter(value.name, ())
            for field, value in values.items()
            if isinstance(value, Parameter) and value.name.rpartition(".")[2] == name
        },
    )


# The extraction and the basis of the count are read when the file is loaded: the rules find what they gave.
_LOADED: dict[str, Callable[[Case, Case], Case]] = {
    "extraction": lambda case, other: replace(
        _with_lines("establishment")(case, other),
        extraction=other.extraction,
        og_known=other.og_known,
        essms_of_og=other.essms_of_og,
    ),
    "base_de_comptage": lambda case, other: replace(case, essms_of_og=other.essms_of_og),
}


def test_the_versions_of_a_rule_are_those_that_change_its_answer() -> None:
    read: dict[str, set[str]] = defaultdict(set)
    applied: set[str] = set()

    @_DRAWN
    @given(CASES, CASES)
    def look(case: Case, other: Case) -> None:
        told = assess(case, LAW, case.signed_on, known_on(case.received_at)).applied
        names = {one.name.rpartition(".")[2] for one in told}
        applied.update(names)
        before = _answers(case, LAW)
        for name in names:
            loaded = _LOADED.get(name)
            after = (
                _answers(case, _without(name, LAW)) if loaded is None else _answers(loaded(case, other), LAW)
            )
            for rule in _changed(before, after):
                read[rule].add(name)

    look()
    assert _sorted(VERSIONS_OF_RULE) == _sorted(read)
    assert {name for names in VERSIONS_OF_RULE.values() for name in names} <= applied


def test_only_rules_of_the_deposit_are_explained() -> None:
    asked = {code for code, rule in RULES.items() if ORDER in rule.stages}
    assert set(FACTS_OF_RULE) | set(VERSIONS_OF_RULE) <= asked
