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
from sons_tracker.law.documents import Document, Table, parse_document
from sons_tracker.law.requests import parse_schema
from sons_tracker.rules.french import count_fr
from sons_tracker.rules.texts import Law

REQUESTS = "requests/"


@dataclass(frozen=True, slots=True)
class Library:
    """The checked documents by the name that people use (`MS1-V1`, `V1`, `finess` …), and the law.

    `requests` are the JSON Schemas of requests, by file (`requests/solde_2022.json`).
    """

    documents: Mapping[str, Document]
    requests: Mapping[str, Table]
    law: Law


@cache
def load() -> Library:
    """The law that ships in the package.

    Raises:
        SonsError: `INVALID_LAW`: the package itself is broken.
    """
    return read_library(package_files())


def package_files() -> dict[str, bytes]:
    """The files of the law that ships in the package, by name, as `read_library` takes them."""
    folder = files("sons_tracker.law")
    texts = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".toml")}
    schemas = {
        f"{REQUESTS}{entry.name}": entry.read_bytes()
        for entry in (folder / REQUESTS.rstrip("/")).iterdir()
        if entry.name.endswith(".json")
    }
    return texts | schemas


def read_library(contents: Mapping[str, bytes]) -> Library:
    """The law of a set of files: `contents` maps a file name (`vague_1.toml`, `requests/…json`) to its bytes.

    Raises:
        SonsError: `INVALID_LAW` with the defects of all the files at once.
    """
    documents: dict[str, Document] = {}
    requests: dict[str, Table] = {}
    faults: list[Fault] = []
    for name, content in sorted(contents.items()):
        try:
            if name.startswith(REQUESTS):
                requests[name] = parse_schema(name, content)
                continue
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
        faults += whole_faults(documents, requests)
    if faults:
        raise SonsError(
            ErrorCode.INVALID_LAW, f"Le droit a {count_fr(len(faults), 'défaut')}.", tuple(faults)
        )
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return Library(documents, requests, build_law(documents, requests, digest.hexdigest()))


def read_folder(folder: Path) -> Library:
    """The law of a folder of `.toml` files and of its `requests/*.json`; raises as `read_library`."""
    paths = [*folder.glob("*.toml"), *folder.glob(f"{REQUESTS}*.json")]
    return read_library({path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)})
