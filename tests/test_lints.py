"""House lints on what may harm: what is let pass has a reason beside it, and few doors lead outside."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*(ROOT / "sons_tracker").rglob("*.py"), *(ROOT / "migrations").glob("*.py")])

LET_PASS = re.compile(r"#\s*(?:ruff:\s*)?(?:noqa|nosec|type:\s*ignore)\b")
# `type: ignore[code]` says its reason by its code; the others name what they let pass, then say why.
REASONED = re.compile(
    r"#\s(?:"
    r"type: ignore\[[a-z, -]+\]"
    r"|(?:ruff: )?noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*(?: # nosec B[0-9]{3})? [-#] (?!nosec)\w.{4,}"
    r"|nosec B[0-9]{3} # \w.{4,}"
    r")"
)
# Module or name, and where alone it may stand.
ONLY_IN: dict[str, set[str]] = {
    "os.environ": {"app.py", "cli/", "db/embedded.py", "db/migrate.py", "settings.py"},
    "subprocess": {"db/embedded.py", "registers/", "documents/", "exchanges/", "api/"},
    "logging.basicConfig": set(),
    "logging.config": set(),
    "pickle": set(),
    "marshal": set(),
    "shelve": set(),
    "xml.etree": set(),
    "xml.dom": set(),
    "xml.sax.expatreader": set(),
    "ctypes": set(),
    "traceback": {"logs.py"},
    "structlog": {"logs.py", "api/access_log.py"},
}
NEVER_CALLED = {"eval", "exec", "compile", "__import__", "breakpoint"}


def names(tree: ast.AST) -> Iterator[str]:
    """Every imported module and every dotted name of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_may_harm_stands_where_it_is_expected(path: Path) -> None:
    tree = ast.parse(path.read_text())
    inside = path.relative_to(ROOT).as_posix().removeprefix("sons_tracker/")
    for name in names(tree):
        for watched, places in ONLY_IN.items():
            if name == watched or name.startswith(f"{watched}."):
                assert any(inside.startswith(place) for place in places), f"{inside}: {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", "") not in NEVER_CALLED, f"{inside}:{node.lineno}"
            for keyword in node.keywords:
                off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                assert not (keyword.arg == "verify" and off), f"{inside}:{node.lineno}: TLS is checked"
                on = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                assert not (keyword.arg == "shell" and on), f"{inside}:{node.lineno}: no shell"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_let_pass_has_its_reason_beside_it(path: Path) -> None:
    bare = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if LET_PASS.search(line) and not REASONED.search(line)
    ]
    assert bare == []


@pytest.mark.parametrize(
    ("line", "reasoned"),
    [
        ("x  # noqa: S608 # nosec B608 # constants of this module", True),
        ("x  # noqa: S608 - a constant", True),
        ("x  # nosec B105 # words that are shown", True),
        ("x  # type: ignore[arg-type]", True),
        ("x  # noqa", False),
        ("x  # noqa: S608", False),
        ("x  # noqa: S608 # nosec B608", False),
        ("x  # nosec", False),
        ("x  # nosec B105", False),
        ("x  # type: ignore", False),
    ],
)
def test_a_reason_is_recognised(line: str, reasoned: bool) -> None:
    assert LET_PASS.search(line)
    assert bool(REASONED.search(line)) is reasoned
