"""The first administrator, from the terminal: invited, then enrolled with lines read from a pipe."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time

import pyotp
import pytest
from cryptography.fernet import Fernet

from sons_tracker.cli import run_command
from tests.databases import Database

COMMAND = [sys.executable, "-m", "sons_tracker.cli", "account"]


def test_the_first_administrator_is_invited_and_enrolled(clone: Database) -> None:
    environ = {**os.environ, **clone.environ, "SONS_INSTANCE": "sandbox", "PYTHONUNBUFFERED": "1"}
    words = ["admin", "--email", "chef@example.org", "--organisation", "Agence fictive"]
    made = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, env=environ)
    assert made.returncode == 0, made.stderr
    secret = made.stdout.splitlines()[0]
    child = subprocess.Popen(
        [*COMMAND, "activate", secret, "--name", "Personne fictive"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdin.write("cheval agrafe pile 7\n")
    child.stdin.flush()
    shown = re.fullmatch(r"Second facteur à enregistrer : ([A-Z2-7]{32})\n", child.stderr.readline())
    assert shown is not None
    out, err = child.communicate(pyotp.TOTP(shown[1]).at(int(time.time())) + "\n", timeout=60)
    assert (child.returncode, out) == (0, "Le compte est ouvert.\n"), err
    again = subprocess.run(
        [*COMMAND, "activate", secret, "--name", "Autre"],
        input="cheval agrafe pile 7\n", capture_output=True, text=True, check=False, env=environ,
    )  # fmt: skip
    assert again.returncode == 1
    assert len(again.stderr.splitlines()) == 1


def test_the_sessions_of_a_person_are_listed_and_ended_and_seals_renewed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clone: Database
) -> None:
    for name, value in {**clone.environ, "SONS_INSTANCE": "sandbox"}.items():
        monkeypatch.setenv(name, value)

    def play(*arguments: str) -> tuple[int, str, str]:
        code = run_command(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    maker = ("token", "create", "--role", "pilot", "--organisation", "Agence", "--person", "Personne fictive")
    made = json.loads(play(*maker, "--scope", "read", "--scope", "write:orders", "--json")[1])
    person, scopes = asyncio.run(_a_session(clone, made["token_id"]))
    assert scopes == ["read", "write:orders"]
    code, out, _ = play("session", "list", "--person", person)
    assert (code, len(out.splitlines())) == (0, 1)
    assert re.search(r" pilot, vue le \d+(er)? \w+ \d{4} à \d\d h \d\d, jusqu'au ", out)
    assert play("session", "revoke", "--person", person)[:2] == (0, "1 session close.\n")
    assert json.loads(play("session", "revoke", "--person", person, "--json")[1]) == {"sessions_closed": 0}
    assert play("session", "list", "--person", person)[1] == "Aucune session ouverte.\n"
    code, out, err = play("session", "revoke", "--person", "inconnue@example.org")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    code, out, _ = play("account", "reseal")
    assert (code, out) == (0, "Scellés à nouveau : 1 ; déjà par la clé la plus récente : 0.\n")
    monkeypatch.setenv("SONS_ACCOUNT_KEY", Fernet.generate_key().decode())
    code, out, _ = play("account", "reseal", "--json")
    assert (code, json.loads(out)) == (1, {"renewed": 0, "kept": 0, "lost": 1})


async def _a_session(clone: Database, token: str) -> tuple[str, list[str]]:
    """A session of the person of a token, with the token's scopes; and a webhook's secret still in clear."""
    owner = await clone.connect_superuser()
    try:
        row = await owner.fetchrow(
            "insert into sons.session (id, sha256, person_id, organisation_id, role, auth_level, created_at,"
            " last_seen_at, expires_at, address_sha256) select id, sha256('s'), person_id, organisation_id,"
            " role, 'password_totp', now(), now(), now() + interval '1 h', sha256('a')"
            " from sons.access_token where id = $1 returning person_id, organisation_id",
            token,
        )
        await owner.execute(
            "insert into sons.webhook_endpoint (id, organisation_id, url, events, created_at)"
            " values ($1, $2, 'https://example.org/', '{*}', now())",
            token,
            row["organisation_id"],
        )
        await owner.execute(
            "insert into sons.webhook_secret (id, endpoint_id, organisation_id, secret, created_at)"
            " values ($1, $1, $2, $3, now())",
            token,
            row["organisation_id"],
            "whsec_" + "A" * 43 + "=",
        )
        scopes = await owner.fetchval("select scopes from sons.access_token where id = $1", token)
        return str(row["person_id"]), list(scopes)
    finally:
        await owner.close()


def test_an_address_that_is_none_is_malformed() -> None:
    words = ["admin", "--email", "personne", "--organisation", "Agence"]
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "« personne »" in done.stderr


def test_the_providers_of_identity_are_shown_and_checked() -> None:
    given = {
        "SONS_OIDC": "psc",
        "SONS_OIDC_PSC_PRESET": "pro-sante-connect",
        "SONS_OIDC_PSC_ISSUER": "https://127.0.0.1:9/realms/personne",
        "SONS_OIDC_PSC_CLIENT_ID": "sons-tracker",
        "SONS_OIDC_PSC_CLIENT_SECRET": "un-secret-que-rien-ne-montre",
        "SONS_PUBLIC_URL": "https://sons.sante.fr/",
    }
    environ = {**os.environ, **given}
    shown = subprocess.run(
        [*COMMAND, "providers", "--json"], capture_output=True, text=True, check=False, env=environ
    )
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert told["callback"] == "https://sons.sante.fr/api/v1/session/oidc/callback"
    assert [(one["name"], one["roles"], one["acr_accepted"]) for one in told["providers"]] == [
        ("psc", ["og"], ["eidas1", "eidas2", "eidas3"])
    ]
    checked = subprocess.run(
        [*COMMAND, "providers", "--check"], capture_output=True, text=True, check=False, env=environ
    )
    assert checked.returncode == 1
    assert "ne répond pas comme il faut" in checked.stdout
    assert given["SONS_OIDC_PSC_CLIENT_SECRET"] not in shown.stdout + checked.stdout + checked.stderr
