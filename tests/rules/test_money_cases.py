"""Each case of the later stages is played: advance, VA, solde, cancellation, contents of requests, delays."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from sons_tracker.errors import SonsError
from sons_tracker.law.requests import request_schema, validate_content
from sons_tracker.rules.advance import assess_advance
from sons_tracker.rules.cancellation import assess_cancellation, cancellation_reasons
from sons_tracker.rules.catalogue import ADVANCE, CANCELLATION, ON_ESSMS, ON_ORDER, RULES, SOLDE, VA, of_stage
from sons_tracker.rules.money import euros
from sons_tracker.rules.solde import assess_solde, check_pieces, money_lines, settle
from sons_tracker.rules.va import assess_va
from sons_tracker.rules.verdicts import Outcome, Verdict
from sons_tracker.rules.working_days import add_working_days
from tests.rules.cases import Example, examples, paris, worst
from tests.rules.money_cases import (
    advance_case,
    cancellation_case,
    known_on,
    law_of,
    shown_rates,
    solde_case,
    va_case,
)

KINDS = (ADVANCE, VA, SOLDE, CANCELLATION, "request", "working_days")


def _plain(text: str) -> str:
    """Cases are written with ordinary spaces."""
    return text.replace("\u202f", " ")


def _checked(example: Example, verdicts: tuple[Verdict, ...], answer: Mapping[str, object]) -> None:
    """What is expected, rule by rule; a key that is neither a rule nor an answer is a typing error."""
    for key, wanted in example.expected.items():
        if key == "says":
            assert isinstance(wanted, dict)
            for rule, part in wanted.items():
                said = [_plain(f"{v.finding.message} {v.finding.remedy}") for v in verdicts if v.rule == rule]
                assert any(part in sentence for sentence in said), said
        elif key in RULES:
            found = worst(verdicts, key)
            assert found == wanted, (key, [v.finding.message for v in verdicts if v.rule == key])
        else:
            assert answer[key] == wanted, key


@pytest.mark.parametrize("example", examples(ADVANCE), ids=str)
def test_advance(example: Example) -> None:
    law, given = law_of(example.given)
    case = advance_case(given)
    _checked(example, assess_advance(case, law, known_on(example.given, case.received_at)), {})


@pytest.mark.parametrize("example", examples(VA), ids=str)
def test_va(example: Example) -> None:
    law, given = law_of(example.given)
    case = va_case(given)
    answer = {"rates": [_plain(one) for one in shown_rates(case.lines[0])]}
    _checked(example, assess_va(case, law, known_on(example.given, case.signed_at)), answer)


@pytest.mark.parametrize("example", examples(SOLDE), ids=str)
def test_solde(example: Example) -> None:
    law, given = law_of(example.given)
    case, advances = solde_case(given)
    day = known_on(example.given, case.received_at)
    checks = check_pieces(case, law, day)
    answer: dict[str, Any] = {
        "failed": sorted({check.code for check in checks if check.outcome is Outcome.FAIL}),
        "warned": sorted({check.code for check in checks if check.outcome is Outcome.WARN}),
    }
    if case.invoice is not None:
        settled = settle(money_lines(case.lines, case.invoice, advances))
        answer |= {
            "due": euros(settled.due_cents),
            "to_recover": euros(settled.to_recover_cents),
            "paid": [euros(line.paid_cents) for line in settled.lines],
            "compensated": [euros(line.compensated_cents) for line in settled.lines],
        }
    _checked(example, assess_solde(case, law, day), answer)


@pytest.mark.parametrize("example", examples(CANCELLATION), ids=str)
def test_cancellation(example: Example) -> None:
    law, given = law_of(example.given)
    case = cancellation_case(given)
    day = known_on(example.given, case.cancelled_at)
    lacks = [reason.message for reason in cancellation_reasons(case, law, day)]
    wanted = example.expected.get("lacks", ())
    if "lacks" in example.expected:
        assert len(lacks) == len(wanted), lacks
    for message, start in zip(lacks, wanted, strict=False):
        assert message.startswith(start)
    _checked(example, assess_cancellation(case, law, day), {"lacks": wanted})


@pytest.mark.parametrize("example", examples("request"), ids=str)
def test_request(example: Example) -> None:
    law, given = law_of(example.given)
    at, dispositif = paris(given["at"]), given.get("dispositif", "MS1-V1")
    assert at is not None
    if "refused" in example.expected:
        with pytest.raises(SonsError, match=re.escape(example.expected["refused"])):
            request_schema(law, dispositif, given["demande"], at)
        return
    schema = request_schema(law, dispositif, given["demande"], at)
    # what an older schema shows as its example is what the newer one is held against
    oldest = next(s for s in law.vagues["V1"].request_schemas if s.kind == given["demande"])
    content = json.loads(json.dumps(oldest.document["examples"][0])) | given.get("content", {})
    faults = [f"{fault.where} : {fault.message}" for fault in validate_content(schema, content)]
    _checked(example, (), {"file": schema.file, "faults": faults})


@pytest.mark.parametrize("example", examples("working_days"), ids=str)
def test_working_days(example: Example) -> None:
    given = example.given
    found = add_working_days(given["start"], given["days"], frozenset(given.get("holidays", ())))
    assert found == example.expected["last"]


# What each rule can answer. A rule that learns a new answer gets a line here, and a case.
ANSWERS = {
    ADVANCE: {
        "R11": "pass review unknown fail", "R12": "pass warn unknown fail", "R15": "pass fail",
        "R20": "pass unknown fail",
    },
    VA: {"R17": "pass fail", "R18": "pass warn fail", "R21": "pass warn unknown fail"},
    SOLDE: {
        "R16": "pass warn unknown fail", "R21": "pass unknown fail", "R22": "pass warn review unknown fail",
    },
    CANCELLATION: {"R29": "pass review unknown fail"},
}  # fmt: skip


@pytest.mark.parametrize("stage", list(ANSWERS))
def test_every_answer_of_every_rule_has_a_case(stage: str) -> None:
    expected = {
        rule: {outcome for outcome in Outcome if outcome in answers.split()}
        for rule, answers in ANSWERS[stage].items()
    }
    assert set(expected) == {*of_stage(stage, ON_ORDER), *of_stage(stage, ON_ESSMS)}
    named: dict[str, set[Outcome]] = {rule: set() for rule in expected}
    for example in examples(stage):
        for rule in set(example.expected) & set(RULES):
            named[rule].add(Outcome(example.expected[rule].partition(",")[0]))
    assert named == expected


def test_every_case_names_its_source_and_expects_something() -> None:
    for example in examples(*KINDS):
        assert re.search(r"S\d:\d+|C\d+|calcul", example.source), example
        assert example.expected, example
