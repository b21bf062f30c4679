"""The catalogue, its page, and its references to the source documents."""

from __future__ import annotations

import re
from pathlib import Path

from sons_tracker.rules.advance import ADVANCE_RULES
from sons_tracker.rules.assessment import ESSMS_RULES, ORDER_RULES
from sons_tracker.rules.catalogue import (
    ADVANCE,
    CANCELLATION,
    GRANT,
    INFORMATION,
    ON_ESSMS,
    ON_ORDER,
    ORDER,
    READINGS,
    RULES,
    SOLDE,
    VA,
    of_stage,
)
from sons_tracker.rules.cumul import CROSSING_RULES
from tests.rules.catalogue_page import page

ROOT = Path(__file__).parents[2]
LENGTHS = {"S0": 1982, "S1": 852, "S2": 908, "S3": 866, "S4": 357}


def test_the_page_is_the_catalogue() -> None:
    written = (ROOT / "docs" / "regles.md").read_text("utf-8")
    assert written == page(), "python -m tests.rules.catalogue_page > docs/regles.md"


def test_every_rule_has_a_stage_and_a_place_in_the_sources() -> None:
    known = {ORDER, ADVANCE, VA, SOLDE, CANCELLATION, GRANT, INFORMATION}
    for rule in RULES.values():
        assert rule.stages
        assert set(rule.stages) <= known
        assert (INFORMATION in rule.stages) == (rule.stages == (INFORMATION,)), rule.code
        for reference in rule.source.reference.split(", "):
            found = re.fullmatch(r"(S[0-4]):(\d+)(?:-(\d+))?", reference)
            assert found, (rule.code, reference)
            first, last = int(found[2]), int(found[3] or found[2])
            assert first <= last <= LENGTHS[found[1]], (rule.code, reference)


def test_every_rule_of_the_order_is_asked_in_its_scope() -> None:
    assert set(ORDER_RULES) == set(of_stage(ORDER, ON_ORDER))
    assert {*ESSMS_RULES, *CROSSING_RULES} == set(of_stage(ORDER, ON_ESSMS))
    assert of_stage(GRANT, ON_ORDER) == ()


def test_every_rule_of_the_later_stages_is_asked_in_its_scope() -> None:
    assert tuple(ADVANCE_RULES) == of_stage(ADVANCE, ON_ORDER)
    assert (of_stage(VA, ON_ORDER), of_stage(VA, ON_ESSMS)) == (("R17", "R21"), ("R18",))
    assert of_stage(SOLDE, ON_ORDER) == ("R16", "R21", "R22")
    assert of_stage(CANCELLATION, ON_ESSMS) == ("R29",)
    for stage in (ADVANCE, SOLDE):
        assert of_stage(stage, ON_ESSMS) == ()
    assert of_stage(CANCELLATION, ON_ORDER) == ()


def test_every_rule_that_follows_a_reading_is_asked_somewhere() -> None:
    for reading in READINGS.values():
        assert reading.followed_by, reading.code
