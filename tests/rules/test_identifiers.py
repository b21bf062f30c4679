"""FINESS numbers as people type and paste them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.rules.identifiers import (
    FinessGeographique,
    FinessJuridique,
    luhn_ok,
    parse_finess,
    parse_geographique,
    parse_juridique,
)

STEMS = st.from_regex(r"(?:[0-9]{2}|2[AB])[0-9]{6}", fullmatch=True)


def with_key(stem: str) -> str:
    return next(stem + key for key in "0123456789" if luhn_ok(stem + key))


@given(STEMS)
def test_one_key_and_one_only_fits(stem: str) -> None:
    fitting = [key for key in "0123456789" if luhn_ok(stem + key)]
    # the reference implementation of python-stdnum, with A and B as 1 and 2
    assert fitting == [luhn.calc_check_digit(stem.replace("A", "1").replace("B", "2"))]


@given(STEMS, st.integers(0, 8), st.integers(1, 9))
def test_one_wrong_digit_is_found(stem: str, place: int, shift: int) -> None:
    number = with_key(stem)
    if number[place] not in "AB":
        wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
        assert not luhn_ok(wrong)


@given(STEMS, st.lists(st.sampled_from([" ", "\u00a0", "\u202f", ".", "-", "\t"]), max_size=8))
def test_spaces_dots_and_hyphens_are_dropped(stem: str, marks: list[str]) -> None:
    number = with_key(stem)
    pasted = list(number)
    for index, mark in enumerate(marks):
        pasted.insert((index * 3 + 1) % len(pasted), mark)
    assert parse_finess("".join(pasted)) == number
    assert parse_finess(number.lower()) == number


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("01 0780 05 4", "010780054"),
        (" 010780054\n", "010780054"),
        ("2a 0000 04 " + with_key("2A000004")[-1], with_key("2A000004")),
        ("9701-0001-" + with_key("97010001")[-1], with_key("97010001")),
    ],
)
def test_numbers_as_people_paste_them(typed: str, number: str) -> None:
    assert parse_finess(typed) == number


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("10780054", "Un zéro initial a peut-être été perdu par un tableur"),
        ("", "celui-ci en compte 0"),
        ("0107800541", "celui-ci en compte 10"),
        ("010780055", "La clé de contrôle"),
        ("2C0000041", "ou commence par 2A ou 2B en Corse"),
        ("A10780054", "ou commence par 2A ou 2B en Corse"),
        ("01078005A", "ou commence par 2A ou 2B en Corse"),
        ("٠١٠٧٨٠٠٥٤", "est fait de 9 chiffres"),
        ("²10780054", "est fait de 9 chiffres"),
        ("x" * 500, "celui-ci en compte 500"),
    ],
)
def test_a_malformed_number_says_what_is_wrong(typed: str, says: str) -> None:
    with pytest.raises(SonsError, match=says) as refused:
        parse_finess(typed, "$.og")
    assert refused.value.code is ErrorCode.INVALID_IDENTIFIER
    assert [fault.where for fault in refused.value.faults] == ["$.og"]
    assert len(refused.value.detail) < 250


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    try:
        number = parse_finess(text)
    except SonsError:
        return
    assert len(number) == 9
    assert luhn_ok(number)
    assert parse_finess(number) == number


def test_the_two_kinds_are_two_types() -> None:
    assert type(parse_geographique("010780054")) is FinessGeographique
    assert type(parse_juridique("010780054")) is FinessJuridique
    assert parse_geographique("01 078 005 4") == "010780054"
