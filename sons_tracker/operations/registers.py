"""Importing a register file: all of it or nothing, in one transaction, with one row in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import asyncpg

from sons_tracker.db import journal
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, Fault, SonsError
from sons_tracker.law import load
from sons_tracker.operations.actors import Actor, require
from sons_tracker.operations.audit_followups import after_grants, after_referencing, after_register
from sons_tracker.operations.grant_imports import grant_terms, keep_grant_import
from sons_tracker.operations.lapses import follow_list
from sons_tracker.operations.successions import look_for_successions
from sons_tracker.readers.apart import unpacked
from sons_tracker.registers import history
from sons_tracker.registers.anomalies import Anomaly
from sons_tracker.registers.detection import recognise
from sons_tracker.registers.finess_json import date_in_name
from sons_tracker.registers.grant_checks import check_grants, set_aside
from sons_tracker.registers.layout import ESMS_GRANT, ESTABLISHMENT, LEGAL_ENTITY, REFERENCING, Kind, Scope
from sons_tracker.registers.source import Progress, refuse, sha256_of
from sons_tracker.registers.staging import (
    IMPORT_TIMEOUT,
    MustExplainError,
    Refusal,
    RegisterFile,
    Staged,
    refuse_repeated,
)

# A rule of operation, not of law: beyond, a stock is more likely cut than true.
GREATEST_LOSS_PERCENT = 10
_LOCK = 0x5245  # "RE", the class of the advisory locks of the registers
_LOCK_TIMEOUT = "120s"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do.

    `new`, `changed`, `absent` and `unchanged` count register rows at the date of the extraction;
    `warnings` counts what was accepted with a doubt, by French label, and `warned` is their sum. `refused`
    holds the first refusals (line, French reason), `refused_count` all of them: one is enough for nothing
    to be written. `guard` is the sentence of the guard when it stops the import. `written` says whether
    the import was committed. `orders_moved`: the orders that a list of the ANS released or reopened.
    `conflicts_opened`: the cases opened, or opened again, on what the import touched.
    `successions`: the probable successions since the stock before, by kind (`rules.succession.KINDS`).

    Of a file of grants, `anomalies` are both, line by line, and `anomaly_counts` how many there are by code.
    `set_aside` counts the lines that a partial import left out: it speaks of the others only, as an extrait.
    """

    register: Kind
    file_name: str
    extracted_on: date
    scope: Scope
    format: str
    encoding: str
    read: int = 0
    new: int = 0
    changed: int = 0
    absent: int = 0
    unchanged: int = 0
    warned: int = 0
    warnings: dict[str, int] = field(default_factory=dict)
    stubs: int = 0
    refused: list[Refusal] = field(default_factory=list)
    refused_count: int = 0
    guard: str | None = None
    dry_run: bool = False
    written: bool = False
    orders_moved: int = 0
    conflicts_opened: int = 0
    successions: dict[str, int] = field(default_factory=dict)
    anomalies: list[Anomaly] = field(default_factory=list)
    anomaly_counts: dict[str, int] = field(default_factory=dict)
    set_aside: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked of one import, and when: `at` is the business instant.

    `name` is that of the file that was handed over, `file` what it holds; `notes` what unpacking it told.
    """

    file: RegisterFile
    name: str
    scope: Scope
    on: date
    at: datetime
    accept_loss: bool
    partial: bool
    notes: Mapping[str, int]


class _RolledBackError(Exception):
    """Leaves the transaction without a commit: a dry run, a guard, a refused line."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self.report = report


