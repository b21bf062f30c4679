"""A law that is not in force yet: the package's with a file changed, or with its projects taken as law."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law.building import build_law
from sons_tracker.law.comparison import Difference
from sons_tracker.law.documents import Table
from sons_tracker.law.library import Library, package_files, read_folder, read_library
from sons_tracker.rules.parameters import Etat


def read_proposal(path: Path) -> Library:
    """The law of a folder, or the package's with the file of the same name replaced by this one.

    Raises:
        SonsError: `INVALID_FILE` when the path is neither; `INVALID_LAW` with every defect.
    """
    if path.is_dir():
        if not any(path.glob("*.toml")):
            raise SonsError(ErrorCode.INVALID_FILE, f"Le dossier « {path} » n'a aucun fichier « .toml ».")
        return read_folder(path)
    contents = package_files()
    if not path.is_file():
        raise SonsError(ErrorCode.INVALID_FILE, f"Le fichier « {path} » n'existe pas.")
    if path.name not in contents:
        known = ", ".join(sorted(name for name in contents if name.endswith(".toml")))
        raise SonsError(
            ErrorCode.INVALID_FILE,
            f"« {path.name} » ne porte le nom d'aucun fichier du droit livré ; ces noms sont : {known}.",
        )
    return read_library({**contents, path.name: path.read_bytes()})


def with_projects(library: Library) -> Library:
    """The same law, each of its `projet` versions read as if it were in force.

    Nothing else changes: a project that is published later is still not known before that day. The digest
    is of its own, since no set of files has it.
    """
    documents = {
        key: replace(document, data=_in_force(document.data)) for key, document in library.documents.items()
    }
    digest = hashlib.sha256(f"{library.law.digest}\0projets".encode()).hexdigest()
    return Library(documents, library.requests, build_law(documents, library.requests, digest))


def known_from(differences: Iterable[Difference]) -> date | None:
    """The first day on which every version that is new or changed is published; None when there is none."""
    days = [one.after["publie_le"] for one in differences if one.after and "publie_le" in one.after]
    return date.fromisoformat(max(days)) if days else None


def _in_force(data: Table) -> Table:
    return {name: [_enacted(one) for one in v] if isinstance(v, list) else v for name, v in data.items()}


def _enacted(version: Any) -> Any:
    if isinstance(version, dict) and version.get("etat") == Etat.PROJET:
        return {**version, "etat": str(Etat.EN_VIGUEUR)}
    return version
