"""What is wrong, or doubtful, in a file of grants: line by line, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warn"]

# More than any list of grants has lines; beyond, only the counts go on.
ANOMALIES_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class AnomalyKind:
    """A code: `error` sets its line aside, `warn` is told and passes. `label` and `remedy` are French."""

    severity: Severity
    label: str
    remedy: str


KINDS: Mapping[str, AnomalyKind] = {
    "malformed": AnomalyKind(
        "error",
        "ligne mal formée",
        "Corriger la valeur d'après la description des colonnes (docs/registres.md).",
    ),
    "dates_out_of_order": AnomalyKind(
        "error",
        "dates qui ne se suivent pas",
        "Corriger les dates : demande, convention, versement, VSR, solde.",
    ),
    "future_date": AnomalyKind(
        "error", "date dans l'avenir", "Corriger la date, ou attendre l'extraction qui la constate."
    ),
    "state_undated": AnomalyKind("error", "état sans sa date", "Donner la date de l'état."),
    "state_contradicted": AnomalyKind(
        "error", "date postérieure à l'état", "Mettre l'état à jour, ou retirer la date."
    ),
    "amount_without_component": AnomalyKind(
        "error", "montant d'une composante non financée", "Ajouter la composante, ou retirer le montant."
    ),
    "duplicate_line": AnomalyKind("error", "ligne en double", "Supprimer la ligne en trop."),
    "conflicting_lines": AnomalyKind(
        "error",
        "lignes qui se contredisent",
        "Ne garder que la ligne exacte pour ce dossier et cet ESSMS.",
    ),
    "unknown_finess": AnomalyKind(
        "error",
        "ESSMS inconnu du FINESS",
        "Vérifier le numéro auprès de l'ARS, ou importer l'extraction FINESS qui le porte.",
    ),
    "two_projects": AnomalyKind(
        "error",
        "deux projets pour un ESSMS",
        "Faire préciser à l'ARS lequel des deux projets porte sur cet ESSMS.",
    ),
    "above_ceiling": AnomalyKind(
        "error", "montant au-dessus du plafond", "Vérifier le montant auprès de l'ARS ou de la CNSA."
    ),
    "project_above_ceiling": AnomalyKind(
        "error",
        "projet au-dessus du plafond",
        "Vérifier le montant du projet et la liste de ses ESSMS auprès de l'ARS ou de la CNSA.",
    ),
    "finess_gone": AnomalyKind(
        "warn", "ESSMS sorti du FINESS", "Vérifier si l'ESSMS a fermé ou changé de numéro."
    ),
    "finess_not_checked": AnomalyKind(
        "warn", "numéros FINESS non vérifiés", "Importer un stock des établissements du FINESS."
    ),
    "not_checkable": AnomalyKind(
        "warn", "montant non vérifiable", "Rien à corriger : les montants de cet appel ne sont pas connus."
    ),
    "og_not_small": AnomalyKind(
        "warn",
        "aide de petit OG pour un OG qui ne l'est pas",
        "Vérifier le nombre d'ESSMS de l'organisme gestionnaire à la date de la demande.",
    ),
    "several_solutions": AnomalyKind(
        "warn",
        "plusieurs logiciels pour un projet d'acquisition",
        "Vérifier que le projet porte sur un seul et même logiciel (S1:501-502).",
    ),
    "two_calls": AnomalyKind(
        "warn",
        "demandes régionale et nationale à la fois",
        "Vérifier avec l'ARS et la CNSA laquelle des deux demandes est maintenue (S3:150-154).",
    ),
}
ERRORS = tuple(code for code, kind in KINDS.items() if kind.severity == "error")


@dataclass(frozen=True, slots=True, order=True)
class Anomaly:
    """One anomaly of one line (1 is the header, for what is said of the whole file); `message` is French."""

    line: int
    code: str
    message: str
    grant_reference: str | None = None
    finess_geographique: str | None = None

    @property
    def kind(self) -> AnomalyKind:
        return KINDS[self.code]


@dataclass(slots=True)
class Anomalies:
    """The first anomalies that were found, and how many there are of each code."""

    kept: list[Anomaly] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, anomaly: Anomaly) -> None:
        """Keeps one, and counts it."""
        self.keep(anomaly)
        self.count(anomaly.code)

    def keep(self, anomaly: Anomaly) -> None:
        """Keeps one that is counted elsewhere, as long as there is room."""
        if len(self.kept) < ANOMALIES_KEPT:
            self.kept.append(anomaly)

    def count(self, code: str, found: int = 1) -> None:
        self.counts[code] = self.counts.get(code, 0) + found

    @property
    def total(self) -> int:
        return sum(self.counts.values())
