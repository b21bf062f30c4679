"""Files of grants in a register that is theirs alone: without a stock, after one, imported in part."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

from sons_tracker.db.engine import transaction
from sons_tracker.operations.grant_imports import list_anomalies, list_grant_imports
from tests.databases import Database
from tests.factories import a_finess, an_account
from tests.factories_registers import (
    a_grant,
    establishment_line,
    establishments_file,
    imported,
    importing,
    rows_file,
)
from tests.registers.test_grant_checks import DAY, FINESS_ON, an_acquisition, codes, told


async def test_without_a_stock_numbers_are_not_checked_and_the_file_says_so(
    database: Database, tmp_path: Path
) -> None:
    report = await told(tmp_path, [a_grant(a_finess()), a_grant(a_finess())])
    assert codes(report) == [(1, "finess_not_checked")]
    assert "2 numéros FINESS" in report.anomalies[0].message
    assert report.refused_count == 0


async def test_an_extrait_is_compared_with_what_the_register_holds(
    database: Database, tmp_path: Path
) -> None:
    number = a_finess()
    await imported(establishments_file(tmp_path, FINESS_ON, [establishment_line(number)]))
    await imported(rows_file(tmp_path, "held", [an_acquisition(number)]), extracted_on=date(2023, 1, 2))
    report = await told(tmp_path, [a_grant(number)])
    assert codes(report) == [(2, "two_projects")]
    assert "déjà au registre" in report.anomalies[0].message
    # a stock replaces what was held; the same grant told again is no second one
    assert (await told(tmp_path, [a_grant(number)], scope="stock", accept_loss=True)).anomalies == []
    assert (await told(tmp_path, [an_acquisition(number)])).anomalies == []


async def test_in_part_the_sound_lines_are_imported_and_the_others_kept(
    database: Database, tmp_path: Path
) -> None:
    numbers = [a_finess() for _ in range(4)]
    await imported(establishments_file(tmp_path, FINESS_ON, map(establishment_line, numbers)))
    held = [a_grant(n, grant_reference=f"R-{n}") for n in numbers]
    await imported(rows_file(tmp_path, "held", held), extracted_on=date(2023, 1, 2))
    path = rows_file(
        tmp_path,
        "part",
        [
            held[0] | {"usage_eur": "4000.00"},
            held[1] | {"usage_eur": "6000.00"},
            held[2] | {"call_year": "vingt"},
            held[3] | {"call_year": 2023},
        ],
    )
    admin = (await an_account("admin")).actor
    report = await importing(path, actor=admin, extracted_on=DAY, partial=True)
    assert (report.written, report.scope, report.read, report.set_aside) == (True, "extrait", 4, 2)
    assert (report.changed, report.unchanged, report.absent) == (2, 0, 0)
    async with transaction(admin.context, read_only=True) as con:
        rows = await con.fetch(
            "select finess_geographique, usage_cents from esms_grant where valid_to is null order by 1"
        )
        journal = await con.fetchval(
            "select facts from journal where action = 'register.imported' order by id desc limit 1"
        )
    # what was set aside stands as the register held it: a stock that is not whole says nothing of absence
    assert {row["finess_geographique"]: row["usage_cents"] for row in rows} == {
        numbers[0]: 400_000,
        numbers[1]: 500_000,
        numbers[2]: 500_000,
        numbers[3]: 500_000,
    }
    assert (journal["set_aside"], journal["anomalies"]) == (
        2,
        {"malformed": 1, "above_ceiling": 1, "not_checkable": 1},
    )
    reviewer = (await an_account("reviewer")).actor
    page = await list_grant_imports(reviewer, None, 10)
    kept = next(one for one in page.imports if one.rows_set_aside)
    assert (kept.rows_read, kept.anomalies) == (4, 3)
    assert kept.file_sha256 == hashlib.sha256(path.read_bytes()).digest()
    found = await list_anomalies(reviewer, kept.id, severity=None, code=None, after=0, limit=10)
    assert list(found.anomalies) == report.anomalies
    errors = await list_anomalies(reviewer, kept.id, severity="error", code=None, after=0, limit=1)
    assert (len(errors.anomalies), errors.next_after) == (1, 1)
    last = await list_anomalies(reviewer, kept.id, severity="error", code=None, after=1, limit=1)
    assert ([one.code for one in last.anomalies], last.next_after) == (["malformed"], None)
    only = await list_anomalies(reviewer, kept.id, severity=None, code="not_checkable", after=0, limit=9)
    assert [one.line for one in only.anomalies] == [5]


async def test_in_part_a_file_without_a_fault_stays_the_stock_that_it_is(
    database: Database, tmp_path: Path
) -> None:
    report = await importing(
        rows_file(tmp_path, "g", [a_grant(a_finess())]), extracted_on=DAY, partial=True, scope="stock"
    )
    assert (report.written, report.scope, report.set_aside) == (True, "stock", 0)
