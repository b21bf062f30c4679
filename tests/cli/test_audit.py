"""The audit from the terminal: what it says in French, in JSON, and of what it cannot read."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest

from sons_tracker.db import engine
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories_life import Life, a_deposited_order


@pytest.fixture
async def order(clone: Database, monkeypatch: pytest.MonkeyPatch) -> Life:
    """An order, and an acquisition grant that came after it."""
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        owner = make.Everything()
        made = await a_deposited_order(owner, 2)
        await make.a_grant(owner, made.essms[0], solution="AUTRE", agreed_on=date(2022, 9, 1))
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    return made


def test_it_says_what_it_found_and_shows_it_again(capsys: pytest.CaptureFixture[str], order: Life) -> None:
    code, _, err = play(capsys, "audit", "show")
    assert (code, "Aucun audit n'a encore eu lieu." in err) == (1, True)
    code, out, err = play(capsys, "audit", "run")
    assert (code, err) == (0, "")
    assert "toute la nation" in out
    assert "1 commande, 2 ESSMS" in out
    assert "1 ligne de financement" in out
    assert "Commande SONS et" in out
    assert "Éteints" in out
    code, told = play_json(capsys, "audit", "show")
    assert (code, told["found"], told["opened"], told["cause"]) == (0, 1, 1, "audit")
    (family,) = [one for one in told["families"] if one["found"]]
    assert (family["family"], family["at_stake_ttc"]) == ("order_grant", "2920.00")
    code, same = play_json(capsys, "audit", "show", told["id"])
    assert (code, same) == (0, told)


def test_only_what_is_asked_for_is_examined(capsys: pytest.CaptureFixture[str], order: Life) -> None:
    first, second = order.essms
    code, told = play_json(capsys, "audit", "run", "--essms", second)
    assert (code, told["numbers"], told["lines"], told["found"]) == (0, 1, 1, 0)
    code, told = play_json(capsys, "audit", "run", "--essms", f"{first}, {second}")
    assert (code, told["numbers"], told["found"]) == (0, 2, 1)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("run", "--essms", "123"), 2, "3"),
        (("run", "--essms", " , "), 2, "ne cite aucun numéro"),
        (("show", str(uuid4())), 1, "Aucun audit n'a cet identifiant."),
        (("show", "hier"), 1, "Aucun audit n'a cet identifiant."),
    ],
)
def test_what_it_cannot_read(
    capsys: pytest.CaptureFixture[str], order: Life, words: tuple[str, ...], code: int, sentence: str
) -> None:
    found, _, err = play(capsys, "audit", *words)
    assert (found, sentence in err) == (code, True), err
