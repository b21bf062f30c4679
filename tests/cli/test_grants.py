"""Files of grants from the terminal: every anomaly told, nothing written, or the sound lines alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sons_tracker.db import engine
from sons_tracker.operations import clock
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories import a_finess
from tests.factories_registers import (
    a_grant,
    establishment_line,
    establishments_file,
    imported,
    rows_file,
)


@pytest.fixture
async def file(clone: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file of three grants: sound, too high, and for an ESSMS that no stock has."""
    numbers = [a_finess() for _ in range(3)]
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await clock.declare(LOCAL_ADMIN, "sandbox")
        lines = map(establishment_line, numbers[:2])
        await imported(establishments_file(tmp_path, date(2022, 1, 3), lines))
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    rows = [a_grant(numbers[0]), a_grant(numbers[1], usage_eur="6000.00"), a_grant(numbers[2])]
    return rows_file(tmp_path, "esms_grant-2023-02-01", rows)


def told_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    return play_json(capsys, "grants", *arguments)


def test_a_file_with_errors_is_refused_whole_then_imported_in_part_when_asked(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = told_json(capsys, "import", str(file))
    assert (code, told["written"], told["refused_count"]) == (1, False, 2)
    assert told["anomaly_counts"] == {"above_ceiling": 1, "unknown_finess": 1}
    assert [(a["line"], a["severity"], bool(a["remedy"])) for a in told["anomalies"]] == [
        (3, "error", True),
        (4, "error", True),
    ]
    code, listed = told_json(capsys, "imports")
    assert (code, listed["imports"]) == (0, [])
    code, out, _ = play(capsys, "grants", "import", str(file), "--partial")
    assert code == 0
    for part in ("Laissées de côté", "ligne 3", "dépasse le plafond", "Import enregistré."):
        assert part in out
    code, listed = told_json(capsys, "imports")
    [one] = listed["imports"]
    assert (one["scope"], one["rows_set_aside"]) == ("extrait", 2)
    code, out, _ = play(capsys, "grants", "anomalies", one["id"])
    assert code == 0
    assert "ligne 4 : Cet ESSMS ne figure dans aucune extraction FINESS importée." in " ".join(out.split())


def test_an_unknown_import_is_told_so(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for unknown in ("rien", "00000000-0000-4000-8000-000000000001"):
        code, told = told_json(capsys, "anomalies", unknown)
        assert (code, told["code"]) == (1, "not_found")
