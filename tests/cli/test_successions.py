"""`finess diff`, `successions`, `confirm` and `dismiss`: said in French, in JSON, in a file."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sons_tracker.cli import run_command
from sons_tracker.db import engine
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import a_finess, an_account
from tests.factories_registers import establishment_line, establishments_file, imported
from tests.factories_successions import EARLIER, LATER

Play = Callable[..., Awaitable[tuple[int, str, str]]]
DAYS = (EARLIER.isoformat(), LATER.isoformat())


@dataclass(frozen=True, slots=True)
class World:
    """A number that another follows, and who decides."""

    database: Database
    old: str
    new: str
    token: str


@pytest.fixture
async def world(clone: Database, tmp_path: Path) -> World:
    og, old, new, same = (a_finess() for _ in range(4))
    first = [establishment_line(old, og), establishment_line(same, og, rs="=FOYER DU LAC")]
    second = [establishment_line(new, og, dateouv="2022-06-01"), establishment_line(same, og, rs="=AUTRE")]
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        await imported(establishments_file(tmp_path, EARLIER, first))
        await imported(establishments_file(tmp_path, LATER, second), accept_loss=True)
        reviewer = await an_account("reviewer")
    finally:
        await engine.stop()
    return World(clone, old, new, reviewer.token)


@pytest.fixture
def play(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Play:
    """Plays a command on that world, in this process: the engine is its own."""
    for name, value in {**world.database.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)

    async def played(*arguments: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(run_command, arguments)
        return code, *capsys.readouterr()

    return played


async def told(play: Play, *arguments: str) -> Any:
    code, out, err = await play(*arguments, "--json")
    assert (code, err) == (0, ""), out
    return json.loads(out)


async def test_a_difference_is_read_in_french_and_in_a_file(play: Play, world: World, tmp_path: Path) -> None:
    path = tmp_path / "difference.csv"
    code, out, err = await play("finess", "diff", *DAYS, "--csv", str(path))
    assert (code, err) == (0, "")
    assert "Du 3 janvier 2022 au 2 janvier 2023 : 3 numéros." in out
    assert "Succession probable : renumérotation" in out
    assert "autre nom" in out
    assert [column for column in ("Numéro", "Changements", "Ce que cela touche") if column not in out] == []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert {row["FINESS géographique"] for row in rows} >= {world.old, world.new}
    assert [row["Nom avant"] for row in rows if row["Changements"] == "autre nom"] == ["'=FOYER DU LAC"]
    (gone,) = [row for row in rows if row["Changements"] == "absent"]
    assert gone["Successions probables"] == f"{world.old} → {world.new} : renumérotation (60/100, probable)"
    body = await told(play, "finess", "diff", *DAYS, "--change", "absent")
    assert [item["finess"] for item in body["items"]] == [world.old]


async def test_a_succession_is_listed_confirmed_and_taken_back(play: Play, world: World) -> None:
    (one,) = (await told(play, "finess", "successions"))["successions"]
    code, out, _ = await play("finess", "successions", "--state", "probable")
    assert code == 0
    assert f"{world.old} → {world.new} : renumérotation (60/100, probable)" in out
    assert "+ 30 : Même nom dans la même commune : « EHPAD LES TILLEULS (FICTIF) »." in out
    reason = ("--reason", "Arrêté du 1er juin.", "--token", world.token)
    code, out, _ = await play("finess", "confirm", one["id"], *reason)
    assert (code, out) == (0, f"{world.old} → {world.new} : renumérotation confirmée.\n")
    code, out, err = await play("finess", "confirm", one["id"], *reason)
    assert (code, out) == (1, "")
    assert err == ("Cette succession est déjà confirmée. Pour y revenir, prendre la décision contraire.\n")
    code, out, _ = await play("finess", "dismiss", one["id"], "--reason", "Erreur.", "--token", world.token)
    assert (code, out) == (0, f"{world.old} → {world.new} : renumérotation écartée.\n")
    assert (await play("finess", "successions", "--kind", "merger"))[1] == "Aucune succession.\n"


async def test_what_is_refused_or_malformed(play: Play, world: World) -> None:
    code, _, err = await play("finess", "diff", "2021-01-01", DAYS[1])
    assert code == 2
    assert "Stocks chargés : 03/01/2022, 02/01/2023." in err
    assert (await play("finess", "diff", DAYS[1], DAYS[0]))[0] == 2
    assert (await play("finess", "diff", "hier", DAYS[1]))[0] == 2
    assert (await play("finess", "confirm", "x", "--reason", "Vu.", "--token", world.token))[0] == 1
    (one,) = (await told(play, "finess", "successions"))["successions"]
    code, _, err = await play("finess", "confirm", one["id"], "--reason", "Vu.")
    assert (code, "il faut un jeton" in err) == (1, True)
