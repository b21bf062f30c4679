"""`law impact` and `law enact`: what a law would change, said in French and in JSON, and then done."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sons_tracker import law
from sons_tracker.cli import run_command
from sons_tracker.db import engine
from tests import factories_orders as make
from tests.databases import Database
from tests.operations.impact_laws import JANUARY

LAW = Path(law.__file__).parent
Play = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def world(clone: Database) -> Database:
    """Two orders: three ESSMS at 2 920 €, and one at 4 000 €."""
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        for essms in (3, 1):
            await make.an_accepted_order(make.Everything(), essms)
    finally:
        await engine.stop()
    return clone


@pytest.fixture
def play(world: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Play:
    """Plays a command on that world, in this process: the engine is its own."""
    for name, value in {**world.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)

    async def played(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run_command, arguments)
        return code, *capsys.readouterr()

    return played


async def asked(play: Play, *arguments: str) -> dict[str, Any]:
    code, out, err = await play(*arguments, "--json")
    assert (code, err) == (0, ""), out
    found: dict[str, Any] = json.loads(out)
    return found


def a_file(folder: Path, name: str, old: str, new: str) -> str:
    """A file of the package's law with one place replaced."""
    text = (LAW / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return str(folder / name)


async def test_the_projects_of_the_package_are_shown_on_the_day_they_are_published(play: Play) -> None:
    found = await asked(play, "law", "impact", "--with-projects")
    assert found["known_on"] == "2023-12-31"
    assert found["before"] == law.load().law.digest != found["after"]
    assert {one["name"] for one in found["differences"]} >= {"MS1-V1.fermeture", "MS1-V1.cloture"}
    assert (found["read"], found["touched"]) == (2, 2)
    assert found["by_change"] == [{"kind": "deadline", "effect": "moves", "orders": 2}]
    assert found["orders"][0]["changes"] == [
        {
            "kind": "deadline",
            "effect": "moves",
            "name": "fermeture",
            "before": "2023-12-31T23:59:59+01:00",
            "after": "2024-02-28T23:59:59+01:00",
        },
        {
            "kind": "deadline",
            "effect": "moves",
            "name": "cloture",
            "before": "2024-03-31T23:59:59+02:00",
            "after": "2024-12-19T14:00:00+01:00",
        },
    ]


async def test_the_same_for_a_person(play: Play) -> None:
    code, out, err = await play("law", "impact", "--with-projects")
    assert (code, err) == (0, "")
    assert "tels que connus le 31 décembre 2023" in out
    assert "(déposée, MS1-V1)" in out
    assert "fermeture : 31 décembre 2023 → 28 février 2024 (sera déplacée à la mise en vigueur)" in out
    assert "clôture : 31 mars 2024 → 19 décembre 2024 à 14 h 00" in out
    assert "2 commandes en cours lues, 2 commandes touchées. Rien n'est écrit." in out
    assert "échéances, déplacées à la mise en vigueur : 2 commandes" in out


async def test_before_its_publication_a_text_changes_nothing(play: Play) -> None:
    found = await asked(play, "law", "impact", "--with-projects", "--known-on", "2023-12-30")
    assert (found["read"], found["touched"], found["orders"]) == (2, 0, [])


async def test_a_changed_file_of_the_law(play: Play, tmp_path: Path) -> None:
    file = a_file(tmp_path, "ms1_v1.toml", '"2920.00"', '"2900.00"')
    found = await asked(play, "law", "impact", file)
    assert found["known_on"] == "2023-03-01"  # the clock of the sandbox
    assert (found["read"], found["touched"]) == (2, 1)
    assert found["orders"][0]["changes"][0] == {
        "kind": "amount",
        "effect": "frozen",
        "name": "total_ttc",
        "before": "8760.00",
        "after": "8700.00",
    }
    code, out, _ = await play("law", "impact", file)
    assert code == 0
    assert "modification : MS1-V1.bareme, version 2022-02-12 / 2022-02-12" in out
    assert "total TTC : 8\u202f760,00\u202f€ → 8\u202f700,00\u202f€ (déjà décidé : ne changera pas)" in out
    assert "montants, déjà décidés, qui ne changeront pas : 1 commande\n" in out


async def test_a_folder_of_a_whole_law(play: Play, tmp_path: Path) -> None:
    shutil.copytree(LAW / "requests", tmp_path / "requests")
    for path in LAW.glob("*.toml"):
        shutil.copy(path, tmp_path)
    found = await asked(play, "law", "impact", str(tmp_path))
    assert (found["differences"], found["touched"]) == ([], 0)
    code, out, _ = await play("law", "impact", str(tmp_path))
    assert code == 0
    assert "Aucune version ne diffère." in out


async def test_enacting_says_what_moved_and_nothing_the_second_time(
    play: Play, world: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await engine.start(world.app_dsn, role=world.app_role)
    try:
        await make.Everything().execute("update instance set clock_at = $1", JANUARY)
    finally:
        await engine.stop()
    proposed = law.proposal.with_projects(law.load())
    monkeypatch.setattr("sons_tracker.law.load", lambda: proposed)
    found = await asked(play, "law", "enact")
    assert found == {"digest": proposed.law.digest, "enacted": True, "orders_moved": 2, "deadlines_moved": 4}
    code, out, _ = await play("law", "enact")
    assert code == 0
    assert "était déjà en vigueur" in out
    assert "déplacée" not in out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "malformed_command"),
        (("nulle-part.toml",), "invalid_file"),
        (("AUTRE",), "invalid_file"),
        (("VIDE",), "invalid_file"),
        (("--with-projects", "--known-on", "2024-02-30"), "invalid_date"),
    ],
)
async def test_what_is_malformed_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    (tmp_path / "autre.toml").write_text("", encoding="utf-8")
    (tmp_path / "vide").mkdir()
    named = {"AUTRE": str(tmp_path / "autre.toml"), "VIDE": str(tmp_path / "vide")}
    given = [named.get(one, one) for one in arguments]
    assert run_command(("law", "impact", *given)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    run_command(("law", "impact", *given, "--json"))
    assert json.loads(capsys.readouterr().out)["code"] == problem


async def test_a_law_with_a_defect_is_negative_and_names_its_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = a_file(tmp_path, "ms1_v1.toml", '"2920.00"', '"2920"')
    assert run_command(("law", "impact", file)) == 1
    assert "ms1_v1.toml, ligne" in capsys.readouterr().err
