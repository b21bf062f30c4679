"""FINESS numbers. A FINESS géographique (ET) names an ESSMS, a FINESS juridique (EJ) its OG.

The two cannot be told apart by their form, hence two types. A FINESS is text, never an integer:
6.6 % of the numbers start with 0 and Corsica uses letters.
"""

from __future__ import annotations

import re

from sons_tracker.errors import ErrorCode, Fault, SonsError

_FORM = re.compile(r"(?:[0-9]{2}|2[AB])[0-9]{7}")
_SPACES = re.compile(r"[\s.\u00a0\u202f-]+")
# Luhn: every second character from the right is doubled, the two digits of the double are added.
_DOUBLED = str.maketrans("0123456789", "0246813579")
_CORSICA = str.maketrans("AB", "12")


class FinessGeographique(str):
    """FINESS géographique of an ESSMS: nine characters, already checked."""

    __slots__ = ()


class FinessJuridique(str):
    """FINESS juridique of an organisme gestionnaire: nine characters, already checked."""

    __slots__ = ()


def luhn_ok(number: str) -> bool:
    """Whether the last character of a well-formed number is its Luhn key, with A→1 and B→2.

    No official text states the key; it held on 18 322 distinct real numbers. A number typed by a
    person that fails is an error; a number of the official file that fails is only a warning.
    """
    digits = number.translate(_CORSICA)
    return (sum(map(int, digits[::2])) + sum(map(int, digits[1::2].translate(_DOUBLED)))) % 10 == 0


def parse_finess(text: str, where: str = "finess") -> str:
    """The nine characters of a FINESS number typed or pasted by a person.

    Spaces, dots and hyphens are dropped (`01 078 005 4` is pasted so) and `2a` becomes `2A`.

    Raises:
        SonsError: `INVALID_IDENTIFIER`, with what is wrong; `where` is the path of the field.
    """
    number = _SPACES.sub("", text).upper()
    if len(number) != 9:
        problem = f"Un numéro FINESS compte 9 caractères, celui-ci en compte {len(number)}."
        if len(number) == 8 and number.isdigit():
            problem += " Un zéro initial a peut-être été perdu par un tableur."
    elif not _FORM.fullmatch(number):
        problem = "Un numéro FINESS est fait de 9 chiffres, ou commence par 2A ou 2B en Corse."
    elif not luhn_ok(number):
        problem = (
            "La clé de contrôle (dernier chiffre) ne correspond pas :"
            " un chiffre est faux ou deux sont inversés."
        )
    else:
        return number
    shown = text if len(text) <= 40 else text[:40] + "…"
    raise SonsError(
        ErrorCode.INVALID_IDENTIFIER,
        f"Le numéro FINESS « {shown} » est mal formé. {problem}",
        (Fault(where, problem),),
    )


def parse_geographique(text: str, where: str = "finess_geographique") -> FinessGeographique:
    """A `FinessGeographique` from typed text; raises as `parse_finess`."""
    return FinessGeographique(parse_finess(text, where))


def parse_juridique(text: str, where: str = "finess_juridique") -> FinessJuridique:
    """A `FinessJuridique` from typed text; raises as `parse_finess`."""
    return FinessJuridique(parse_finess(text, where))
