"""The law files of one version of the software, read together and held against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path

from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.law.building import build_law
from sons_tracker.law.documents import Document, Table, parse_document
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
        faults += _version_faults(document)
    if not faults:
        faults += _whole_faults(documents)
    if faults:
        raise SonsError(ErrorCode.INVALID_LAW, f"Le droit a {len(faults)} défaut(s).", tuple(faults))
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return Library(documents, build_law(documents, digest.hexdigest()))


def read_folder(folder: Path) -> Library:
    """The law of a folder of `.toml` files; raises as `read_library`."""
    return read_library({path.name: path.read_bytes() for path in sorted(folder.glob("*.toml"))})


def parameters(data: Table) -> Iterator[tuple[str, list[Table]]]:
    """The values of a document: name and versions as plain tables."""
    for name, versions in data.items():
        if isinstance(versions, list) and versions and isinstance(versions[0], dict):
            yield name, versions


def _version_faults(document: Document) -> Iterator[Fault]:
    """What a schema cannot say: two versions of one day, a hidden backward effect, tranches out of order."""
    for name, versions in parameters(document.data):
        seen: dict[tuple[object, ...], int] = {}
        for index, version in enumerate(versions):
            place = document.place((name, index))
            key = (version["depuis"], version["publie_le"], version.get("annee"))
            if key in seen:
                yield Fault(
                    place,
                    f"Deux versions de « {name} » ont les mêmes dates depuis {key[0]} et publie_le {key[1]}.",
                )
            seen[key] = index
            backwards = date.fromisoformat(version["publie_le"]) > date.fromisoformat(version["depuis"])
            if backwards != bool(version.get("retroactif", False)):
                yield Fault(
                    place,
                    "« retroactif = true » accompagne les versions publiées après leur effet, et elles"
                    " seules.",
                )
            minima = [tranche["min"] for tranche in version.get("tranches", [])]
            codes = [tranche["code"] for tranche in version.get("tranches", [])]
            if minima and (minima[0] != 1 or minima != sorted(set(minima)) or codes != sorted(set(codes))):
                yield Fault(
                    place, "Les tranches commencent à 1 et montent, chacune avec sa lettre, sans répétition."
                )


def _whole_faults(documents: Mapping[str, Document]) -> Iterator[Fault]:
    """What only the files together can show."""
    owners: dict[tuple[str, str], str] = {}
    for key, document in documents.items():
        data = document.data
        if data["nature"] != "dispositif":
            continue
        if documents.get(data["vague"], document).data["nature"] != "vague":
            yield Fault(document.place(("vague",)), f"Aucun fichier ne définit la vague « {data['vague']} ».")
        if key != f"{data['couloir']}-{data['vague']}":
            yield Fault(document.place(("code",)), f"Le code « {key} » n'est pas couloir-vague.")
        for domaine in data["domaines"]:
            other = owners.setdefault((data["vague"], domaine), key)
            if other != key:
                yield Fault(
                    document.place(("domaines",)), f"Le domaine « {domaine} » est déjà celui de {other}."
                )
    for nature in ("esms_numerique", "finess"):
        if nature not in documents:
            yield Fault("law", f"Aucun fichier de nature « {nature} ».")
