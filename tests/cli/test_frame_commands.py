"""The command line in French: answers, exit codes, errors; `--json` is always one JSON value on stdout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sons_tracker import law
from sons_tracker.cli import run_command
from sons_tracker.law.library import read_folder

ENGLISH = (
    "Usage:",
    "Error",
    "Missing",
    "No such",
    "Invalid",
    "Show this",
    "Commands",
    "[required]",
    "[default",
)
LAW = Path(law.__file__).parent


def play(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = run_command(arguments)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def play_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, object]]:
    code, out, err = play(capsys, *arguments, "--json")
    assert err == ""
    return code, json.loads(out)


TARIFFS = {
    ("35",): ("E", "1232.00", "43120.00", "12936.00", "30184.00"),
    ("72",): ("E", "1232.00", "88704.00", "26611.20", "62092.80"),
    ("8",): ("C", "2190.00", "17520.00", "5256.00", "12264.00"),
    ("35", "--ordered", "1"): ("E", "1232.00", "1232.00", "369.60", "862.40"),
    ("8", "--on", "2022-06-01", "--dispositif", "ms1-v1"): (
        "C",
        "2190.00",
        "17520.00",
        "5256.00",
        "12264.00",
    ),
}


@pytest.mark.parametrize("arguments", TARIFFS, ids=" ".join)
def test_tariff(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, data = play_json(capsys, "tariff", *arguments)
    keys = ("tranche", "unit_ttc", "total_ttc", "advance_ttc", "solde_ttc")
    assert (code, tuple(data[key] for key in keys)) == (0, TARIFFS[arguments])


def test_tariff_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = play(capsys, "tariff", "35")
    assert code == 0
    assert "43\u202f120,00\u202f€" in out


# Arguments, exit code, code of the problem.
REFUSED = {
    "more than the OG has": (("tariff", "5", "--ordered", "6"), 1, "order_refused"),
    "before the law": (("tariff", "5", "--on", "2021-01-01"), 1, "outside_coverage"),
    "no essms": (("tariff", "0"), 2, "invalid_amount"),
    "not a number": (("tariff", "abc"), 2, "malformed_command"),
    "huge": (("tariff", "9" * 30), 2, "malformed_command"),
    "not a date": (("tariff", "5", "--on", "2022-02-30"), 2, "invalid_date"),
    "unknown dispositif": (("tariff", "5", "--dispositif", "X"), 2, "malformed_command"),
    "no argument": (("tariff",), 2, "malformed_command"),
    "one too many": (("tariff", "5", "6"), 2, "malformed_command"),
    "unknown option": (("tariff", "5", "--truc"), 2, "malformed_command"),
    "unknown command": (("tarif", "5"), 2, "malformed_command"),
    "unknown subcommand": (("law", "chek"), 2, "malformed_command"),
    "unknown year": (
        ("grant-estimate", "--year", "2023", "--project", "acquisition", "--essms", "5"),
        1,
        "outside_coverage",
    ),
    "unknown project": (
        ("grant-estimate", "--year", "2022", "--project", "x", "--essms", "5"),
        2,
        "malformed_command",
    ),
    "unknown domain": (
        ("grant-estimate", "--year", "2022", "--project", "upgrade", "--essms", "5", "--domain", "ZZ"),
        2,
        "malformed_command",
    ),
    "unknown calendar": (("calendar", "X"), 1, "outside_coverage"),
    "unknown text": (("law", "show", "X"), 1, "outside_coverage"),
    "no folder": (("law", "check", "/nowhere"), 2, "invalid_file"),
    "malformed finess": (("finess", "check", "12"), 2, "invalid_identifier"),
    "no file": (("finess", "import", "/nowhere.csv"), 2, "invalid_file"),
    "folder as file": (("grants", "import", "/"), 2, "invalid_file"),
    "unknown scope": (("finess", "import", __file__, "--scope", "tout"), 2, "malformed_command"),
    "unknown role": (
        ("token", "create", "--role", "chef", "--organisation", "X", "--person", "Y"),
        2,
        "malformed_command",
    ),
    "a token that would do everything unsaid": (
        ("token", "create", "--role", "editor", "--organisation", "X", "--person", "Y"),
        2,
        "malformed_command",
    ),
    "some scopes and all of them": (
        (
            "token",
            "create",
            "--role",
            "og",
            "--organisation",
            "X",
            "--person",
            "Y",
            "--scope",
            "read",
            "--all-scopes",
        ),
        2,
        "malformed_command",
    ),
    "malformed siren": (
        (
            "token",
            "create",
            "--role",
            "editor",
            "--organisation",
            "X",
            "--person",
            "Y",
            "--all-scopes",
            "--siren",
            "123",
        ),
        2,
        "invalid_identifier",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_one_french_line_or_one_problem(capsys: pytest.CaptureFixture[str], name: str) -> None:
    arguments, expected, problem = REFUSED[name]
    code, out, err = play(capsys, *arguments)
    assert (code, out) == (expected, "")
    assert len(err.strip().splitlines()) == 1, err
    assert not any(word in err for word in ENGLISH), err
    code, data = play_json(capsys, *arguments)
    assert (code, data["code"]) == (expected, problem)
    assert data["detail"]
    assert data["remedy"]


def test_usage_errors_name_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert "« tariff »" in play(capsys, "tarif")[2]
    assert "« --truc »" in play(capsys, "tariff", "5", "--truc")[2]
    assert "« N »" in play(capsys, "tariff")[2]
    assert "« --year »" in play(capsys, "grant-estimate", "--project", "upgrade", "--essms", "1")[2]
    assert "« 6 »" in play(capsys, "tariff", "5", "6")[2]
    assert "« --on »" in play(capsys, "tariff", "5", "--on")[2]


@pytest.mark.parametrize(
    ("name", "value"),
    [("SONS_PORT", "99999"), ("SONS_INSTANCE", "x"), ("DATABASE_URL", "mysql://x"), ("SONS_PORT", "x")],
)
def test_a_setting_that_is_malformed_names_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    code, data = play_json(capsys, "serve")
    assert (code, data["code"]) == (2, "invalid_setting")
    assert name in str(data["detail"])


COMMANDS = (
    (),
    ("serve",),
    ("migrate",),
    ("tariff",),
    ("grant-estimate",),
    ("calendar",),
    ("rights",),
    ("forecast",),
    ("queue",),
    ("queue", "list"),
    ("queue", "export"),
    ("alert",),
    ("alert", "list"),
    ("alert", "raise"),
    ("alert", "dismiss"),
    ("sample",),
    ("sample", "draw"),
    ("sample", "show"),
    ("sample", "export"),
    ("piece",),
    ("piece", "inspect"),
    ("advance",),
    ("advance", "request"),
    ("advance", "validate"),
    ("advance", "refuse"),
    ("advance", "decide"),
    ("reservation",),
    ("reservation", "make"),
    ("reservation", "show"),
    ("reservation", "list"),
    ("reservation", "renew"),
    ("reservation", "drop"),
    ("correction",),
    ("correction", "ask"),
    ("correction", "answer"),
    ("order", "actions"),
    ("order", "review"),
    ("law",),
    ("law", "check"),
    ("law", "show"),
    ("law", "diff"),
    ("law", "enact"),
    ("law", "impact"),
    ("finess",),
    ("finess", "check"),
    ("finess", "import"),
    ("finess", "generate"),
    ("finess", "diff"),
    ("finess", "successions"),
    ("finess", "confirm"),
    ("finess", "dismiss"),
    ("delegation",),
    ("delegation", "text"),
    ("delegation", "give"),
    ("delegation", "list"),
    ("delegation", "revoke"),
    ("delegation", "appoint"),
    ("demo",),
    ("simulate",),
    ("order",),
    ("order", "submit"),
    ("order", "show"),
    ("order", "cancel"),
    ("order", "attest"),
    ("cancellation",),
    ("cancellation", "show"),
    ("cancellation", "statement"),
    ("cancellation", "refuse"),
    ("cancellation", "drop"),
    ("cancellation", "settle"),
    ("amendment",),
    ("amendment", "propose"),
    ("amendment", "list"),
    ("amendment", "agree"),
    ("amendment", "refuse"),
    ("amendment", "withdraw"),
    ("supplier",),
    ("supplier", "show"),
    ("supplier", "enrol"),
    ("supplier", "validate"),
    ("supplier", "correct"),
    ("supplier", "bank-change"),
    ("supplier", "bank-confirm"),
    ("supplier", "bank-stop"),
    ("grants",),
    ("grants", "import"),
    ("grants", "imports"),
    ("grants", "anomalies"),
    ("solutions",),
    ("solutions", "import"),
    ("account",),
    ("account", "admin"),
    ("account", "providers"),
    ("account", "activate"),
    ("account", "reseal"),
    ("session",),
    ("session", "list"),
    ("session", "revoke"),
    ("person",),
    ("person", "export"),
    ("person", "rectify"),
    ("person", "erase-text"),
    ("token",),
    ("token", "create"),
    ("va",),
    ("va", "prepare"),
    ("va", "show"),
    ("va", "sign"),
    ("solde",),
    ("solde", "request"),
    ("solde", "refile"),
    ("solde", "validate"),
    ("solde", "match"),
    ("clock",),
    ("clock", "show"),
    ("clock", "advance"),
    ("lot",),
    ("lot", "prepare"),
    ("lot", "list"),
    ("lot", "show"),
    ("lot", "approve"),
    ("lot", "drop"),
    ("lot", "export"),
    ("lot", "import-return"),
    ("lot", "represent"),
    ("conflict",),
    ("conflict", "list"),
    ("conflict", "show"),
    ("conflict", "contest"),
    ("conflict", "assign"),
    ("conflict", "ask"),
    ("conflict", "answer"),
    ("conflict", "decide"),
    ("conflict", "approve"),
    ("conflict", "withdraw"),
    ("conflict", "execute"),
    ("conflict", "close"),
    ("conflict", "reopen"),
    ("conflict", "templates"),
    ("conflict", "graph"),
    ("conflict", "evidence"),
    ("recovery",),
    ("recovery", "list"),
    ("recovery", "export"),
    ("recovery", "show"),
    ("recovery", "issue"),
    ("recovery", "repay"),
    ("recovery", "step"),
    ("ledger",),
    ("ledger", "show"),
    ("webhook",),
    ("webhook", "register"),
    ("webhook", "list"),
    ("webhook", "rotate"),
    ("webhook", "ping"),
    ("webhook", "disable"),
    ("webhook", "replay"),
    ("webhook", "deliver"),
    ("notice",),
    ("notice", "list"),
    ("notice", "replay"),
    ("feed",),
    ("feed", "create"),
    ("feed", "list"),
    ("feed", "revoke"),
    ("audit",),
    ("audit", "explain"),
    ("audit", "run"),
    ("audit", "show"),
    ("audit", "measure"),
    ("journal",),
    ("journal", "seal"),
    ("journal", "head"),
    ("journal", "stamp"),
    ("journal", "export"),
    ("journal", "verify"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words) or "-")
def test_help_is_french(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    code, out, err = play(capsys, *command, "--help")
    assert (code, err) == (0, "")
    assert "Utilisation : sons-tracker" in out
    assert "Affiche cette aide." in out
    assert not any(word in out for word in (*ENGLISH, "<bool>", "<int>", "TEXT", "INTEGER", "PATH")), out


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = play(capsys)
    assert code == 2
    assert "Utilisation" in out


def test_grant_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("grant-estimate", "--year", "2025", "--project", "acquisition", "--essms", "10")
    code, data = play_json(capsys, *words)
    amounts = ("usage", "equipment", "hardware", "amoa_procurement", "amoa_project", "total")
    assert code == 0
    assert [data[name] for name in amounts] == ["70000.00", "140000.00", "0.00", "0.00", "0.00", "210000.00"]


def test_calendar(capsys: pytest.CaptureFixture[str]) -> None:
    code, data = play_json(capsys, "calendar", "ms1-v1", "--known-on", "2023-03-01")
    assert code == 0
    at = {name: data[name]["at"] for name in ("ouverture", "fermeture", "cloture")}  # type: ignore[index]
    assert at == {
        "ouverture": "2022-02-12T00:00:00+01:00",
        "fermeture": "2023-12-31T23:59:59+01:00",
        "cloture": "2024-03-31T23:59:59+02:00",
    }


@pytest.mark.parametrize("number", ["010780054", "01 078 005 4", " 010-780-054 "])
def test_a_finess_that_is_right(capsys: pytest.CaptureFixture[str], number: str) -> None:
    assert play_json(capsys, "finess", "check", number) == (0, {"number": "010780054", "valid": True})


def test_a_finess_whose_key_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    code, data = play_json(capsys, "finess", "check", "010780055")
    assert (code, data["valid"], data["expected_key"]) == (1, False, "4")


def test_law_check(capsys: pytest.CaptureFixture[str]) -> None:
    code, data = play_json(capsys, "law", "check")
    assert (code, data["digest"]) == (0, law.load().law.digest)
    assert play_json(capsys, "law", "check", str(LAW))[1] == data


def test_a_law_with_defects_names_all_of_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for file in LAW.glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(text.replace('etat       = "en_vigueur"', "", 1), encoding="utf-8")
    (tmp_path / "ms1_v1.toml").write_text("[oops", encoding="utf-8")
    (tmp_path / "ms2_v1.toml").write_text("x = 1\n", encoding="utf-8")
    code, data = play_json(capsys, "law", "check", str(tmp_path))
    assert (code, data["code"]) == (1, "invalid_law")
    places = [fault["path"] for fault in data["errors"]]  # type: ignore[attr-defined]
    assert any("ms1_v1" in place for place in places)
    assert any("ms2_v1" in place for place in places)
    code, out, err = play(capsys, "law", "check", str(tmp_path))
    assert (code, out) == (1, "")
    assert len(err.splitlines()) > 2


def test_law_show_says_when_nothing_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    code, data = play_json(capsys, "law", "show", "MS1-V1.bareme", "--on", "2020-01-01")
    assert (code, data["values"]) == (1, {"bareme": None})


def test_law_diff(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert play_json(capsys, "law", "diff", str(LAW))[1] == {"differences": []}
    shutil.copytree(LAW / "requests", tmp_path / "requests")
    for file in LAW.glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(text.replace('"1232.00"', '"1233.00"'), encoding="utf-8")
    assert read_folder(tmp_path).law.digest != law.load().law.digest
    code, data = play_json(capsys, "law", "diff", str(tmp_path))
    assert code == 0
    found = {(one["kind"], one["name"]) for one in data["differences"]}  # type: ignore[attr-defined]
    assert ("modification", "MS1-V1.bareme") in found
    code, out, _ = play(capsys, "law", "diff", str(tmp_path))
    assert "1233.00" in out
    assert "1232.00" in out


def test_a_defect_of_ours_leaves_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sons_tracker.law.calendar", lambda *_: 1 / 0)
    code, data = play_json(capsys, "calendar", "MS1-V1")
    assert (code, data["code"]) == (1, "internal")
    kept = next(tmp_path.glob("sons-tracker-*.log"))
    assert str(kept) in str(data["detail"])
    assert "ZeroDivisionError" in kept.read_text(encoding="utf-8")


def test_a_reader_that_leaves_early_hears_no_complaint() -> None:
    show = f'"{sys.executable}" -m sons_tracker.cli law show finess --json | head -1'
    done = subprocess.run(["bash", "-c", show], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_short_answer_to_nobody_is_silent_too(unbuffered: str) -> None:
    environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        command = [sys.executable, "-m", "sons_tracker.cli", "tariff", "35", "--json"]
        done = subprocess.run(
            command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False, env=environ
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_without_accents_is_no_reason_to_fail() -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "sons_tracker.cli", "tariff", "35"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "43?120,00" in done.stdout


def test_generate_writes_the_same_bytes_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("finess", "generate", str(tmp_path), "--establishments", "300", "--seed", "7")
    code, data = play_json(capsys, *words)
    first = Path(data["establishments"]).read_bytes()
    assert (code, data["establishment_rows"]) == (0, 300)
    assert first.startswith(b"finess;synthetique;7;2022-01-03\n")
    assert (tmp_path / Path(data["legal_entities"]).name).exists()
    play_json(capsys, *words)
    assert Path(data["establishments"]).read_bytes() == first
    code, _, err = play(capsys, "finess", "generate", str(tmp_path), "--establishments", "3")
    assert (code, "200 000" in err) == (2, True)
    code, _, err = play(capsys, "finess", "generate", "/proc/impossible")
    assert (code, "ne peut pas recevoir" in err) == (2, True)
