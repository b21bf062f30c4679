"""The use case: who may, all or nothing, dry run, guard, no change, one at a time, stubs, journal."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import date, timedelta
from pathlib import Path

import pytest

from sons_tracker.db import engine
from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import ANONYMOUS, LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.registers import ImportReport
from sons_tracker.registers.layout import Kind
from tests.databases import Database
from tests.factories import AT, a_finess, an_account
from tests.factories_registers import (
    a_distributor,
    entity_line,
    establishment_line,
    establishments_file,
    finess_text,
    imported,
    importing,
    rows_file,
)

DAY = date(2023, 1, 9)


async def rows(sql: str, *arguments: object) -> list[tuple[object, ...]]:
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        return [tuple(row) for row in await con.fetch(sql, *arguments)]


async def physical_rows(table: str) -> list[tuple[object, ...]]:
    """Where each row lies and which transaction wrote or touched it."""
    return await rows(f"select ctid::text, xmin::text, xmax::text from {table} order by 1")


def entities_file(folder: Path, on: date, lines: list[str]) -> Path:
    path = folder / f"ej-{on:%Y%m%d}.csv"
    path.write_text(finess_text(on, lines), encoding="utf-8")
    return path


async def test_only_an_administrator_imports(database: Database, tmp_path: Path) -> None:
    path = establishments_file(tmp_path, DAY, [establishment_line(a_finess())])
    others = [
        (await an_account(role)).actor for role in ("editor", "og", "ars", "reviewer", "payer", "pilot")
    ]
    for actor in (*others, ANONYMOUS, SCHEDULER):
        with pytest.raises(SonsError) as caught:
            await importing(path, actor=actor)
        assert caught.value.code is ErrorCode.FORBIDDEN
    assert (await imported(path, actor=(await an_account("admin")).actor)).new == 1


async def test_the_database_itself_refuses_the_writes_of_another_role(database: Database) -> None:
    editor = (await an_account("editor")).actor
    for statement in (
        "insert into establishment (finess_geographique, valid_from, name, category, in_service)"
        " values ('010000024', '2022-01-01', 'X', '500', true)",
        "insert into distributor values ('S', '404833048', '2022-01-01', '2022-01-01', null, 'X')",
        "insert into extract_mention values ('establishment', '2022-01-01', '{1}')",
    ):
        with pytest.raises(engine.asyncpg.InsufficientPrivilegeError):
            async with transaction(editor.context) as con:
                await con.execute(statement)


async def test_an_import_is_told_by_one_extraction_and_one_row_of_the_journal(
    database: Database, tmp_path: Path
) -> None:
    number, wrong = a_finess(), "010000025"
    path = establishments_file(tmp_path, DAY, [establishment_line(number), establishment_line(wrong)])
    digest = hashlib.sha256(path.read_bytes()).digest()
    admin = (await an_account("admin")).actor
    report = await imported(path, actor=admin)
    extraction = await rows("select * from extraction")
    assert [row[1:] for row in extraction] == [
        ("establishment", DAY, "stock", "cs1100502", path.name, digest, 2, 2, 0, 0, 1, AT, admin.person_id)
    ]
    journal = await rows(
        "select at, person_id, action, object_kind, object_id, facts from journal"
        " where action like 'register.%'"
    )
    assert len(journal) == 1
    assert journal[0][:5] == (AT, admin.person_id, "register.imported", "register", "establishment")
    assert journal[0][5] == {
        "extracted_on": "2023-01-09",
        "scope": "stock",
        "format": "cs1100502",
        "file_sha256": digest.hex(),
        "replaced_sha256": None,
        "read": 2,
        "new": 2,
        "changed": 0,
        "absent": 0,
        "warned": 1,
        "stubs": 0,
        "loss_accepted": False,
        "successions": {},
    }
    assert (report.register, report.written, report.unchanged) == (Kind.ESTABLISHMENT, True, 0)


async def test_a_dry_run_tells_everything_and_writes_nothing(database: Database, tmp_path: Path) -> None:
    numbers = [a_finess() for _ in range(12)]
    await imported(establishments_file(tmp_path, DAY, map(establishment_line, numbers)))
    before = [await rows(f"select * from {table} order by 1") for table in ("establishment", "journal")]
    later = establishments_file(
        tmp_path,
        DAY + timedelta(30),
        [
            establishment_line(numbers[0], a_finess()),
            *map(establishment_line, numbers[1:11]),
            establishment_line(a_finess()),
        ],
    )
    told = await importing(later, dry_run=True)
    assert (told.new, told.changed, told.absent, told.unchanged, told.stubs) == (1, 1, 1, 10, 1)
    assert (told.written, told.dry_run, told.guard) == (False, True, None)
    assert [
        await rows(f"select * from {table} order by 1") for table in ("establishment", "journal")
    ] == before
    assert await rows("select count(*) from legal_entity") == [(0,)]
    done = await imported(later)
    assert (done.new, done.changed, done.absent, done.unchanged, done.stubs) == (1, 1, 1, 10, 1)


async def test_the_same_file_again_writes_no_register_row(database: Database, tmp_path: Path) -> None:
    lines = [establishment_line(a_finess(), a_finess()) for _ in range(50)]
    path = establishments_file(tmp_path, DAY, lines)
    await imported(path)
    tables = ("establishment", "legal_entity", "extraction")
    before = [await physical_rows(table) for table in tables]
    again = await imported(path)
    assert (again.new, again.changed, again.absent, again.unchanged, again.stubs) == (0, 0, 0, 50, 0)
    assert [await physical_rows(table) for table in tables] == before
    # another file, of a later extraction, that says the same
    await imported(establishments_file(tmp_path, DAY + timedelta(7), reversed(lines)))
    assert [await physical_rows(table) for table in tables[:2]] == before[:2]
    assert len(await rows("select 1 from journal where action = 'register.imported'")) == 3


async def test_an_extraction_imported_again_with_another_content_replaces_it(
    database: Database, tmp_path: Path
) -> None:
    number = a_finess()
    first = establishments_file(tmp_path, DAY, [establishment_line(number)])
    before = hashlib.sha256(first.read_bytes()).hexdigest()
    await imported(first)
    report = await imported(establishments_file(tmp_path, DAY, [establishment_line(number, rs="CORRIGÉ")]))
    assert report.changed == 1
    assert await rows("select name, valid_from, valid_to from establishment") == [("CORRIGÉ", DAY, None)]
    assert await rows("select count(*) from extraction") == [(1,)]
    assert await rows("select facts->>'replaced_sha256' from journal where action = 'register.imported'") == [
        (None,),
        (before,),
    ]


@pytest.mark.parametrize(("lost", "stopped"), [(9, False), (10, False), (11, True), (100, True)])
async def test_a_stock_that_loses_more_than_a_tenth_is_stopped(
    database: Database, tmp_path: Path, lost: int, stopped: bool
) -> None:
    lines = [establishment_line(a_finess()) for _ in range(100)]
    await imported(establishments_file(tmp_path, DAY, lines))
    left = lines[lost:] or [establishment_line(a_finess())]
    later = establishments_file(tmp_path, DAY + timedelta(7), left)
    report = await importing(later)
    assert report.written is not stopped
    assert (report.guard is not None) is stopped
    assert report.absent == lost
    if stopped:
        assert f"{lost} lignes sur 100" in str(report.guard)
        assert await rows("select count(*) from establishment where valid_to is not null") == [(0,)]
        assert len(await rows("select 1 from extraction")) == 1
        released = await importing(later, accept_loss=True)
        assert released.written
        assert await rows("select count(*) from establishment where valid_to is not null") == [(lost,)]
        assert await rows(
            "select facts->'loss_accepted' from journal where action = 'register.imported'"
            " order by id desc limit 1"
        ) == [(True,)]


async def test_an_extrait_is_never_stopped_by_what_it_does_not_name(
    database: Database, tmp_path: Path
) -> None:
    lines = [establishment_line(a_finess()) for _ in range(20)]
    await imported(establishments_file(tmp_path, DAY, lines))
    report = await imported(establishments_file(tmp_path, DAY + timedelta(1), lines[:1]), scope="extrait")
    assert (report.unchanged, report.absent) == (1, 0)


async def test_two_imports_of_a_register_wait_for_each_other(database: Database, tmp_path: Path) -> None:
    numbers = [a_finess() for _ in range(400)]
    paths = [
        establishments_file(
            tmp_path,
            DAY + timedelta(day),
            [establishment_line(number, rs=f"NOM {day} (FICTIF)") for number in numbers],
        )
        for day in (0, 7, 14, 21)
    ]
    reports = await asyncio.gather(*(importing(path) for path in (*paths, *paths)))
    assert all(report.written for report in reports)
    assert sum(report.new for report in reports) == 400 * (1 + sum(_came_first(reports)))
    for day, path in zip((0, 7, 14, 21), paths, strict=True):
        on = DAY + timedelta(day)
        assert await rows(
            "select distinct name, count(*) over () from establishment"
            " where valid_from <= $1 and (valid_to is null or valid_to > $1)",
            on,
        ) == [(f"NOM {day} (FICTIF)", 400)], path
    assert await rows("select count(*) from establishment") == [(1600,)]


def _came_first(reports: list[ImportReport]) -> list[bool]:
    """Imports that found nothing at their date although another, of a later date, was there."""
    return [report.new == 400 for report in reports if report.new][1:]


async def test_a_register_may_be_imported_beside_another(database: Database, tmp_path: Path) -> None:
    entities = [a_finess() for _ in range(50)]
    lines = [establishment_line(a_finess(), entity) for entity in entities]
    first, second = await asyncio.gather(
        importing(establishments_file(tmp_path, DAY, lines)),
        importing(entities_file(tmp_path, DAY, [entity_line(entity) for entity in entities])),
    )
    assert first.written
    assert second.written
    # whoever came first, no placeholder stays beside the entity itself
    assert await rows("select count(*), count(*) filter (where stub) from legal_entity") == [(50, 0)]


async def test_a_legal_entity_that_no_register_tells_is_a_stub_until_one_does(
    database: Database, tmp_path: Path
) -> None:
    known, unknown = a_finess(), a_finess()
    await imported(entities_file(tmp_path, DAY, [entity_line(known)]))
    lines = [establishment_line(a_finess(), entity) for entity in (known, unknown, unknown)]
    report = await imported(establishments_file(tmp_path, DAY, lines))
    assert report.stubs == 1
    assert await rows("select finess_juridique, name, valid_from, valid_to from legal_entity where stub") == [
        (unknown, f"Entité juridique {unknown} (absente du répertoire)", DAY, None)
    ]
    # a stock that does not tell it either closes nothing: it was never told
    later = DAY + timedelta(10)
    assert (await imported(entities_file(tmp_path, later, [entity_line(known)]))).absent == 0
    # an older extraction moves the stub back, it does not make a second one
    before = DAY - timedelta(300)
    await imported(establishments_file(tmp_path, before, lines), accept_loss=True)
    assert await rows(
        "select valid_from, valid_to, stub from legal_entity where finess_juridique = $1", unknown
    ) == [(before, None, True)]
    # once told, the stub stands for what came before only
    told = later + timedelta(10)
    await imported(entities_file(tmp_path, told, [entity_line(known), entity_line(unknown)]))
    assert await rows(
        "select valid_from, valid_to, stub from legal_entity where finess_juridique = $1 order by 1", unknown
    ) == [(before, told, True), (told, None, False)]
    # and goes when a register tells the entity from the beginning, until the stock that did not
    await imported(
        entities_file(tmp_path, before, [entity_line(known), entity_line(unknown)]), scope="extrait"
    )
    assert await rows(
        "select valid_from, valid_to, stub from legal_entity where finess_juridique = $1 order by 1", unknown
    ) == [(before, DAY, False), (told, None, False)]


async def test_the_date_must_be_known_and_agree_with_the_file(database: Database, tmp_path: Path) -> None:
    path = establishments_file(tmp_path, DAY, [establishment_line(a_finess())])
    with pytest.raises(
        SonsError, match="se dit extrait le 09/01/2023, l'import le date du 10/01/2023"
    ) as caught:
        await importing(path, extracted_on=DAY + timedelta(1))
    assert caught.value.code is ErrorCode.INVALID_DATE
    assert (await imported(path, extracted_on=DAY)).extracted_on == DAY
    undated = rows_file(tmp_path, "distributeurs", [a_distributor()])
    with pytest.raises(SonsError, match="ne dit pas sa date d'extraction"):
        await importing(undated)
    assert (await imported(undated, extracted_on=DAY)).new == 1


async def test_a_file_of_another_register_is_refused(database: Database, tmp_path: Path) -> None:
    path = establishments_file(tmp_path, DAY, [establishment_line(a_finess())])
    with pytest.raises(SonsError, match="décrit les établissements du FINESS"):
        await importing(path, kind=Kind.ESMS_GRANT)
    empty = tmp_path / "vide.csv"
    empty.write_bytes(b"\n \n")
    with pytest.raises(SonsError, match="le fichier est vide"):
        await importing(empty)


async def test_progress_reaches_the_end_of_the_file(database: Database, tmp_path: Path) -> None:
    path = establishments_file(tmp_path, DAY, [establishment_line(a_finess()) for _ in range(20)])
    seen: list[tuple[int, int]] = []
    await imported(path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)
