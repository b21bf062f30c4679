"""House rules that no linter knows: locks, sizes, paths, purity of the rules, numbers of the law."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sons_tracker"
RULES = sorted((PACKAGE / "rules").glob("**/*.py"))
LONGEST_FILE = 400

# Structural numbers are 0, 1 and 2. Any other number in a rule is listed with its reason; an amount, a
# rate, a count of days or a threshold has no place here: it belongs to a file of sons_tracker/law.
NUMBERS_WITH_A_REASON = {
    ("case_clock.py", 7): "days of a week",
    ("context.py", 20): "how much of a wrong code a message shows",
    ("french.py", 10): "tenths in a unit",
    ("french.py", 1000): "tenths of a per cent in a whole",
    ("grant_stage.py", 20): "how much of a wrong code a message shows",
    ("identifiers.py", 8): "a FINESS number that lost its leading zero",
    ("identifiers.py", 9): "length of a FINESS number",
    ("identifiers.py", 10): "Luhn",
    ("identifiers.py", 40): "how much of a wrong number a message shows",
    ("invoice.py", 100): "per cent",
    ("money.py", 40): "how much of a wrong amount a message shows",
    ("money.py", 100): "cents in a euro, and per cent",
    ("parties.py", 5): "how many names a message shows",
    ("reservation.py", 5): "how many numbers a message shows",
    ("risk.py", 100): "the highest score",
    ("succession.py", 100): "the highest score",
}
# What would make a verdict depend on anything but the file and the law.
IMPURE_MODULES = {
    "asyncio",
    "io",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "sys",
    "time",
}
IMPURE_CALLS = {"now", "utcnow", "today", "open", "input", "print", "eval", "exec", "float", "fromtimestamp"}


def tracked() -> list[Path]:
    """The files of the repository; outside of git (a source archive) what stands there."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.split("\0") if name]
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    folders = ("sons_tracker", "migrations", "tests", "docs", "deploy", ".ci")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts] + list(ROOT.glob("*.*"))


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of each tracked file that is text and ours: the data of fixtures are not."""
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith("fixtures/"):
            continue
        try:
            yield name, path.read_text()
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "//" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE), "options would choose an index"
    requirements = [line for line in text.splitlines() if re.match(r"\S", line) and not line.startswith("#")]
    assert requirements
    for line in requirements:
        assert re.match(r"[a-z0-9][a-z0-9._-]*==[^ ]+( ; .*)? \\$", line), line
    assert text.count("--hash=sha256:") >= len(requirements)


def test_the_lock_of_users_is_part_of_the_lock_of_developers() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9][a-z0-9._-]*==[^ ]+", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_no_file_of_the_package_is_too_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_path_of_a_machine_and_no_host_of_a_registry_is_written_down() -> None:
    folders = "|".join(("tmp", "root", "home", "work"))
    path = re.compile(rf"(?<![\w.}}~-])/(?:{folders})/\w")
    host = re.compile(r"\b(?:files\.)?py(?:pi\.org|thonhosted\.org)|registry\.npmjs", re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in texts()
        if name != "tests/test_house.py"
        for number, line in enumerate(text.splitlines(), 1)
        if path.search(line) or host.search(line)
    ]
    assert found == []


def test_no_note_to_oneself_is_left() -> None:
    note = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    assert [name for name, text in texts() if name != "tests/test_house.py" and note.search(text)] == []


def test_scripts_may_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_a_rule_depends_on_nothing_but_its_arguments(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            modules = []
        for module in modules:
            ours = module == "sons_tracker.errors" or module.startswith("sons_tracker.rules")
            top = module.split(".")[0]
            assert ours or (top in sys.stdlib_module_names and top not in IMPURE_MODULES), (
                f"{where}: {module}"
            )
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global), where
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in IMPURE_CALLS, f"{where}: {called}()"
        if isinstance(node, ast.Name):
            assert node.id != "float", where
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float), f"{where}: {node.value}"
        if isinstance(node, ast.BinOp):
            assert not isinstance(node.op, ast.Div), f"{where}: a division makes a float"


def test_no_number_of_the_law_stands_in_a_rule() -> None:
    found = {
        (path.name, node.value)
        for path in RULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value not in {0, 1, 2}
    }
    assert found == set(NUMBERS_WITH_A_REASON)


def test_no_date_of_the_law_stands_in_a_rule() -> None:
    dated = re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d\b")
    for path in RULES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and not _is_docstring(tree, node)
            ):
                assert not dated.search(node.value), f"{path.name}:{node.lineno}"


def _is_docstring(tree: ast.AST, node: ast.Constant) -> bool:
    return any(isinstance(parent, ast.Expr) and parent.value is node for parent in ast.walk(tree))


def test_migrations_are_numbered_without_a_hole() -> None:
    names = sorted(path.name for path in (ROOT / "migrations").iterdir() if path.suffix == ".py")
    assert [name[:5] for name in names] == [f"m{number:04d}" for number in range(1, len(names) + 1)]
    assert {path.suffix for path in (ROOT / "migrations").iterdir() if path.is_file()} == {".py"}
