"""IBAN and BIC as somebody typed them: checked together, never repeated in a message."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from schwifty import BIC, IBAN
from schwifty.exceptions import InvalidBankCode, InvalidChecksumDigits, InvalidCountryCode, SchwiftyException

from sons_tracker.errors import ErrorCode, Fault, SonsError

# Parts of a country that share its IBAN and its payments area, while a BIC names them by a code of their own
# (registry of the IBAN, ISO 13616). New Caledonia, Polynesia and Wallis-and-Futuna are not in SEPA.
_BIC_COUNTRIES = {
    "FR": frozenset({"FR", "GF", "GP", "MQ", "RE", "YT", "BL", "MF", "PM"}),
    "GB": frozenset({"GB", "GG", "IM", "JE"}),
}
_LONGEST = 60
_BANK_AND_COUNTRY = slice(0, 6)


@dataclass(frozen=True, slots=True)
class BankNumbers:
    """An account as it is written to a bank: capitals, no space. The IBAN is kept out of every `repr`."""

    iban: str = field(repr=False)
    bic: str


def parse_bank_numbers(iban: str, bic: str, path: str = "$") -> BankNumbers:
    """The account of an IBAN and a BIC, spaces and case forgiven.

    Both keys of the IBAN are verified (ISO 13616, and the national one where the library knows it); the
    country is in SEPA; the BIC is of the IBAN's country, and of its bank where the library knows the bank.

    Raises:
        SonsError: `INVALID_REQUEST` with every fault, under `path`; no message repeats the number.
    """
    faults: list[Fault] = []
    account = code = None
    try:
        account = _iban(iban)
    except _FaultyError as error:
        faults.append(Fault(f"{path}.iban", str(error)))
    try:
        code = _bic(bic)
    except _FaultyError as error:
        faults.append(Fault(f"{path}.bic", str(error)))
    if account is not None and code is not None:
        faults += [Fault(f"{path}.bic", problem) for problem in _disagreement(account, code)]
    if faults or account is None or code is None:
        more = "" if len(faults) == 1 else f" ({len(faults)} défauts)"
        detail = f"Les coordonnées bancaires ne conviennent pas : {faults[0].message}{more}"
        raise SonsError(ErrorCode.INVALID_REQUEST, detail, tuple(faults))
    return BankNumbers(str(account), str(code))


class _FaultyError(Exception):
    """One French sentence about a number that is wrong."""


def _iban(text: str) -> IBAN:
    if not text.isascii() or len(text) > _LONGEST:
        raise _FaultyError("L'IBAN n'a que des lettres sans accent et des chiffres, 34 au plus.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a country whose national key the library cannot verify
            account = IBAN(text, validate_bban=True)
    except InvalidCountryCode:
        raise _FaultyError("L'IBAN commence par un code de pays qui n'en délivre pas.") from None
    except InvalidChecksumDigits:
        raise _FaultyError("La clé de l'IBAN est fausse : un caractère au moins est mal recopié.") from None
    except SchwiftyException:
        raise _FaultyError("L'IBAN n'a pas la longueur, la forme ou la clé de son pays.") from None
    if not account.in_sepa_zone:
        raise _FaultyError("Le compte est tenu hors de l'espace unique de paiement en euros (SEPA).")
    return account


def _bic(text: str) -> BIC:
    if not text.isascii() or len(text) > _LONGEST:
        raise _FaultyError("Le BIC n'a que des lettres sans accent et des chiffres, 8 ou 11.")
    try:
        return BIC(text)
    except SchwiftyException:
        raise _FaultyError("Le BIC n'a pas la forme attendue : 8 ou 11 caractères, pays compris.") from None


def _disagreement(account: IBAN, code: BIC) -> list[str]:
    country = account.country_code
    if code.country_code not in _BIC_COUNTRIES.get(country, frozenset({country})):
        return ["Le BIC n'est pas du même pays que l'IBAN."]
    try:
        known = BIC.candidates_from_bank_code(country, account.bank_code)
    except InvalidBankCode:
        known = []
    # A bank has many BIC, one per branch or region, and the list is not whole: the first six are its own.
    if known and all(one[_BANK_AND_COUNTRY] != code[_BANK_AND_COUNTRY] for one in known):
        return ["Le BIC n'est pas celui de la banque que désigne l'IBAN."]
    return []
