"""Webhooks, notices and calendars from the terminal: the same acts as over HTTP, secrets shown once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sons_tracker.db import engine
from sons_tracker.operations import clock
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.cli.test_frame_commands import play, play_json
from tests.databases import Database, free_port
from tests.factories import Account, an_account
from tests.factories_outbox import announced

URL = "https://editeur.example/sons"


@pytest.fixture
async def og(clone: Database, monkeypatch: pytest.MonkeyPatch) -> Account:
    await engine.start(clone.app_dsn, role=clone.app_role)
    try:
        await clock.declare(LOCAL_ADMIN, "sandbox")
        account = await an_account("og")
        facts = {"order_number": "BC-2023-000001", "amount_ttc_cents": 129_360}
        await announced(account.actor, event="recovery.opened", facts=facts)
    finally:
        await engine.stop()
    environ = {**clone.environ, "SONS_INSTANCE": "sandbox", "SONS_WEBHOOKS_LOOPBACK": "1"}
    for name, value in {**environ, "SONS_TOKEN": account.token}.items():
        monkeypatch.setenv(name, value)
    return account


def act(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    return play_json(capsys, *words)


@pytest.mark.usefixtures("og")
def test_a_webhook_from_its_registration_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    code, hook = act(capsys, "webhook", "register", URL, "--event", "recovery.*", "--key", "1")
    assert code == 0
    assert hook["secret"].startswith("whsec_")
    assert act(capsys, "webhook", "register", URL, "--event", "recovery.*", "--key", "1")[1]["secret"] is None
    code, out, _ = play(capsys, "webhook", "register", URL, "--event", "recovery.*", "--key", "1")
    assert (code, "a été montré la première fois" in out) == (0, True)
    code, out, _ = play(capsys, "webhook", "rotate", hook["id"], "--overlap", "1")
    assert (code, "Ce secret ne sera plus montré." in out) == (0, True)
    assert act(capsys, "webhook", "ping", hook["id"])[1]["waiting"] == 1
    code, out, _ = play(capsys, "webhook", "list")
    assert (code, "1 en attente, 0 abandonné" in out) == (0, True)
    period = ("--since", "2023-03-01T00:00:00+01:00", "--until", "2023-03-02T00:00:00+01:00")
    assert act(capsys, "webhook", "replay", hook["id"], *period) == (0, {"deliveries": 1})
    assert act(capsys, "webhook", "disable", hook["id"])[1]["disabled_reason"] == "asked"
    code, out, err = play(capsys, "webhook", "ping", hook["id"])
    assert (code, out) == (1, "")
    assert err.startswith("Ce webhook est désactivé.")
    code, tally = act(capsys, "webhook", "deliver")
    assert (code, tally) == (0, {"delivered": 0, "tried": 2, "by_outcome": {"refused": 2}})


@pytest.mark.usefixtures("og")
def test_what_cannot_be_sent_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    act(capsys, "webhook", "register", f"http://127.0.0.1:{free_port()}/")
    notice = act(capsys, "notice", "list")[1]["notices"][0]["id"]
    code, out, _ = play(capsys, "notice", "replay", notice)
    assert (code, out) == (0, "1 envoi remis en file.\n")
    code, out, _ = play(capsys, "webhook", "deliver")
    assert (code, out) == (0, "0 envoi remis sur 1.\n1 envoi échoué, à tenter de nouveau.\n")
    code, out, _ = play(capsys, "notice", "list")
    assert "Avance à recouvrer, commande BC-2023-000001  (1 en attente)" in out
    assert act(capsys, "notice", "list", "--after", "1")[1] == {"notices": [], "next": 1}


@pytest.mark.usefixtures("og")
def test_a_calendar_is_made_listed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = play(capsys, "feed", "create", "--key", "1")
    assert (code, "/calendar/" in out) == (0, True)
    code, out, _ = play(capsys, "feed", "create", "--key", "1")
    assert (code, "/calendar/" in out) == (0, False)
    feed = act(capsys, "feed", "list")[1]["feeds"][0]
    assert feed["url"] is None
    code, out, _ = play(capsys, "feed", "revoke", feed["id"])
    assert (code, "révoqué le" in out) == (0, True)
    assert "révoqué le" in play(capsys, "feed", "list")[1]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("webhook", "register", "http://editeur.example/"), 2, "invalid_request"),
        (("webhook", "register", URL, "--event", "order.dreamt"), 2, "invalid_request"),
        (
            ("webhook", "rotate", "00000000-0000-4000-8000-000000000001", "--overlap", "169"),
            2,
            "invalid_request",
        ),
        (("webhook", "ping", "x"), 1, "not_found"),
        (("webhook", "ping", "00000000-0000-4000-8000-000000000001"), 1, "not_found"),
        (("webhook", "replay", "00000000-0000-4000-8000-000000000001"), 2, "invalid_request"),
        (("notice", "replay", "00000000-0000-4000-8000-000000000001"), 1, "not_found"),
        (("feed", "revoke", "x"), 1, "not_found"),
        (("webhook", "ping", "x", "--token", "sons_inconnu"), 1, "unauthenticated"),
    ],
)
@pytest.mark.usefixtures("og")
def test_what_is_refused_or_malformed(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, problem: str
) -> None:
    found, data = act(capsys, *words)
    assert (found, data["code"]) == (code, problem)
    assert json.dumps(data)
