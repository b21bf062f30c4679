"""IBAN and BIC: keys, country, bank, and messages that never repeat the number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.bank_numbers import parse_bank_numbers
from tests.factories_suppliers import an_iban

FRENCH, POSTAL = "FR1420041010050500013M02606", "PSSTFRPPXXX"
UNLISTED = an_iban("99999")

ACCEPTED = {
    "as printed": ("FR14 2004 1010 0505 0001 3M02 606", "psst fr pp", FRENCH, "PSSTFRPP"),
    "a branch of the bank": (FRENCH, "PSSTFRPPLIL", FRENCH, "PSSTFRPPLIL"),
    "Germany": ("DE85680700300219926399", "DEUTDE6FXXX", "DE85680700300219926399", "DEUTDE6FXXX"),
    "Switzerland": ("CH6280939EW0VEK8CDWB7", "RAIFCH22", "CH6280939EW0VEK8CDWB7", "RAIFCH22"),
    # a bank code that the library does not know, under a BIC of La Réunion
    "overseas": (UNLISTED, "REUBRERXXXX", UNLISTED, "REUBRERXXXX"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_account_is_written_as_a_bank_reads_it(name: str) -> None:
    iban, bic, *expected = ACCEPTED[name]
    numbers = parse_bank_numbers(iban, bic)
    assert [numbers.iban, numbers.bic] == expected
    assert numbers.iban not in repr(numbers)


REFUSED = {
    "wrong key": ("FR1520041010050500013M02606", POSTAL, ("$.iban",), "La clé de l'IBAN est fausse"),
    "wrong national key": (an_iban(wrong_national_key=True), POSTAL, ("$.iban",), "ou la clé de son pays"),
    "cut": (FRENCH[:-1], POSTAL, ("$.iban",), "la longueur, la forme"),
    "empty": ("", POSTAL, ("$.iban",), "la longueur"),
    "no country": ("ZZ1420041010050500013M02606", POSTAL, ("$.iban",), "code de pays"),
    "outside SEPA": ("BR1800360305000010009795493C1", "BRASBRRJ", ("$.iban",), "hors de l'espace"),
    "letters of another alphabet": ("FR14200410100505О0013M02606", POSTAL, ("$.iban",), "sans accent"),
    "long": ("FR14" + "0" * 100, POSTAL, ("$.iban",), "34 au plus"),
    "BIC cut": (FRENCH, "PSSTFRP", ("$.bic",), "8 ou 11"),
    "BIC of no country": (FRENCH, "PSSTZZPP", ("$.bic",), "8 ou 11"),
    "BIC with an accent": (FRENCH, "PSSTFRPÉ", ("$.bic",), "sans accent"),
    "BIC of another country": (FRENCH, "DEUTDE6FXXX", ("$.bic",), "du même pays"),
    "BIC of a country outside SEPA": (FRENCH, "SOGEPFTPXXX", ("$.bic",), "du même pays"),
    "BIC of another bank": (FRENCH, "SOGEFRPPXXX", ("$.bic",), "de la banque"),
    "both": ("FR15", "X", ("$.iban", "$.bic"), "2 défauts"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_account_names_its_faults_and_not_its_number(name: str) -> None:
    iban, bic, where, sentence = REFUSED[name]
    with pytest.raises(SonsError) as caught:
        parse_bank_numbers(iban, bic)
    error = caught.value
    assert error.code is ErrorCode.INVALID_REQUEST
    assert tuple(fault.where for fault in error.faults) == where
    text = " ".join([error.detail, *(fault.message for fault in error.faults)])
    assert sentence in text
    assert len(iban) < 10 or iban not in text


def test_the_accounts_of_the_factories_are_valid() -> None:
    for _ in range(200):
        assert parse_bank_numbers(an_iban(), POSTAL).bic == POSTAL


@given(st.text(max_size=70), st.text(max_size=70))
def test_any_text_is_an_account_or_a_refusal(iban: str, bic: str) -> None:
    try:
        parse_bank_numbers(iban, bic)
    except SonsError as error:
        if not error.faults:
            raise


@given(st.integers(0, len(FRENCH) - 1), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_one_character_mistaken_is_always_seen(place: int, character: str) -> None:
    altered = FRENCH[:place] + character + FRENCH[place + 1 :]
    if altered != FRENCH:
        with pytest.raises(SonsError):
            parse_bank_numbers(altered, POSTAL)
