"""Lots, recoveries and ledgers from the terminal: the whole way of an advance that comes back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sons_tracker.db import engine
from tests import factories_endings as ending
from tests import factories_lots as bank
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories import AT
from tests.factories_life import Life, an_order_with_due_advance
from tests.operations.test_lots import payment_of


@dataclass(frozen=True, slots=True)
class World:
    """An order whose advance is due, two payers, and a folder for the files."""

    database: Database
    order: Life
    payment: str
    first: str
    second: str
    folder: Path

    async def cancel(self) -> None:
        """Cancels the order: its paid advance is to recover."""
        await engine.start(self.database.app_dsn, role=self.database.app_role)
        try:
            told = await ending.ask(self.order)
            assert told.outcome.state == "carried_out", told.outcome
        finally:
            await engine.stop()


@pytest.fixture
async def world(clone: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        order, payers = await an_order_with_due_advance(make.Everything()), await bank.two_payers()
        payment = str(await payment_of(order))
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    return World(clone, order, payment, payers.first.token, payers.second.token, tmp_path)


Capsys = pytest.CaptureFixture[str]


def approved(capsys: Capsys, world: World) -> dict[str, Any]:
    """A lot that the second payer approved."""
    code, lot = play_json(capsys, "lot", "prepare", "--payment", world.payment, "--token", world.first)
    assert (code, lot["state"]) == (0, "prepared")
    code, lot = play_json(capsys, "lot", "approve", str(lot["number"]), "--token", world.second)
    assert (code, lot["state"]) == (0, "approved")
    return lot


def answer_file(capsys: Capsys, world: World, lot: dict[str, Any]) -> Path:
    """What the bank answers to the file that the command wrote."""
    exported = world.folder / "lot.json"
    words = ("lot", "export", lot["number"], "--output", str(exported), "--token", world.second)
    assert play(capsys, *words) == (0, "", "")
    line = json.loads(exported.read_text(encoding="utf-8"))["lines"][0]
    cents = int(line["amount_ttc"].replace(".", ""))
    answer = bank.ReturnLine("", line["end_to_end"], line["order"], "BQ-CLI-1", "paid", AT, cents, None)
    file = world.folder / "retour.csv"
    file.write_bytes(bank.csv_of(lot["number"], [answer]))
    return file


def test_from_what_is_due_to_what_is_paid(capsys: Capsys, world: World) -> None:
    code, out, err = play(capsys, "lot", "prepare", "--token", world.first)
    assert (code, err) == (0, "")
    assert "1\u202f752,00\u202f€" in out
    assert "Approuver le lot : impossible. La personne qui a préparé un lot ne l'approuve pas." in out
    lot = play_json(capsys, "lot", "list", "--state", "prepared")[1]["lots"][0]  # type: ignore[index]
    code, out, err = play(capsys, "lot", "approve", lot["number"], "--token", world.first)
    assert (code, out) == (1, "")
    assert err == (
        "La personne qui a préparé un lot ne l'approuve pas."
        " Demander l'approbation d'une autre personne habilitée à payer.\n"
    )
    code, dropped = play_json(
        capsys, "lot", "drop", lot["id"], "--reason", "Erreur.", "--token", world.second
    )
    assert (code, dropped["drop_reason"]) == (0, "Erreur.")
    lot = approved(capsys, world)
    file = answer_file(capsys, world, lot)
    words = ("lot", "import-return", str(file), "--token", world.first)
    code, out, err = play(capsys, *words)
    assert (code, err) == (0, "")
    assert f"Retour intégré sur le lot {lot['number']} : 1 ligne." in out
    assert play(capsys, *words) == (code, out, err)
    _, out, _ = play(capsys, "lot", "show", lot["number"])
    assert "Payés" in out
    code, out, _ = play(capsys, "ledger", "show", world.order.number)
    assert code == 0
    assert (
        f"Commande {world.order.number} : prévu 5\u202f840,00\u202f€, payé 1\u202f752,00\u202f€,"
        " compensé 0,00\u202f€, recouvré 0,00\u202f€, reste 4\u202f088,00\u202f€" in out
    )


def test_a_truncated_file_is_refused_line_by_line(capsys: Capsys, world: World) -> None:
    file = answer_file(capsys, world, approved(capsys, world))
    file.write_bytes(file.read_bytes()[:-20])
    code, out, err = play(capsys, "lot", "import-return", str(file), "--token", world.first)
    assert (code, out) == (1, "")
    assert err.startswith("ligne 3 : 7 champs sont attendus")
    assert "Demander à la banque le fichier entier" in err
    file.write_bytes(file.read_bytes() + b"\n\n")
    _, _, err = play(capsys, "lot", "import-return", str(file), "--token", world.first)
    assert "  – ligne 4 :" in err


async def test_from_what_was_paid_to_what_comes_back(capsys: Capsys, world: World) -> None:
    # the commands run their own event loop, in a thread of their own

    lot = await asyncio.to_thread(approved, capsys, world)
    file = await asyncio.to_thread(answer_file, capsys, world, lot)
    await asyncio.to_thread(play, capsys, "lot", "import-return", str(file), "--token", world.first)
    await world.cancel()
    await asyncio.to_thread(_recover, capsys, world)


def _recover(capsys: Capsys, world: World) -> None:
    code, out, _ = play(capsys, "recovery", "list", "--state", "opened")
    assert code == 0
    assert out.splitlines()[-1] == "1 recouvrement, 1\u202f752,00\u202f€"
    number = out.split(" · ")[0]
    repay = (
        "recovery", "repay", number, "--reference", "RB-1", "--received-at", AT.isoformat(), "--amount",
    )  # fmt: skip
    code, out, err = play(capsys, *repay, "1752.00", "--token", world.first)
    assert (code, out) == (1, "")
    assert "Émettre d'abord l'ordre de recouvrement." in err
    code, out, _ = play(capsys, "recovery", "issue", number, "--token", world.first)
    assert code == 0
    assert f"en citant le numéro {number}" in out
    words = ("recovery", "step", number, "--kind", "reminder", "--text", "Relance.", "--token", world.first)
    assert "relance : Relance." in play(capsys, *words)[1]
    assert play(capsys, *repay, "1752.01", "--token", world.first)[0] == 1
    code, body = play_json(capsys, *repay, "1752.00", "--token", world.first)
    assert (code, body["state"]) == (0, "recovered")
    code, out, err = play(capsys, "recovery", "export", "--state", "recovered")
    assert (code, err) == (0, "")
    assert out.startswith("number;state;order;")
    assert f"{number};recouvré;{world.order.number};" in out
    assert (
        "recouvré −1\u202f752,00\u202f€, reste 0,00\u202f€"
        in play(capsys, "ledger", "show", world.order.number)[1]
    )


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("lot", "show", "LOT-1999-0001"), 1, "not_found"),
        (("lot", "prepare", "--payment", "x"), 1, "not_found"),
        (("lot", "export", "LOT-1999-0001", "--format", "xml"), 2, "malformed_command"),
        (("lot", "list", "--state", "x"), 2, "malformed_command"),
        (("lot", "import-return", "absent.csv"), 2, "invalid_file"),
        (("lot", "represent", "x"), 1, "not_found"),
        (("recovery", "show", "OR-1999-000001"), 1, "not_found"),
        (("recovery", "issue", "OR-1999-000001"), 1, "not_found"),
        (("recovery", "list", "--older-than", "x"), 2, "malformed_command"),
        (("ledger", "show", "BC-1999-000001"), 1, "not_found"),
    ],
)
def test_what_is_wrong_is_told_by_its_code(
    capsys: Capsys, world: World, words: tuple[str, ...], code: int, problem: str
) -> None:
    told, out, err = play(capsys, *words, "--token", world.first)
    assert (told, out) == (code, "")
    assert len(err.splitlines()) == 1
    if words[1] != "export":
        told, body = play_json(capsys, *words, "--token", world.first)
        assert (told, body["code"]) == (code, problem)


def test_an_act_needs_a_token(capsys: Capsys, world: World) -> None:
    code, body = play_json(capsys, "lot", "prepare")
    assert (code, body["code"]) == (1, "unauthenticated")
    code, body = play_json(capsys, "lot", "prepare", "--token", world.order.editor.token)
    assert (code, body["code"]) == (1, "forbidden")
