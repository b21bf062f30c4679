"""The imports of grants: the terms that a file is checked by, and what each import told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

import asyncpg

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law import load
from sons_tracker.operations.actors import Actor, require
from sons_tracker.registers.anomalies import Anomaly, Severity
from sons_tracker.registers.grant_checks import GrantTerms
from sons_tracker.registers.layout import Scope
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.grants import ceilings
from sons_tracker.rules.parameters import required

_UNKNOWN = "Aucun import visible ne porte cet identifiant."

_IMPORT = """
select id, extracted_on, scope, file_name, file_sha256, imported_at, rows_read, rows_set_aside, anomalies
from grant_import
"""


@dataclass(frozen=True, slots=True)
class GrantImport:
    """One import of a file of grants that was written; `rows_set_aside` of its `rows_read` lines were not."""

    id: UUID
    extracted_on: date
    scope: Scope
    file_name: str
    file_sha256: bytes
    imported_at: datetime
    rows_read: int
    rows_set_aside: int
    anomalies: int


@dataclass(frozen=True, slots=True)
class GrantImportPage:
    """One page of imports, the latest first; `next_after` is the key of the next page, None on the last."""

    imports: tuple[GrantImport, ...]
    next_after: tuple[datetime, UUID] | None


@dataclass(frozen=True, slots=True)
class AnomalyPage:
    """An import and one page of its anomalies, in the order of the file; `next_after` as for a rank."""

    of: GrantImport
    anomalies: tuple[Anomaly, ...]
    next_after: int | None


def grant_terms(at: datetime) -> GrantTerms:
    """What the law says of the amounts of a grant on the Paris day of the business instant."""
    law, today = load().law, at.astimezone(PARIS).date()
    versions = {year: parameter.find(today, today) for year, parameter in law.calls.items()}
    calls = {year: required(version) for year, version in versions.items() if version is not None}
    bases = [vague.count_basis.find(today, today) for vague in law.vagues.values()]
    return GrantTerms(
        today,
        ceilings(law.calls, today),
        {year: call.small_og.max_essms for year, call in calls.items() if call.small_og is not None},
        frozenset[str]().union(*(required(basis).aggregates for basis in bases if basis is not None)),
    )


async def keep_grant_import(
    con: asyncpg.Connection,
    key: tuple[date, Scope],
    file: tuple[str, bytes],
    at: datetime,
    rows: tuple[int, int],
    anomalies: Sequence[Anomaly],
) -> None:
    """Writes what an import told, in its transaction.

    `key`: the day and the scope of its extraction; `file`: its name and digest; `rows`: those read, and those
    set aside; `anomalies`: all of them, in the order of the file.
    """
    import_id = uuid4()
    await con.execute(
        "insert into grant_import (id, extracted_on, scope, file_name, file_sha256, imported_at, rows_read,"
        " rows_set_aside, anomalies) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        import_id,
        *key,
        *file,
        at,
        *rows,
        len(anomalies),
    )
    await con.execute(
        "insert into grant_anomaly (import_id, rank, line, severity, code, message, grant_reference,"
        " finess_geographique)"
        " select $1, a.rank, a.line, a.severity, a.code, a.message, a.reference, a.finess"
        " from unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])"
        " with ordinality as a (line, severity, code, message, reference, finess, rank)",
        import_id,
        [a.line for a in anomalies],
        [a.kind.severity for a in anomalies],
        [a.code for a in anomalies],
        [a.message for a in anomalies],
        [a.grant_reference for a in anomalies],
        [a.finess_geographique for a in anomalies],
    )


async def list_grant_imports(
    actor: Actor, after: tuple[datetime, UUID] | None, limit: int
) -> GrantImportPage:
    """A page of the imports of grants, the latest first.

    Raises:
        SonsError: `FORBIDDEN` unless the actor is of an agency.
    """
    require(actor, "grant_import.read")
    async with transaction(actor.context, read_only=True) as con:
        rows = await con.fetch(
            _IMPORT + "where $1::timestamptz is null or (imported_at, id) < ($1, $2::uuid)"
            " order by imported_at desc, id desc limit $3",
            *((None, None) if after is None else after),
            limit + 1,
        )
    found = tuple(GrantImport(**dict(row)) for row in rows[:limit])
    more = len(rows) > limit
    return GrantImportPage(found, (found[-1].imported_at, found[-1].id) if more else None)


async def list_anomalies(
    actor: Actor,
    import_id: UUID,
    *,
    severity: Severity | None,
    code: str | None,
    after: int,
    limit: int,
) -> AnomalyPage:
    """A page of what an import told, in the order of the file; `after`: the rank that the page follows.

    Raises:
        SonsError: `FORBIDDEN` unless the actor is of an agency; `NOT_FOUND`.
    """
    require(actor, "grant_import.read")
    async with transaction(actor.context, read_only=True) as con:
        of = await con.fetchrow(_IMPORT + "where id = $1", import_id)
        if of is None:
            raise SonsError(ErrorCode.NOT_FOUND, _UNKNOWN)
        rows = await con.fetch(
            "select rank, line, code, message, grant_reference, finess_geographique from grant_anomaly"
            " where import_id = $1 and rank > $2 and ($3::text is null or severity = $3)"
            " and ($4::text is null or code = $4) order by rank limit $5",
            import_id,
            after,
            severity,
            code,
            limit + 1,
        )
    shown = rows[:limit]
    return AnomalyPage(
        GrantImport(**dict(of)),
        tuple(
            Anomaly(r["line"], r["code"], r["message"], r["grant_reference"], r["finess_geographique"])
            for r in shown
        ),
        shown[-1]["rank"] if len(rows) > limit else None,
    )
