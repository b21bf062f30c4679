"""The law as people ask for it: the value in force on a day, as known on another, with its source."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law.building import version_of
from sons_tracker.law.documents import Document, Table, member_of, parameters
from sons_tracker.law.library import Library
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.parameters import Parameter, Source, Version
from sons_tracker.rules.texts import Limit, Opening


def names(library: Library) -> list[str]:
    """Every name that `show` accepts: `MS1-V1`, `MS1-V1.bareme`, …"""
    return sorted(
        [
            *library.documents,
            *(f"{key}.{name}" for key, d in library.documents.items() for name, _ in parameters(d.data)),
        ]
    )


def show(library: Library, name: str, on: date, known_on: date) -> dict[str, Any]:
    """What a text, or one of its values, says on `on` as known on `known_on`.

    Returns `{"name", "on", "known_on", "digest", "values": {value name: table | None}}`: each table is
    the version in force as the file writes it, or None where nothing is known for that day.

    Raises:
        SonsError: `OUTSIDE_COVERAGE` for an unknown name.
    """
    key, _, value = name.partition(".")
    document = library.documents.get(key) or library.documents.get(key.upper().replace("_", "-"))
    found = {} if document is None else dict(parameters(document.data))
    if document is None or (value and value not in found):
        raise SonsError(
            ErrorCode.OUTSIDE_COVERAGE,
            f"Le droit ne connaît pas « {name[:60]} ». Noms connus : {', '.join(sorted(library.documents))}.",
        )
    return {
        "name": name,
        "on": on.isoformat(),
        "known_on": known_on.isoformat(),
        "digest": library.law.digest,
        "values": {n: _current(document, n, on, known_on) for n in found if value in {"", n}},
    }


def _current(document: Document, name: str, on: date, known_on: date) -> Table | list[Table] | None:
    """The raw table in force; calls of ESMS numérique are one value per year, schemas one per request."""
    groups: dict[str, list[Table]] = {}
    for table in document.data[name]:
        groups.setdefault(member_of(table), []).append(table)
    current = []
    for tables in groups.values():
        versions: tuple[Version[Table], ...] = tuple(version_of(table, table) for table in tables)
        found = Parameter(name, versions).find(on, known_on)
        if found is not None and found.value is not None:
            current.append(found.value)
    if not current:
        return None
    return current if "" not in groups else current[0]


def calendar(library: Library, dispositif: str, known_on: date) -> dict[str, Any]:
    """The calendar of a dispositif as known on a day.

    Returns `{"dispositif", "known_on", "ouverture", "fermeture", "cloture"}`; each of the three is
    `{"at": instant with its Paris offset, or None when no date is known, "source", "confiance"}`; closings
    give their last inclusive instant. `ouverture` also has `domaines`, and `prevision` when only announced.

    Raises:
        SonsError: `OUTSIDE_COVERAGE` for an unknown dispositif or a day before any text.
    """
    law = library.law.dispositifs.get(dispositif.upper().replace("_", "-"))
    if law is None:
        raise SonsError(
            ErrorCode.OUTSIDE_COVERAGE,
            f"Le dispositif « {dispositif[:20]} » n'existe pas. "
            f"Dispositifs connus : {', '.join(library.law.dispositifs)}.",
        )
    return {
        "dispositif": law.code,
        "known_on": known_on.isoformat(),
        "ouverture": _opening(law.ouverture.find(known_on, known_on)),
        "fermeture": _closing(law.fermeture.in_force(known_on, known_on)),
        "cloture": _closing(law.cloture.in_force(known_on, known_on)),
    }


def _opening(version: Version[tuple[Opening, ...]] | None) -> dict[str, Any]:
    if version is None or not version.value:
        return {
            "at": None,
            "source": str(Source("Aucun texte connu ne donne de date d'ouverture", "lecture C4")),
            "confiance": "a_confirmer",
        }
    first = min(version.value, key=lambda opening: opening.on)
    at = datetime.combine(first.on, datetime.min.time(), PARIS)
    return {
        "at": at.isoformat(timespec="seconds"),
        "source": str(version.source),
        "confiance": str(version.confiance),
        "domaines": list(first.domaines),
        **({"prevision": True} if first.forecast else {}),
    }


def _closing(version: Version[Limit]) -> dict[str, Any]:
    assert version.value is not None
    return {
        "at": version.value.at.isoformat(timespec="seconds"),
        "source": str(version.source),
        "confiance": str(version.confiance),
    }
