"""Every sentence that a person may read is French, well formed, and says what it must."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

import pytest

from sons_tracker.law import load
from sons_tracker.rules.assessment import assess
from sons_tracker.rules.catalogue import READINGS, RULES
from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.grant_stage import assess_grant
from sons_tracker.rules.verdicts import Verdict
from tests.rules.cases import examples, grant_case, order_case

LAW = load().law
ENGLISH = (
    "the", "and", "not", "order", "grant", "payment", "software", "known", "unknown", "must", "should",
    "none", "pass", "fail", "review", "with", "without", "already", "before", "after", "claim", "order_line",
)  # fmt: skip
# names of fields, which the reader types as they are, and the codes of this file's facts
_FIELDS = re.compile(r"« [a-z_0-9]+ »")
_SPACE_BEFORE = re.compile(r"[^\s\u00a0\u202f][;:!?»]|«\S")
_INSTANT = re.compile(r"\d{2}:\d{2}")


def _verdicts() -> Iterator[Verdict]:
    for example in examples("order"):
        case, known_on = order_case(example.given)
        yield from assess(case, LAW, case.signed_on, known_on).verdicts
    for example in examples("grant"):
        grant, asked_on, known_on = grant_case(example.given)
        yield from assess_grant(grant, LAW, asked_on, known_on)


def _sentences() -> Iterator[str]:
    for verdict in _verdicts():
        finding = verdict.finding
        yield from (s for s in (finding.message, finding.remedy, finding.discreet) if s is not None)
    yield from (rule.title for rule in RULES.values())
    yield from (reading.title for reading in READINGS.values())
    case, known_on = order_case({"referencings": []})
    found = assess(case, LAW, case.signed_on, known_on)
    yield from (f"{deadline.label}." for deadline in found.deadlines)
    yield from (payment.condition for payment in found.payments)


SENTENCES = sorted(set(_sentences()))


def test_there_are_sentences_to_read() -> None:
    assert len(SENTENCES) > 150


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_well_formed_french(sentence: str) -> None:
    assert sentence.endswith((".", ")")), "a sentence ends"
    assert sentence[0].isupper() or sentence[0].isdigit()
    assert "  " not in sentence
    assert sentence == sentence.strip()
    assert "\N{RIGHT SINGLE QUOTATION MARK}" not in sentence, "one apostrophe in the whole project"
    assert sentence.count("«") == sentence.count("»")
    assert sentence.count("(") == sentence.count(")")
    bare = _INSTANT.sub("", _FIELDS.sub("", sentence))
    assert not _SPACE_BEFORE.search(bare), "a space before ; : ! ? and inside « »"
    words = set(re.findall(r"[a-zàâçéèêëîïôùûü']+", bare.lower()))
    assert not words & set(ENGLISH)
    assert ".." not in sentence
    assert " ," not in sentence
    assert "None" not in sentence
    # a count of nothing or of one is singular in French
    assert not re.search(r"\b[01] (autres|jours|commandes)\b", sentence)


def test_dates_and_counts() -> None:
    assert date_fr(date(2022, 6, 1)) == "1er juin 2022"
    assert date_fr(date(2022, 8, 11)) == "11 août 2022"
    assert [count_fr(n, "jour calendaire", "jours calendaires") for n in (0, 1, 2)] == [
        "0 jour calendaire",
        "1 jour calendaire",
        "2 jours calendaires",
    ]
    assert count_fr(3, "ESSMS", "ESSMS") == "3 ESSMS"
    assert count_fr(2, "commande") == "2 commandes"
