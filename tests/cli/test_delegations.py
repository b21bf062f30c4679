"""Delegations from the terminal: the text, the signature on its digest, the list, the revocation."""

from __future__ import annotations

import pytest

from sons_tracker.db import engine
from tests import factories_delegations as delegated
from tests import factories_orders as make
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database
from tests.factories import Account, an_account


@pytest.fixture
async def people(clone: Database, monkeypatch: pytest.MonkeyPatch) -> tuple[Account, Account]:
    """The director of an OG, and a member who is not responsible."""
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await make.prepare_instance()
        director = await an_account("og")
        member = await delegated.a_member(director)
    finally:
        await engine.stop()
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)
    return director, member


def test_from_the_text_to_the_revocation(
    capsys: pytest.CaptureFixture[str], people: tuple[Account, Account]
) -> None:
    director, member = people
    person = str(delegated.person_of(member))
    terms = (person, "--act", "va", "--from", "2023-03-01", "--until", "2023-03-31")
    as_director = ("--token", director.token)
    code, out, _ = play(capsys, "delegation", "text", *terms, *as_director)
    assert code == 0
    assert "Du 1er mars 2023 au 31 mars 2023, ces deux jours compris." in out
    _, shown = play_json(capsys, "delegation", "text", *terms, *as_director)
    signed = ("--digest", str(shown["text_sha256"]), "--name", "Camille Exemple", "--function", "Directrice")
    code, _, err = play(capsys, "delegation", "give", *terms, *signed, *as_director)
    assert (code, "--consent" in err) == (2, True)
    code, _, err = play(capsys, "delegation", "give", *terms, *signed, "--consent", "--token", member.token)
    assert (code, "ne la donne pas à son tour" in err) == (1, True)
    code, given = play_json(capsys, "delegation", "give", *terms, *signed, "--consent", *as_director)
    assert (code, given["state"]) == (0, "in_force")
    code, out, _ = play(capsys, "delegation", "list", *as_director)
    assert (code, "en vigueur, du 1er mars 2023 au 31 mars 2023" in out) == (0, True)
    code, out, _ = play(capsys, "delegation", "revoke", str(given["id"]), *as_director)
    assert (code, "révoquée" in out) == (0, True)
    code, out, _ = play(capsys, "delegation", "appoint", person, *as_director)
    assert (code, "est responsable" in out) == (0, True)
    dismissed = ("delegation", "appoint", str(delegated.person_of(director)), "--dismiss")
    assert play(capsys, *dismissed, "--token", member.token)[0] == 0
    code, _, err = play(capsys, "delegation", "appoint", person, "--dismiss", "--token", member.token)
    assert (code, "dernière personne responsable" in err) == (1, True)
