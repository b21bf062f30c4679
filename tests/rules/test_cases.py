"""Each case of `tests/cases/*.toml` is played: what a lawyer reads there is what the rules answer."""

from __future__ import annotations

import re

import pytest

from sons_tracker.errors import SonsError
from sons_tracker.law import calendar, load
from sons_tracker.rules.assessment import assess
from sons_tracker.rules.catalogue import GRANT, ON_ESSMS, ON_ORDER, ORDER, RULES, of_stage
from sons_tracker.rules.grant_stage import assess_grant
from sons_tracker.rules.grants import estimate
from sons_tracker.rules.money import euros
from sons_tracker.rules.parameters import required
from sons_tracker.rules.tariff import tariff
from sons_tracker.rules.verdicts import Outcome, Verdict
from tests.rules.cases import Example, examples, grant_case, order_case, worst

LAW = load().law
REFUSED = "refused"


def _checked(example: Example, verdicts: tuple[Verdict, ...], answer: dict[str, object]) -> None:
    """What is expected, rule by rule; a key that is neither a rule nor an answer is a typing error."""
    for key, wanted in example.expected.items():
        if key == "says":
            assert isinstance(wanted, dict)
            for rule, part in wanted.items():
                sentences = [f"{v.finding.message} {v.finding.remedy}" for v in verdicts if v.rule == rule]
                assert any(part in sentence for sentence in sentences), sentences
        elif key in RULES:
            assert worst(verdicts, key) == wanted, (
                key,
                [v.finding.message for v in verdicts if v.rule == key],
            )
        else:
            assert answer[key] == wanted, key


@pytest.mark.parametrize("example", examples("order"), ids=str)
def test_order(example: Example) -> None:
    case, known_on = order_case(example.given)
    found = assess(case, LAW, case.signed_on, known_on)
    amounts = {
        "total_ttc": found.total_ttc_cents,
        "advance_ttc": found.advance_ttc_cents,
        "solde_ttc": found.solde_ttc_cents,
    }
    answer: dict[str, object] = {name: None if c is None else euros(c) for name, c in amounts.items()}
    answer |= {"decision": found.decision, "conditional": found.conditional, "tranche": found.tranche}
    answer["deadlines"] = {d.kind: d.at.isoformat(timespec="seconds") for d in found.deadlines}
    _checked(example, found.verdicts, answer)


@pytest.mark.parametrize("example", examples("grant"), ids=str)
def test_grant(example: Example) -> None:
    case, asked_on, known_on = grant_case(example.given)
    _checked(example, assess_grant(case, LAW, asked_on, known_on), {})


@pytest.mark.parametrize("example", examples("tariff"), ids=str)
def test_tariff(example: Example) -> None:
    given = example.given
    dispositif = LAW.dispositifs[given["dispositif"]]
    bareme = required(dispositif.bareme.in_force(given["on"], given["on"]))
    percent = required(dispositif.advance_percent.in_force(given["on"], given["on"]))
    if REFUSED in example.expected:
        with pytest.raises(SonsError, match=re.escape(example.expected[REFUSED])):
            tariff(bareme, percent, given["essms"], given.get("ordered"))
        return
    found = tariff(bareme, percent, given["essms"], given.get("ordered"))
    assert example.expected == {
        "tranche": found.tranche,
        "unit_ttc": euros(found.unit_ttc_cents),
        "total_ttc": euros(found.total_ttc_cents),
        "advance_ttc": euros(found.advance_ttc_cents),
        "solde_ttc": euros(found.solde_ttc_cents),
    }


@pytest.mark.parametrize("example", examples("estimate"), ids=str)
def test_estimate(example: Example) -> None:
    given = dict(example.given)
    if REFUSED in example.expected:
        with pytest.raises(SonsError, match=re.escape(example.expected[REFUSED])):
            estimate(LAW.calls, **given)
        return
    found = estimate(LAW.calls, **given)
    answer = {
        "usage": found.usage_cents,
        "equipment": found.equipment_cents,
        "hardware": found.hardware_cents,
        "amoa_procurement": found.amoa_procurement_cents,
        "amoa_project": found.amoa_project_cents,
        "total": found.total_cents,
    }
    assert {name: euros(cents) for name, cents in answer.items()} == {
        **dict.fromkeys(answer, "0.00"),
        **example.expected,
    }


@pytest.mark.parametrize("example", examples("calendar"), ids=str)
def test_calendar(example: Example) -> None:
    if REFUSED in example.expected:
        with pytest.raises(SonsError, match=re.escape(example.expected[REFUSED])):
            calendar(load(), **example.given)
        return
    found = calendar(load(), **example.given)
    shown = {name: found[name] for name in ("ouverture", "fermeture", "cloture")}
    assert {
        name: (one["at"] or "inconnu") + (", à confirmer" if one["confiance"] == "a_confirmer" else "")
        for name, one in shown.items()
    } == example.expected


# What each rule can answer. A rule that learns a new answer gets a line here, and a case.
ANSWERS = {
    "order": {
        "R01": "pass warn unknown fail", "R02": "pass unknown fail", "R03": "pass fail", "R04": "pass fail",
        "R05": "pass unknown fail", "R06": "pass warn", "R08": "pass unknown fail", "R09": "pass unknown",
        "R10": "pass review unknown fail", "R11": "pass warn unknown fail", "R12": "pass warn unknown fail",
        "R13": "pass unknown fail", "R14": "pass unknown fail", "R20": "pass warn unknown fail",
        "R25": "pass warn review unknown fail", "R26": "pass review unknown fail", "R27": "pass unknown",
        "R36": "pass unknown fail", "R37": "pass unknown fail", "R38": "pass unknown fail",
        "R40": "pass warn unknown fail",
    },
    "grant": {
        "R25": "pass review unknown fail", "R26": "pass review unknown fail", "R27": "pass unknown",
        "R28": "pass warn review unknown fail", "R29": "pass review unknown fail", "R30": "pass unknown",
        "R31": "pass unknown fail",
    },
}  # fmt: skip


@pytest.mark.parametrize("stage", [ORDER, GRANT])
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


def test_every_case_names_its_source() -> None:
    for example in examples("order", "grant", "tariff", "estimate", "calendar"):
        assert re.search(r"S\d:\d+|C\d+|calcul", example.source), example
        assert example.expected, example
