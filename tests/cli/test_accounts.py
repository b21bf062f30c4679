"""The first administrator, from the terminal: invited, then enrolled with lines read from a pipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import pyotp

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
