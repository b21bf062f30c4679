"""What each check of a file of grants says in French, from the facts that it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from sons_tracker.rules.french import count_fr, date_fr
from sons_tracker.rules.money import euros_fr

Facts = Mapping[str, Any]
_OF = {"usage": "d'usage", "equipment": "de logiciel", "hardware": "de matériel", "amoa": "d'AMOA"}
_PROJECTS = {"acquisition": "acquisition", "upgrade": "mise en conformité"}


def _above_ceiling(facts: Facts) -> str:
    asked, most = euros_fr(facts["cents"]), facts["ceiling"]
    if not most:
        return _unpaid(facts)
    return (
        f"Le montant {_OF[facts['component']]} ({asked}) dépasse le plafond de l'appel {facts['year']}"
        f" pour un ESSMS : {euros_fr(most)}.{_doubt(facts)}"
    )


def _project_above_ceiling(facts: Facts) -> str:
    if not facts["ceiling"]:
        return _unpaid(facts)
    return (
        f"Les montants {_OF[facts['component']]} du projet ({euros_fr(facts['cents'])} pour"
        f" {count_fr(facts['essms'], 'ESSMS', 'ESSMS')}) dépassent le plafond de l'appel {facts['year']} :"
        f" {euros_fr(facts['ceiling'])}.{_doubt(facts)}"
    )


def _unpaid(facts: Facts) -> str:
    project = _PROJECTS[facts["project"]]
    if facts["component"] == "equipment" and facts["referenced"] is False:
        project += " d'un DUI non référencé"
    return (
        f"L'appel {facts['year']} ne finance pas de montant {_OF[facts['component']]} pour une {project} :"
        f" {euros_fr(facts['cents'])} y sont portés.{_doubt(facts)}"
    )


def _doubt(facts: Facts) -> str:
    return " (Valeur à confirmer.)" if facts["a_confirmer"] else ""


def _two_projects(facts: Facts) -> str:
    other = "acquisition" if facts["project"] == "upgrade" else "upgrade"
    where = "déjà au registre" if facts["other_line"] is None else f"à la ligne {facts['other_line']}"
    return (
        f"Cet ESSMS a deux projets dans l'appel {facts['year']} : une {_PROJECTS[facts['project']]}"
        f" et, {where}, une {_PROJECTS[other]} (dossier {facts['other']})."
    )


def _not_checkable(facts: Facts) -> str:
    amounts = ", ".join(_OF[component] for component in facts["components"].split(","))
    call = f"ce que l'appel {facts['year']} finance à ce titre n'est pas connu."
    return f"Montant {amounts} non vérifiable : {call}"


SENTENCES: Mapping[str, Callable[[Facts], str]] = {
    "duplicate_line": lambda f: f"« {f['key']} » figure déjà à la ligne {f['other']}.",
    "conflicting_lines": lambda f: f"« {f['key']} » est décrit autrement à la ligne {f['other']}.",
    "unknown_finess": lambda _: "Cet ESSMS ne figure dans aucune extraction FINESS importée.",
    "finess_gone": lambda _: "Cet ESSMS ne figure plus dans le dernier stock FINESS importé.",
    "finess_not_checked": lambda f: (
        "Aucun stock FINESS n'est importé ; non vérifiés :"
        f" {count_fr(f['essms'], 'numéro FINESS', 'numéros FINESS')}."
    ),
    "future_date": lambda f: f"« {f['name']} » ({date_fr(date.fromisoformat(f['day']))}) est dans l'avenir.",
    "two_projects": _two_projects,
    "above_ceiling": _above_ceiling,
    "project_above_ceiling": _project_above_ceiling,
    "not_checkable": _not_checkable,
    "og_not_small": lambda f: (
        f"L'organisme gestionnaire compte {f['essms']} ESSMS ;"
        f" un petit organisme en compte au plus {f['most']}."
    ),
    "several_solutions": lambda f: f"Ce projet d'acquisition porte sur {f['solutions']} logiciels.",
    "two_calls": lambda f: (
        "L'organisme gestionnaire de cet ESSMS répond à l'appel régional et à l'appel national"
        f" de {f['year']}."
    ),
}
