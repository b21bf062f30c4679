"""The closed list of errors: stable code, HTTP status, French title and remedy.

Every refusal that leaves the software, by HTTP or by the terminal, is one of these. A code is a
promise to integrators: it is never renamed, only added to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One entry of the list. `status` is the HTTP status; `title` and `remedy` are French sentences."""

    code: str
    status: int
    title: str
    remedy: str


class ErrorCode(Enum):
    """The closed list; `ErrorCode.X.value` is the `ErrorKind`."""

    MALFORMED_REQUEST = ErrorKind(
        "malformed_request",
        400,
        "La requête n'est pas lisible.",
        "Corriger les champs indiqués, puis renvoyer la requête.",
    )
    INVALID_LAW = ErrorKind(
        "invalid_law",
        422,
        "Un fichier du droit est invalide.",
        "Corriger la valeur indiquée dans le fichier, puis relancer « sons-tracker law check ».",
    )
    OUTSIDE_COVERAGE = ErrorKind(
        "outside_coverage",
        422,
        "Aucune valeur n'est connue pour cette date.",
        "Choisir une date couverte par les textes connus, ou attendre leur publication.",
    )
    INVALID_IDENTIFIER = ErrorKind(
        "invalid_identifier",
        422,
        "Un identifiant est mal formé.",
        "Vérifier le numéro sur le répertoire, puis le saisir à nouveau.",
    )
    INVALID_AMOUNT = ErrorKind(
        "invalid_amount",
        422,
        "Un montant est mal formé ou impossible.",
        "Donner le montant en euros TTC avec deux décimales, par exemple « 1232.00 ».",
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """One defect found in an input: where it stands (JSON path, line or field) and a French sentence."""

    where: str
    message: str


class SonsError(Exception):
    """An error of the closed list.

    `detail` is one French sentence about this occurrence; `faults` lists every defect at once.
    """

    def __init__(self, code: ErrorCode, detail: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.faults = faults

    @property
    def kind(self) -> ErrorKind:
        return self.code.value
