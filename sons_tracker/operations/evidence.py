"""The evidence pack of a case: one ZIP that can be handed over, read without this software, and verified.

Its files are digested in the manifest. The journal's extract is chained, row by row, so that whoever keeps
the manifest can tell whether a row was changed since; the journal itself is not sealed by this pack.
The same dossier gives the same bytes: entries are stored in order, uncompressed, under one fixed date.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.documents import conflict_report
from sons_tracker.documents.graph_picture import table, to_svg
from sons_tracker.exchanges.tables import write_csv
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.case_dossiers import Dossier, read_dossier
from sons_tracker.operations.case_reports import fact_rows, report_data
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.texts import Law

FORMAT = "sons-preuves-1"
CHAIN_START = hashlib.sha256(b"sons-tracker, extrait du journal, version 1").hexdigest()
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16
_UNIX = 3
_PIECES = {
    "order": "Bon de commande",
    "va": "Texte de la VA",
    "invoice": "Facture",
    "cancellation": "Pièce d'annulation",
    "delegation": "Délégation de signature",
}


@dataclass(frozen=True, slots=True)
class Pack:
    """A ZIP and the name that it is kept under."""

    name: str
    content: bytes


async def export(actor: Actor, conflict: UUID | str, law: Law, at: datetime) -> Pack:
    """The evidence pack of a case, by its identifier or number; the journal retains who took it.

    The pack is what was known just before: the row that tells its making is not in its own extract.

    Raises:
        SonsError: `FORBIDDEN`; `NOT_FOUND`.
    """
    require(actor, "evidence.export")
    async with transaction(actor.context, isolation="repeatable_read") as con:
        dossier = await read_dossier(con, actor, conflict, at, law.digest)
        await journal.record(
            con,
            actor,
            at,
            "conflict.exported",
            "conflict",
            str(dossier.case.id),
            {"number": dossier.case.number, "journal_rows": len(dossier.journal), "law_digest": law.digest},
        )
    # the typesetting takes a processor for a while: in a thread, and with no transaction open
    content = await asyncio.to_thread(build, dossier, actor)
    return Pack(f"{dossier.case.number}-preuves.zip", content)


def build(dossier: Dossier, actor: Actor) -> bytes:
    """The ZIP of a dossier; the same dossier asked for by the same person gives the same bytes."""
    picture = to_svg(dossier.graph)
    rows = [_plain(row) for row in dossier.journal]
    chain = chained(rows)
    files = {
        "rapport.pdf": conflict_report.render(report_data(dossier), picture, dossier.at),
        "faits.csv": write_csv(
            [
                ["essms", "jour", "jusqu_au", "nature", "fait", "connu_depuis", "reference"],
                *fact_rows(dossier),
            ]
        ),
        "graphe.svg": picture,
        "graphe.csv": write_csv(
            [
                ["numero", "de", "lien", "a", "date"],
                *(
                    [
                        str(one.number),
                        one.source,
                        one.word,
                        one.target,
                        "" if one.on is None else one.on.isoformat(),
                    ]
                    for one in table(dossier.graph)
                ),
            ]
        ),
        "documents.csv": write_csv(
            [
                ["commande", "nature", "reference", "date", "sha256"],
                *(
                    [p.order, _PIECES[p.kind], p.reference, p.at.astimezone(PARIS).isoformat(), p.sha256]
                    for p in dossier.pieces
                ),
            ]
        ),
        "journal.csv": write_csv(
            [
                [*_JOURNAL_COLUMNS, "empreinte"],
                *(
                    [*(_cell(row[name]) for name in _JOURNAL_COLUMNS), digest]
                    for row, digest in zip(rows, chain, strict=True)
                ),
            ]
        ),
        "journal.json": _json({"depart": CHAIN_START, "lignes": rows, "chaine": chain}),
        "textes.json": _json(
            [
                {"ligne": one.journal_id, "champ": one.field, "sel": one.salt, "texte": one.text}
                for one in dossier.texts
            ]
        ),
    }
    return _zipped({**files, "manifeste.json": _json(_manifest(dossier, actor, files, chain))})


def chained(rows: list[dict[str, Any]]) -> list[str]:
    """The digest of each row and of all before it: SHA-256 of the one before, in hexadecimal, and of the row
    as canonical JSON (sorted names, no spaces, UTF-8)."""
    digests, last = [], CHAIN_START
    for row in rows:
        canonical = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        last = hashlib.sha256(last.encode() + canonical.encode()).hexdigest()
        digests.append(last)
    return digests


_JOURNAL_COLUMNS = (
    "id", "at", "recorded_at", "person_id", "organisation_id", "role", "auth_level", "action", "object_kind",
    "object_id", "facts",
)  # fmt: skip


def _manifest(dossier: Dossier, actor: Actor, files: Mapping[str, bytes], chain: list[str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "dossier": dossier.case.number,
        "fait_le": dossier.at.astimezone(PARIS).isoformat(),
        "droit": dossier.law_digest,
        "demande_par": {
            "personne": None if actor.person_id is None else str(actor.person_id),
            "organisation": None if actor.organisation_id is None else str(actor.organisation_id),
            "role": actor.role,
        },
        "fichiers": [
            {"nom": name, "octets": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        ],
        "journal": {
            "lignes": len(chain),
            "depart": CHAIN_START,
            "tete": chain[-1] if chain else CHAIN_START,
            "verification": "Partir de « depart » ; pour chaque ligne de journal.json, SHA-256 de l'empreinte"
            " précédente (64 caractères hexadécimaux) suivie de la ligne en JSON canonique (noms triés, sans"
            " espace, UTF-8). La dernière empreinte est « tete ».",
            "textes": "Ce que des personnes ont écrit est dans textes.json ; la ligne du journal en porte"
            " l'empreinte « said », SHA-256 du sel (32 octets, ici en hexadécimal) suivi du texte en UTF-8."
            " Un texte effacé n'a plus ni sel ni mots.",
            "scelle": False,
        },
    }


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = _UNIX, _READABLE
            archive.writestr(entry, content)
    return out.getvalue()


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the journal as JSON carries it; instants in UTC, as they were written."""
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, date | datetime) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
