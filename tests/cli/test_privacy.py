"""A person's data given and corrected from the terminal."""

from __future__ import annotations

import asyncio
import json

import pytest

from sons_tracker.cli import run_command
from tests.databases import Database

NAME, FIXED = "Odile Privee", "Odile Privée"


def test_a_person_is_exported_and_corrected_from_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clone: Database
) -> None:
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)

    def play(*arguments: str) -> tuple[int, str, str]:
        code = run_command(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    assert play("person", "export", "inconnue@agence.example")[0] == 1
    assert "Aucune personne" in play("person", "rectify", "inconnue@agence.example", "--name", "X")[2]
    made = play(
        "token",
        "create",
        "--role",
        "reviewer",
        "--organisation",
        "A",
        "--person",
        NAME,
        "--all-scopes",
        "--json",
    )
    token = json.loads(made[1])["token_id"]
    person = _person_of(clone, token)
    assert play("person", "rectify", person)[0] == 2
    code, out, err = play("person", "rectify", person, "--name", FIXED, "--email", "odile@agence.example")
    assert (code, out.strip(), err) == (0, "Rectifié : nom, adresse électronique.", "")
    assert play("person", "rectify", person, "--name", FIXED)[1].strip() == "Rien n'était à changer."
    code, out, _ = play("person", "export", "Odile@agence.example", "--json")
    kept = json.loads(out)
    assert (code, kept["person_id"]) == (0, person)
    assert kept["rows"]["person.id"][0]["name"] == FIXED
    assert "access_token.person_id : 1 ligne" in play("person", "export", person)[1]


def _person_of(clone: Database, token: str) -> str:
    async def ask() -> str:
        owner = await clone.connect_superuser()
        try:
            return str(await owner.fetchval("select person_id from sons.access_token where id = $1", token))
        finally:
            await owner.close()

    return asyncio.run(ask())