async def import_register(
    actor: Actor,
    path: Path,
    *,
    nomenclature: Mapping[str, str],
    at: datetime,
    scope: Scope,
    kinds: tuple[Kind, ...] = (),
    extracted_on: date | None = None,
    dry_run: bool = False,
    accept_loss: bool = False,
    partial: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Imports one file; what it is comes from what it holds, and must be one of `kinds` when there are any.

    A ZIP or an XLSX is unpacked apart first, and read as the file that it holds.

    `nomenclature` maps a FINESS category to its aggregate of level 2. `extracted_on` is needed when the
    file does not tell its date, and must agree with it when it does. `dry_run` does everything, then rolls
    back. `accept_loss` releases the guard of a stock. `partial` imports the sound lines of a file of grants
    and sets the others aside. `progress` is called with bytes read and bytes in all.

    Raises:
        SonsError: `FORBIDDEN` unless the actor is an administrator; `INVALID_FILE` when the file as a whole
            cannot be read; `INVALID_DATE` when the date of extraction is missing or contradicted;
            `INVALID_REQUEST` for a partial import of another register than the grants.
    """
    require(actor, "register.import")
    digest = await asyncio.to_thread(sha256_of, path)
    async with unpacked(path) as content:
        file = await asyncio.to_thread(_recognise, content.path, kinds, nomenclature)
        file.declared_on = file.declared_on or date_in_name(path)
        on = _extraction_date(file, extracted_on)
        asked = _Asked(file, path.name, scope, on, at, accept_loss, partial, content.notes)
        return await _import(actor, asked, digest, dry_run, progress)


def _recognise(path: Path, kinds: tuple[Kind, ...], nomenclature: Mapping[str, str]) -> RegisterFile:
    """Raises `INVALID_FILE` for a register that was not asked: grants given as FINESS are a mistake."""
    file = recognise(path, kinds[0] if len(kinds) == 1 else None, nomenclature)
    if kinds and file.register.kind not in kinds:
        refuse(path, f"ce fichier décrit les {file.register.label} ; un autre registre était demandé.")
    return file


async def _import(
    actor: Actor, asked: _Asked, digest: bytes, dry_run: bool, progress: Progress | None
) -> ImportReport:
    """Compares, writes and records in one transaction, which a dry run leaves without a commit."""
    file, on, at, scope = asked.file, asked.on, asked.at, asked.scope
    if asked.partial and file.register is not ESMS_GRANT:
        raise SonsError(
            ErrorCode.INVALID_REQUEST, "Seule une liste de financements ESMS numérique s'importe en partie."
        )
    try:
        async with transaction(actor.context) as con:
            await _lock(con, file.register.kind)
            report, difference = await _compare(con, asked, progress)
            if difference is None:
                raise _RolledBackError(report)
            report = await _write(con, file, report, difference)
            if file.register is ESTABLISHMENT and scope == "stock":
                report = replace(report, successions=await look_for_successions(con, at, load().law, on))
            await _record(con, actor, at, report, digest, asked.accept_loss)
            if file.register is ESMS_GRANT:
                await keep_grant_import(
                    con,
                    (report.extracted_on, report.scope),
                    (report.file_name, digest),
                    at,
                    (report.read, report.set_aside),
                    report.anomalies,
                )
            if file.register.kind is REFERENCING.kind:
                report = replace(report, orders_moved=await follow_list(con, actor, at))
            report = replace(report, conflicts_opened=await _opened(con, actor, file, on, at))
            if dry_run:
                raise _RolledBackError(report)
    except _RolledBackError as rolled_back:
        return replace(rolled_back.report, dry_run=dry_run)
    except MustExplainError:
        staged = Staged()
        await asyncio.to_thread(file.explain, staged)
        return replace(_report(asked, staged), dry_run=dry_run)
    return replace(report, written=True)


async def _opened(con: asyncpg.Connection, actor: Actor, file: RegisterFile, on: date, at: datetime) -> int:
    """How many conflicts the import opened: only what it touched is examined again."""
    law = load().law
    if file.register is ESMS_GRANT:
        result = await after_grants(con, actor, law, at, on)
    elif file.register is ESTABLISHMENT:
        result = await after_register(con, actor, law, at, on)
    elif file.register is REFERENCING:
        result = await after_referencing(con, actor, law, at)
    else:
        result = None
    return 0 if result is None else result.opened + result.reopened


def _extraction_date(file: RegisterFile, given: date | None) -> date:
    declared = file.declared_on
    if given is None and declared is None:
        message = "Le fichier ne dit pas sa date d'extraction ; la donner avec l'import."
        raise SonsError(ErrorCode.INVALID_DATE, message, (Fault("extracted_on", message),))
    if given is not None and declared is not None and given != declared:
        message = f"Le fichier se dit extrait le {declared:%d/%m/%Y}, l'import le date du {given:%d/%m/%Y}."
        raise SonsError(ErrorCode.INVALID_DATE, message, (Fault("extracted_on", message),))
    found = given or declared
    assert found is not None
    return found


async def _lock(con: asyncpg.Connection, kind: Kind) -> None:
    """One import of a register at a time; that of the establishments also writes legal entities."""
    await con.execute(
        "select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),"
        # Joins are of whole registers with temporary tables that have no statistics: they hash in memory.
        # Compiling what runs once costs more than it gains.
        " set_config('work_mem', '64MB', true), set_config('enable_mergejoin', 'off', true),"
        " set_config('jit', 'off', true)",
        _LOCK_TIMEOUT,
        f"{IMPORT_TIMEOUT:.0f}s",
    )
    kinds = [kind, LEGAL_ENTITY.kind] if kind is ESTABLISHMENT.kind else [kind]
    for locked in kinds:
        await con.execute(
            "select pg_advisory_xact_lock($1, $2)", _LOCK, list(Kind).index(locked), timeout=IMPORT_TIMEOUT
        )


async def _compare(
    con: asyncpg.Connection, asked: _Asked, progress: Progress | None
) -> tuple[ImportReport, history.Difference | None]:
    """Reads the file and compares it with the register; no difference when lines or the guard refuse it."""
    file, on = asked.file, asked.on
    staged = Staged()
    for note, count in asked.notes.items():
        staged.warn(note, count)
    await file.stage(con, staged, on, progress)
    await history.keep_untold(con, file.register, on, file.silent_on)
    if file.register is ESMS_GRANT:
        await check_grants(con, staged, grant_terms(asked.at), on, asked.scope)
    else:
        await refuse_repeated(con, file.register, staged)
    report = _report(asked, staged)
    if staged.refused_count:
        if not asked.partial:
            return report, None
        report = await _without_refused(con, report)
    if staged.read == report.set_aside:
        refuse(file.path, "aucune ligne n'est à importer.")
    difference = await history.compare(con, file.register, on, report.scope)
    report = replace(
        report,
        new=difference.new,
        changed=difference.changed,
        absent=difference.absent,
        unchanged=staged.read - report.set_aside - difference.new - difference.changed,
    )
    if difference.absent and not asked.accept_loss:
        held = await history.count_held(con, file.register, on)
        if difference.absent * 100 > held * GREATEST_LOSS_PERCENT:
            return replace(report, guard=_guard_sentence(difference.absent, held)), None
    return report, difference


async def _without_refused(con: asyncpg.Connection, report: ImportReport) -> ImportReport:
    """The import of the sound lines: it knows nothing of the grants that it leaves out, as an extrait.

    Raises:
        SonsError: `INVALID_FILE` when there is more to set aside than can be kept.
    """
    if sum(report.anomaly_counts.values()) > len(report.anomalies):
        raise SonsError(
            ErrorCode.INVALID_FILE,
            f"Le fichier « {report.file_name} » a trop d'anomalies pour être importé en partie.",
        )
    await set_aside(con)
    return replace(report, scope="extrait", set_aside=report.refused_count)


def _guard_sentence(absent: int, held: int) -> str:
    return (
        f"Ce stock ferait disparaître {absent} lignes sur {held}, plus de {GREATEST_LOSS_PERCENT} % : "
        "vérifier qu'il est complet, puis relancer l'import en acceptant la perte."
    )


async def _write(
    con: asyncpg.Connection, file: RegisterFile, report: ImportReport, difference: history.Difference
) -> ImportReport:
    if report.new or report.changed or report.absent:
        await history.apply(
            con, file.register, report.extracted_on, difference, report.read - report.set_aside
        )
    if report.scope == "extrait":
        await history.mention(con, file.register, report.extracted_on)
    if file.register is not ESTABLISHMENT:
        return report
    return replace(report, stubs=await history.add_stubs(con, report.extracted_on))


async def _record(
    con: asyncpg.Connection,
    actor: Actor,
    at: datetime,
    report: ImportReport,
    digest: bytes,
    accept_loss: bool,
) -> None:
    """The extraction, and the journal; the file that was imported again leaves the extraction as it is."""
    key = (report.register.value, report.extracted_on, report.scope)
    earlier = await con.fetchval(
        "select file_sha256 from extraction where register = $1 and extracted_on = $2 and scope = $3", *key
    )
    if earlier != digest:
        await con.execute(
            """
            insert into extraction (register, extracted_on, scope, format, file_name, file_sha256, rows_read,
              rows_new, rows_changed, rows_absent, rows_warned, imported_at, imported_by)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
            on conflict on constraint extraction_unique do update set
              format = excluded.format, file_name = excluded.file_name,
              file_sha256 = excluded.file_sha256, rows_read = excluded.rows_read,
              rows_new = excluded.rows_new, rows_changed = excluded.rows_changed,
              rows_absent = excluded.rows_absent, rows_warned = excluded.rows_warned,
              imported_at = excluded.imported_at, imported_by = excluded.imported_by""",
            *key,
            report.format,
            report.file_name,
            digest,
            report.read,
            report.new,
            report.changed,
            report.absent,
            report.warned,
            at,
            actor.person_id,
        )
    facts: dict[str, Any] = {
        "extracted_on": report.extracted_on.isoformat(),
        "scope": report.scope,
        "format": report.format,
        "file_sha256": digest.hex(),
        "replaced_sha256": earlier.hex() if earlier not in {None, digest} else None,
        "read": report.read,
        "new": report.new,
        "changed": report.changed,
        "absent": report.absent,
        "warned": report.warned,
        "stubs": report.stubs,
        "loss_accepted": accept_loss,
        "successions": report.successions,
    }
    if report.register is Kind.ESMS_GRANT:
        facts |= {"set_aside": report.set_aside, "anomalies": report.anomaly_counts}
    await journal.record(con, actor, at, "register.imported", "register", report.register.value, facts)


def _report(asked: _Asked, staged: Staged) -> ImportReport:
    file = asked.file
    return ImportReport(
        register=file.register.kind,
        file_name=asked.name,
        extracted_on=asked.on,
        scope=asked.scope,
        format=file.format,
        encoding=file.encoding,
        read=staged.read,
        warned=staged.warned,
        warnings=dict(staged.warnings),
        refused=staged.refused,
        refused_count=staged.refused_count,
        anomalies=staged.anomalies.kept,
        anomaly_counts=staged.anomalies.counts,
    )
