"""Cancellations and amendments from the terminal: the acts of HTTP, exit codes, one French sentence."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from sons_tracker.db import engine
from sons_tracker.rules.declarations import STATEMENT_CONSENT
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories_life import Life, a_deposited_order

SIGNED_BY = ("--name", "Dominique Fictif", "--function", "Directeur général")
STATEMENT = {
    "text": "Déposée par erreur.", "consent": STATEMENT_CONSENT, "signer_name": "Camille Fictive",
    "signer_function": "Directrice commerciale",
}  # fmt: skip


@pytest.fixture
async def order(clone: Database, monkeypatch: pytest.MonkeyPatch) -> Life:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        made = await a_deposited_order(make.Everything(), 3)
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    return made


def written(folder: Path, name: str, body: object) -> str:
    (folder / name).write_text(json.dumps(body), encoding="utf-8")
    return str(folder / name)


def test_a_cancellation_by_agreement(capsys: pytest.CaptureFixture[str], order: Life, tmp_path: Path) -> None:
    number, editor, og = str(order.order_id), order.editor.token, order.og.token
    asked = written(tmp_path, "asked.json", {"motive": "agreement", "statement": STATEMENT})
    code, out, _ = play(capsys, "order", "cancel", number, asked, "--token", editor)
    assert code == 0
    assert "en attente de pièces (accord des parties)" in out
    assert "Attend l'attestation de renonciation de l'organisme gestionnaire." in out
    code, told = play_json(capsys, "cancellation", "show", number, "--token", og)
    assert (code, told["waits_for"]) == (0, ["renunciation"])
    words = ("order", "attest", number, "--digest", str(told["document_sha256"]), *SIGNED_BY, "--token", og)
    code, _, err = play(capsys, *words)
    assert (code, "--consent" in err) == (2, True)
    code, out, _ = play(capsys, *words, "--consent")
    assert (code, "effectuée" in out) == (0, True)
    code, _, err = play(capsys, "order", "cancel", number, asked, "--token", editor)
    assert (code, "« annulée »" in err) == (1, True)
    code, told = play_json(capsys, "cancellation", "drop", number, "--token", editor)
    assert (code, told["code"]) == (1, "action_refused")


def test_an_og_renounces_and_each_party_answers(
    capsys: pytest.CaptureFixture[str], order: Life, tmp_path: Path
) -> None:
    number, editor, og = str(order.order_id), order.editor.token, order.og.token
    renounced = written(tmp_path, "renounced.json", {"motive": "renunciation", "for_acquisition": False})
    agreed = written(tmp_path, "agreed.json", {"motive": "agreement", "statement": STATEMENT})
    stated = written(tmp_path, "stated.json", STATEMENT)
    play(capsys, "order", "cancel", number, agreed, "--token", editor)
    words = ("cancellation", "refuse", number, "--reason", "Attendue.", "--token", og)
    code, out, _ = play(capsys, *words)
    assert (code, "Motif de la décision : Attendue." in out) == (0, True)
    code, out, _ = play(capsys, "order", "cancel", number, renounced, "--token", og)
    assert (code, "attendue au plus tard le 15 mars 2023 à 23 h 59" in out) == (0, True)
    settle = ("cancellation", "settle", number)
    code, _, err = play(capsys, *settle, "peut-être", "--reason", "x", "--token", order.reviewer.token)
    assert (code, "carry_out, refuse" in err) == (2, True)
    code, _, err = play(capsys, *settle, "refuse", "--reason", "x", "--token", order.reviewer.token)
    assert (code, "15 mars 2023" in err) == (1, True)
    code, told = play_json(capsys, "cancellation", "statement", number, stated, "--token", editor)
    assert (code, told["waits_for"]) == (0, ["renunciation"])
    code, told = play_json(capsys, "cancellation", "drop", number, "--token", og)
    assert (code, told["state"]) == (0, "dropped")


def test_an_amendment(capsys: pytest.CaptureFixture[str], order: Life) -> None:
    number, editor, og = str(order.order_id), order.editor.token, order.og.token
    first, second, third = (str(one) for one in order.essms)
    code, out, _ = play(capsys, "amendment", "list", number)
    assert (code, "Aucun avenant" in out) == (0, True)
    propose = ("amendment", "propose", number)
    code, out, _ = play(capsys, *propose, first, *SIGNED_BY, "--token", editor)
    assert (code, "AVENANT N° 1" in out, first in out) == (0, True, True)
    _, listed = play_json(capsys, "amendment", "list", number, "--token", og)
    amendment = listed["amendments"][0]  # type: ignore[index]
    one = (number, amendment["id"])
    code, out, _ = play(capsys, "amendment", "refuse", *one, "--reason", "Gardé.", "--token", og)
    assert (code, "Motif du refus : Gardé." in out) == (0, True)
    _, told = play_json(capsys, *propose, first, *SIGNED_BY, "--token", og)
    code, told = play_json(capsys, "amendment", "withdraw", number, str(told["id"]), "--token", og)
    assert (code, told["state"]) == (0, "withdrawn")
    _, told = play_json(capsys, *propose, first, second, *SIGNED_BY, "--token", og)
    words = ("amendment", "agree", number, str(told["id"]), "--digest", str(told["document_sha256"]))
    code, _, err = play(capsys, *words, *SIGNED_BY, "--token", editor)
    assert (code, "--consent" in err) == (2, True)
    code, told = play_json(capsys, *words, *SIGNED_BY, "--token", editor, "--consent")
    assert (code, told["state"], told["removed"]) == (0, "agreed", [first, second])
    code, _, err = play(capsys, *propose, third, *SIGNED_BY, "--token", editor)
    assert (code, "annulation" in err) == (1, True)
    code, out, _ = play(capsys, "order", "show", number, "--token", og)
    assert code == 0


def test_what_is_malformed_or_not_ours(
    capsys: pytest.CaptureFixture[str], order: Life, tmp_path: Path
) -> None:
    number, editor = str(order.order_id), order.editor.token
    wrong = written(tmp_path, "wrong.json", {"motive": "bored"})
    assert play(capsys, "order", "cancel", number, wrong, "--token", editor)[0] == 2
    words = ("amendment", "propose", number, "12", *SIGNED_BY, "--token", editor)
    assert play_json(capsys, *words)[1]["code"] == "invalid_request"
    for words in (
        ("cancellation", "show", number), ("cancellation", "show", "x"), ("amendment", "list", str(uuid4())),
    ):  # fmt: skip
        code, told = play_json(capsys, *words)
        assert (code, told["code"]) == (1, "not_found")
    code, told = play_json(capsys, "cancellation", "drop", number)
    assert (code, told["code"]) == (1, "unauthenticated")
