"""Suppliers from the terminal: the same acts as over HTTP, exit codes, one French sentence when refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sons_tracker.db import engine
from sons_tracker.operations import clock
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests import factories_suppliers as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories import Account, an_account


@dataclass(frozen=True, slots=True)
class World:
    """Two persons of an editor, an agent who decides, and the files of their commands."""

    first: Account
    second: Account
    reviewer: Account
    payer: Account
    supplier_id: str
    file: Path
    account: Path
    iban: str


@pytest.fixture
async def world(clone: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await clock.declare(LOCAL_ADMIN, "sandbox")
        first = await an_account("editor")
        second = await make.another_person(first)
        reviewer, payer = await an_account("reviewer"), await an_account("payer")
        solution = await make.a_solution_of(first)
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    file, account, iban = tmp_path / "dossier.json", tmp_path / "compte.json", make.an_iban()
    body = {
        "certificate_reference": "ANS-2022-0117",
        "solution": solution,
        "representative": {
            "name": "Camille Exemple",
            "function": "Présidente",
            "person_id": str(first.actor.person_id),
        },
        "vat": {"liable": True, "from_on": "2022-01-01"},
        "pieces": {"referencing_certificate": "0f" * 32},
    }
    file.write_text(json.dumps(body), encoding="utf-8")
    account.write_text(
        json.dumps({"iban": iban, "bic": "PSSTFRPP", "statement_sha256": "a1" * 32}), encoding="utf-8"
    )
    return World(first, second, reviewer, payer, str(make.organisation_of(first)), file, account, iban)


def act(capsys: pytest.CaptureFixture[str], account: Account, *words: str) -> tuple[int, dict[str, Any]]:
    return play_json(capsys, "supplier", *words, "--token", account.token)


def test_from_the_file_to_the_account_that_waits(capsys: pytest.CaptureFixture[str], world: World) -> None:
    assert act(capsys, world.first, "enrol", str(world.file))[1]["state"] == "submitted"
    code, body = act(capsys, world.reviewer, "correct", world.supplier_id, "1", "--reason", "Illisible.")
    assert (code, body["file"]["reasons"]) == (0, ["Illisible."])
    _, out, _ = play(capsys, "supplier", "show", "--token", world.first.token)
    assert "À modifier : Illisible." in out
    act(capsys, world.first, "enrol", str(world.file))
    code, body = act(capsys, world.reviewer, "validate", world.supplier_id, "2")
    assert (code, body["state"]) == (0, "validated")
    code, body = act(capsys, world.first, "bank-change", str(world.account))
    assert code == 0
    change = body["bank_accounts"][0]["id"]
    assert act(capsys, world.second, "bank-confirm", change)[0] == 0
    code, out, err = play(capsys, "supplier", "show", "--token", world.first.token)
    assert (code, err) == (0, "")
    assert f"Compte {world.iban} : confirmé, prend effet le 5 mars 2023" in out
    assert "impossible : aucun compte bancaire confirmé n'est en vigueur" in out
    _, out, _ = play(capsys, "supplier", "show", world.supplier_id)
    assert world.iban not in out
    assert f"{world.iban[:4]} •••• {world.iban[-4:]}" in out
    code, body = act(capsys, world.payer, "bank-stop", change, "--supplier", world.supplier_id)
    assert (code, body["bank_accounts"][0]["state"]) == (0, "stopped")


def test_what_is_refused_exits_with_one_and_says_why_in_one_line(
    capsys: pytest.CaptureFixture[str], world: World
) -> None:
    key = ("--key", "compte-1")
    code, body = act(capsys, world.first, "bank-change", str(world.account), *key)
    assert act(capsys, world.first, "bank-change", str(world.account), *key) == (code, body)
    change = body["bank_accounts"][0]["id"]
    words = ("supplier", "bank-confirm", change, "--token", world.first.token)
    code, out, err = play(capsys, *words)
    assert (code, out) == (1, "")
    assert err == (
        "La personne qui demande un changement de compte ne peut pas le confirmer."
        " Le faire confirmer par une autre personne du même fournisseur.\n"
    )
    code, problem = play_json(capsys, *words)
    assert (code, problem["code"]) == (1, "action_refused")


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("enrol", "absent.json"), 2, "invalid_file"),
        (("bank-confirm", "x"), 1, "not_found"),
        (("validate", "x", "1"), 1, "not_found"),
        (("validate", "me", "un"), 2, "malformed_command"),
        (("show", "x"), 1, "not_found"),
    ],
)
def test_what_is_wrong_is_told_by_its_code(
    capsys: pytest.CaptureFixture[str], world: World, words: tuple[str, ...], code: int, problem: str
) -> None:
    told, body = act(capsys, world.reviewer if words[0] == "validate" else world.first, *words)
    assert (told, body["code"]) == (code, problem)


def test_an_act_needs_a_token_and_a_body_of_its_kind(
    capsys: pytest.CaptureFixture[str], world: World
) -> None:
    code, body = play_json(capsys, "supplier", "enrol", str(world.file))
    assert (code, body["code"]) == (1, "unauthenticated")
    code, body = act(capsys, world.first, "enrol", str(world.account))
    assert (code, body["code"]) == (2, "invalid_request")
    world.account.write_text(
        world.account.read_text(encoding="utf-8").replace(world.iban, "FR15" + world.iban[4:])
    )
    code, out, err = play(capsys, "supplier", "bank-change", str(world.account), "--token", world.first.token)
    assert (code, out) == (2, "")
    assert world.iban[4:] not in err
    world.file.write_bytes(b" " * 70_000)
    assert act(capsys, world.first, "enrol", str(world.file))[1]["code"] == "invalid_file"
