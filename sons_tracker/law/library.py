"""The law files of one version of the software, read together and held against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.law.building import build_law
from sons_tracker.law.consistency import version_faults, whole_faults
from sons_tracker.law.documents import Document, parse_document
from sons_tracker.rules.french import count_fr
from sons_tracker.rules.texts import Law


@dataclass(frozen=True, slots=True)
class Library:
    """The checked documents by the name that people use (`MS1-V1`, `V1`, `finess` …), and the law."""

    documents: Mapping[str, Document]
    law: Law


@cache
def load() -> Library:
    """The law that ships in the package.

    Raises:
        SonsError: `INVALID_LAW`: the package itself is broken.
    """
    folder = files("sons_tracker.law")
    contents = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".toml")}
    return read_library(contents)


def read_library(contents: Mapping[str, bytes]) -> Library:
    """The law of a set of files: `contents` maps a file name to its bytes.

    Raises:
        SonsError: `INVALID_LAW` with the defects of all the files at once.
    """
    documents: dict[str, Document] = {}
    faults: list[Fault] = []
    for name, content in sorted(contents.items()):
        try:
            document = parse_document(name, content)
        except SonsError as error:
            faults += error.faults
            continue
        key = str(document.data.get("code", document.data["nature"]))
        if key in documents:
            faults.append(Fault(name, f"« {key} » est déjà défini par {documents[key].name}."))
        documents[key] = document
        faults += version_faults(document)
    if not faults:
        faults += whole_faults(documents)
    if faults:
        raise SonsError(
            ErrorCode.INVALID_LAW, f"Le droit a {count_fr(len(faults), 'défaut')}.", tuple(faults)
        )
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return Library(documents, build_law(documents, digest.hexdigest()))


def read_folder(folder: Path) -> Library:
    """The law of a folder of `.toml` files; raises as `read_library`."""
    return read_library({path.name: path.read_bytes() for path in sorted(folder.glob("*.toml"))})
