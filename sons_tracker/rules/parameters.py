"""Values of the law over time.

A value has two axes: the day from which it applies (`depuis`) and the day from which it is known
(`publie_le`), because texts act backwards. A version says only when it starts, so that neither a
gap nor an overlap can be written; a value ends by an explicit version without value (abrogation).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Generic, TypeVar

from sons_tracker.errors import ErrorCode, SonsError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Confiance(StrEnum):
    """How sure a value is: stated by an official text, or still to be confirmed."""

    OFFICIEL = "officiel"
    A_CONFIRMER = "a_confirmer"


class Etat(StrEnum):
    """Only `en_vigueur` is applied; `projet` is read by the impact analysis alone."""

    EN_VIGUEUR = "en_vigueur"
    PROJET = "projet"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the law says it: title of the text and the place in it (article, line of the source document)."""

    titre: str
    reference: str

    def __str__(self) -> str:
        return f"{self.titre} ({self.reference})"


@dataclass(frozen=True, slots=True)
class Version(Generic[T_co]):
    """One version of a value; `value` is None when the value is repealed from `depuis` on."""

    depuis: date
    publie_le: date
    confiance: Confiance
    etat: Etat
    source: Source
    value: T_co | None

    @property
    def a_confirmer(self) -> bool:
        return self.confiance is Confiance.A_CONFIRMER


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T_co]):
    """All versions of one value, in any state; `name` is its path in the law, e.g. `MS1-V1.bareme`."""

    name: str
    versions: tuple[Version[T_co], ...]

    def find(self, on: date, known_on: date) -> Version[T_co] | None:
        """The version in force on `on`, as known on `known_on`, or None outside the coverage.

        Among the versions that are in force and published by `known_on`, the latest start decides;
        of two with the same start, the one published last (a correction replaces what it corrects).
        """
        best: Version[T_co] | None = None
        for version in self.versions:
            if version.etat is not Etat.EN_VIGUEUR or version.depuis > on or version.publie_le > known_on:
                continue
            if best is None or (version.depuis, version.publie_le) > (best.depuis, best.publie_le):
                best = version
        return None if best is None or best.value is None else best

    def in_force(self, on: date, known_on: date) -> Version[T_co]:
        """As `find`, but refuses outside the coverage.

        Raises:
            SonsError: `OUTSIDE_COVERAGE`: no value is known for that day; nothing is ever guessed.
        """
        version = self.find(on, known_on)
        if version is None:
            raise SonsError(
                ErrorCode.OUTSIDE_COVERAGE,
                f"Aucune valeur de « {self.name} » n'est en vigueur le {on:%d/%m/%Y}"
                f" d'après ce qui est connu le {known_on:%d/%m/%Y}.",
            )
        return version


def required(version: Version[T]) -> T:
    """The value of a version that `find` or `in_force` returned: those always have one."""
    assert version.value is not None
    return version.value
