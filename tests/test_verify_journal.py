"""The verifier finds whatever was done to an export, and says so alone, without anything of ours."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sons_tracker import verify_journal
from sons_tracker.rules import sealing
from tests.journal_exports import (
    Row,
    chained,
    header_of,
    some_rows,
    texts_to_bytes,
    to_bytes,
    verified,
    with_texts,
)

SCRIPT = Path(verify_journal.__file__)
SEED = 20230301
Tamper = Callable[[Row, list[Row], random.Random], None]


def change_a_field(_: Row, chain: list[Row], draw: random.Random) -> None:
    row, name = draw.choice(chain), draw.choice(sealing.FIELDS)
    value = row[name]
    others = [None, "", "x", (value or "") + " ", (value or "0")[:-1] + "9", (value or "").upper()]
    row[name] = draw.choice([other for other in others if other != value])


def change_a_seal(_: Row, chain: list[Row], draw: random.Random) -> None:
    row, name = draw.choice(chain), draw.choice(["seq", "prev", "hash"])
    if name == "seq":
        row["seq"] += draw.choice([-1, 1, 10**6])
    else:
        digit = draw.randrange(64)
        row[name] = row[name][:digit] + format(15 - int(row[name][digit], 16), "x") + row[name][digit + 1 :]


def shift_a_border(_: Row, chain: list[Row], draw: random.Random) -> None:
    """The same characters in a row, in other fields."""
    row = draw.choice(chain)
    row["object_kind"], row["object_id"] = row["object_kind"] + "x", row["object_id"]
    row["object_kind"], row["action"] = row["object_kind"][:-1], row["action"] + "x"


def reseal_a_row(_: Row, chain: list[Row], draw: random.Random) -> None:
    """A row changed with its own seal made anew, the following ones left."""
    row = draw.choice(chain)
    row["object_id"] += "!"
    row["hash"] = sealing.seal(row["seq"], bytes.fromhex(row["prev"]), row).hex()


def delete_rows(_: Row, chain: list[Row], draw: random.Random) -> None:
    start = draw.randrange(len(chain))
    del chain[start : start + draw.randint(1, 3)]


def insert_a_row(_: Row, chain: list[Row], draw: random.Random) -> None:
    place, row = draw.randrange(len(chain) + 1), dict(draw.choice(chain))
    if draw.random() < 0.5:  # a forgery that fits what precedes it
        row["seq"] = place + 1
        row["prev"] = chain[place - 1]["hash"] if place else sealing.GENESIS.hex()
        row["hash"] = sealing.seal(row["seq"], bytes.fromhex(row["prev"]), row).hex()
    chain.insert(place, row)


def reorder(_: Row, chain: list[Row], draw: random.Random) -> None:
    first, second = draw.sample(range(len(chain)), 2)
    chain[first], chain[second] = chain[second], chain[first]


def swap_contents(_: Row, chain: list[Row], draw: random.Random) -> None:
    """Two rows exchange what they tell and keep their places and seals."""
    first, second = draw.sample(chain, 2)
    for name in sealing.FIELDS:
        first[name], second[name] = second[name], first[name]


def swap_seals(_: Row, chain: list[Row], draw: random.Random) -> None:
    first, second = draw.sample(chain, 2)
    first["hash"], second["hash"] = second["hash"], first["hash"]


def add_or_drop_a_field(_: Row, chain: list[Row], draw: random.Random) -> None:
    row = draw.choice(chain)
    if draw.random() < 0.5:
        row["note"] = "ajout"
    else:
        del row[draw.choice(sealing.FIELDS)]


def change_the_end(header: Row, chain: list[Row], draw: random.Random) -> None:
    if draw.random() < 0.5:
        header["head"]["seq"] += draw.choice([-1, 1])
    else:
        header["head"]["hash"] = draw.choice(chain[:-1])["hash"]


TAMPERS: tuple[Tamper, ...] = (
    change_a_field, change_a_seal, shift_a_border, reseal_a_row, delete_rows, insert_a_row, reorder,
    swap_contents, swap_seals, add_or_drop_a_field, change_the_end,
)  # fmt: skip


@pytest.mark.scoreboard(17)
def test_a_thousand_tampers_are_all_found() -> None:
    draw, played = random.Random(SEED), Counter[str]()
    for _ in range(1000):
        chain = chained(some_rows(draw.randint(2, 12), draw))
        header = header_of(chain)
        before = to_bytes(header, chain)
        assert verified(before).problems == []
        tamper = draw.choice(TAMPERS)
        tamper(header, chain, draw)
        data = to_bytes(header, chain)
        assert data != before, tamper.__name__
        assert verified(data).problem_count > 0, (tamper.__name__, data.decode())
        played[tamper.__name__] += 1
    assert len(played) == len(TAMPERS)
    assert min(played.values()) > 50


def change_a_text(chain: list[Row], lines: list[Row], draw: random.Random) -> None:
    line = draw.choice([one for one in lines if one["text"] is not None])
    line["text"] = draw.choice([line["text"] + " ", line["text"] + "x", line["text"].upper() + "\u0301"])


def change_a_salt(chain: list[Row], lines: list[Row], draw: random.Random) -> None:
    line = draw.choice([one for one in lines if one["salt"] is not None])
    line["salt"] = draw.choice(
        [draw.randbytes(32).hex(), line["salt"].upper() + " ", line["salt"][2:], 1, None]
    )


def move_a_text(chain: list[Row], lines: list[Row], draw: random.Random) -> None:
    line = draw.choice(lines)
    name = draw.choice(["seq", "field"])
    line[name] = line["seq"] + draw.choice([-1, 1, 99]) if name == "seq" else line["field"] + "/0"


def drop_a_text(chain: list[Row], lines: list[Row], draw: random.Random) -> None:
    del lines[draw.randrange(len(lines))]


def add_a_text(chain: list[Row], lines: list[Row], draw: random.Random) -> None:
    lines.insert(draw.randrange(len(lines) + 1), dict(draw.choice(lines)))


def erase_a_text(chain: list[Row], lines: list[Row], draw: random.Random) -> None:
    """Given as erased, which no row tells."""
    line = draw.choice([one for one in lines if one["text"] is not None])
    line["salt"] = line["text"] = None


def hide_the_erasure(chain: list[Row], lines: list[Row], draw: random.Random) -> None:
    """The row that tells it taken off, and the chain made anew: the text is then only missing."""
    chain[:] = chained(chain[:-1])


TEXT_TAMPERS = (
    change_a_text, change_a_salt, move_a_text, drop_a_text, add_a_text, erase_a_text, hide_the_erasure,
)  # fmt: skip


@pytest.mark.scoreboard(17)
def test_three_hundred_tampers_of_the_texts_are_all_found() -> None:
    draw, played = random.Random(SEED), Counter[str]()
    for _ in range(300):
        chain, lines = with_texts(some_rows(draw.randint(3, 8), draw), draw)
        assert verified(to_bytes(header_of(chain), chain), (), texts_to_bytes(chain, lines)).problems == []
        tamper = draw.choice(TEXT_TAMPERS)
        tamper(chain, lines, draw)
        found = verified(to_bytes(header_of(chain), chain), (), texts_to_bytes(chain, lines))
        assert found.problem_count > 0, (tamper.__name__, lines)
        played[tamper.__name__] += 1
    assert len(played) == len(TEXT_TAMPERS)
    assert min(played.values()) > 20


def test_the_texts_of_another_export_are_told() -> None:
    draw = random.Random(SEED)
    chain, lines = with_texts(some_rows(4, draw), draw)
    texts = texts_to_bytes(chained(some_rows(5, draw)), lines)
    found = verified(to_bytes(header_of(chain), chain), (), texts)
    assert found.problems == ["les textes ne sont pas ceux de cet export."]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]\n", b"{}\n", b"[" * 100_000, b'{"format": "sons-journal-texts-v2", "head": {}}\n', b"\xff\n"],
)
def test_what_is_no_file_of_texts_is_malformed(data: bytes) -> None:
    with pytest.raises(verify_journal.MalformedError, match="fichier des textes"):
        verified(to_bytes(header_of([]), []), (), data)


@pytest.mark.parametrize(
    "line",
    [b"null", b"{", b"\xff", b"[" * 100_000, b'{"seq": true, "field": "a", "salt": null, "text": null}',
     b'{"seq": 1, "field": "a", "salt": "00", "text": "a"}',
     b'{"seq": 1, "field": [], "salt": 1, "text": {}}',
     b'{"seq": 99, "field": "a", "salt": null, "text": null}'],
)  # fmt: skip
def test_a_line_that_is_no_text_is_reported(line: bytes) -> None:
    draw = random.Random(SEED)
    chain, lines = with_texts(some_rows(2, draw), draw)
    found = verified(to_bytes(header_of(chain), chain), (), texts_to_bytes(chain, lines) + line + b"\n")
    assert found.problem_count == 1
    assert found.problems[0].startswith("textes, ligne ")


@pytest.mark.parametrize(
    "facts",
    [None, "", "[]", "{", "[" * 100_000, '{"erased": 1}', '{"erased": [[]]}', '{"a": {"said": 1}}'],
)
def test_facts_that_no_database_wrote_stop_nothing(facts: str | None) -> None:
    draw = random.Random(SEED)
    row = some_rows(1, draw)[0] | {"action": "journal.text_erased", "facts": facts}
    chain = chained([row])
    assert verified(to_bytes(header_of(chain), chain), (), texts_to_bytes(chain, [])).problems == []


@pytest.mark.scoreboard(17)
def test_a_whole_rewrite_is_found_against_a_published_head_only() -> None:
    rows = some_rows(50, random.Random(SEED))
    real = chained(rows)
    head = (30, real[29]["hash"])
    assert verified(to_bytes(header_of(real), real), [head]).problems == []
    rows[9]["facts"] = '{"total_ttc_cents": 1}'
    forged = chained(rows)
    data = to_bytes(header_of(forged), forged)
    assert verified(data).problems == [], "it is whole in itself"
    found = verified(data, [head])
    assert [p for p in found.problems if "réécrit" in p]
    assert found.heads_checked == 1
    # what precedes the first change is the same journal
    assert verified(data, [(9, real[8]["hash"])]).problems == []


def test_one_row_that_is_missing_is_one_place() -> None:
    chain = chained(some_rows(20, random.Random(SEED)))
    header = header_of(chain)
    heads = [(seq, chain[seq - 1]["hash"]) for seq in (5, 15)]
    del chain[9]
    found = verified(to_bytes(header, chain), heads).problems
    assert len(found) == 2
    assert "ligne 11 : l'écriture n° 11 ne suit pas la précédente" in found[0]
    assert "l'en-tête annonce 20 écritures" in found[1]


def test_places_follow_each_other_also_in_a_rewrite() -> None:
    """Sealed anew with a place left out, so that a published head falls where no row stands."""
    chain = chained(some_rows(3, random.Random(SEED)))
    last = chain[2]
    last["seq"] = 4
    last["hash"] = sealing.seal(4, bytes.fromhex(last["prev"]), last).hex()
    found = verified(to_bytes(header_of(chain), chain)).problems
    assert len(found) == 1
    assert "l'écriture n° 4 ne suit pas la précédente" in found[0]


def test_an_older_head_lies_on_the_newer_chain() -> None:
    chain = chained(some_rows(20, random.Random(SEED)))
    heads = [(seq, chain[seq - 1]["hash"]) for seq in (1, 7, 20)]
    assert verified(to_bytes(header_of(chain), chain), heads).heads_checked == 3
    shorter = chain[:12]
    found = verified(to_bytes(header_of(shorter), shorter), heads)
    assert len(found.problems) == 1
    assert "numéro 20 n'y est pas" in found.problems[0]


def test_heads_named_by_the_header_count_too() -> None:
    chain = chained(some_rows(5, random.Random(SEED)))
    header = header_of(chain)
    header["published"] = [{"seq": 3, "hash": chain[2]["hash"], "channel": "mail", "taken_at": "…"}]
    assert verified(to_bytes(header, chain)).heads_checked == 1
    header["published"][0]["hash"] = chain[3]["hash"]
    assert verified(to_bytes(header, chain)).problem_count == 1


def test_an_empty_journal_is_whole() -> None:
    assert verified(to_bytes(header_of([]), [])).problems == []


@pytest.mark.parametrize(
    "first",
    [b"", b"\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b"[" * 100_000, b'{"format": 1, "format": 2}\n',
     b'{"format": "sons-journal-v2", "fields": [], "head": {"seq": 0, "hash": ""}, "published": []}\n'],
)  # fmt: skip
def test_what_is_not_an_export_is_malformed(first: bytes) -> None:
    with pytest.raises(verify_journal.MalformedError):
        verified(first)


@pytest.mark.parametrize(
    "line",
    [b"", b"null", b"[]", b"{", b"\xff", b'{"seq": 1}', b"[" * 100_000, b'{"seq": ' + b"9" * 5000 + b"}"],
)
def test_a_line_that_is_no_row_is_reported(line: bytes) -> None:
    chain = chained(some_rows(2, random.Random(SEED)))
    data = to_bytes(header_of(chain), chain) + line + b"\n"
    assert verified(data).problem_count > 0


@pytest.mark.parametrize("value", [1, True, 1.5, [], {}, "\ud800"])
def test_a_field_of_another_type_is_reported(value: object) -> None:
    chain = chained(some_rows(2, random.Random(SEED)))
    line = json.dumps(chain[1] | {"object_id": value})
    data = to_bytes(header_of(chain), chain[:1]) + line.encode() + b"\n"
    assert "ligne 3" in verified(data).problems[0]


def test_the_same_value_spelt_otherwise_is_reported() -> None:
    """A journal has one spelling, so that two exports can be compared byte by byte."""
    for change in ({"seq": True}, {"seq": 1.0}, {"hash": str.upper}, {"hash": lambda text: " " + text}):
        chain = chained(some_rows(1, random.Random(SEED)))
        header = header_of(chain)
        for name, value in change.items():
            chain[0][name] = value(chain[0][name]) if callable(value) else value
        assert verified(to_bytes(header, chain)).problem_count > 0, change


@pytest.mark.parametrize("change", [{"format": "sons-journal-v2"}, {"fields": ["id"]}])
def test_another_format_is_malformed(change: Row) -> None:
    with pytest.raises(verify_journal.MalformedError, match="sons-journal-v1"):
        verified(to_bytes(header_of([]) | change, []))


def test_a_name_that_comes_twice_is_reported() -> None:
    chain = chained(some_rows(1, random.Random(SEED)))
    line = '{"role": "admin", ' + json.dumps(chain[0])[1:] + "\n"
    assert json.loads(line) == chain[0], "a careless reader sees nothing"
    assert verified(to_bytes(header_of(chain), []) + line.encode()).problem_count > 0


def test_a_line_made_to_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_journal, "LONGEST_LINE", 2000)
    chain = chained(some_rows(1, random.Random(SEED)))
    with pytest.raises(verify_journal.MalformedError, match="plus longue"):
        verified(to_bytes(header_of(chain), chain) + b" " * 5000)


def test_it_says_the_same_as_the_rules() -> None:
    assert (verify_journal.VERSION, verify_journal.FIELDS) == (sealing.VERSION, sealing.FIELDS)
    assert verify_journal.TEXTS_VERSION == sealing.TEXTS_VERSION
    for seq, row in enumerate(some_rows(200, random.Random(SEED)), 1):
        assert verify_journal.seal_of(seq, bytes([seq]) * 32, row) == sealing.seal(
            seq, bytes([seq]) * 32, row
        )


def test_no_two_rows_have_the_same_bytes() -> None:
    row = some_rows(1, random.Random(SEED))[0]
    seen = set()
    for kind, number in (("a", "b"), ("ab", ""), ("", "ab"), (None, "ab"), ("-", "b"), ("1:a,", "b")):
        seen.add(sealing.canonical(1, row | {"object_kind": kind, "object_id": number}))
    assert len(seen) == 6


def test_it_can_be_read_and_run_alone(tmp_path: Path) -> None:
    text = SCRIPT.read_text()
    assert len(text.splitlines()) < 350
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)

    def run(*arguments: Path | str) -> tuple[int, str, str]:
        command = [sys.executable, "-I", SCRIPT, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    chain = chained(some_rows(9, random.Random(SEED)))
    export, heads, nothing = tmp_path / "journal.jsonl", tmp_path / "heads.jsonl", tmp_path / "nothing"
    export.write_bytes(to_bytes(header_of(chain), chain))
    heads.write_text(json.dumps({"seq": 4, "hash": chain[3]["hash"], "taken_at": "…"}) + "\n\n")
    code, out, _ = run(export, "--head", heads, "--head", heads)
    assert (code, "Aucune anomalie." in out, "Têtes rapprochées : 1." in out) == (0, True, True)
    chain[6]["role"] = "payer"
    export.write_bytes(to_bytes(header_of(chain), chain))
    code, out, _ = run(export)
    assert (code, "ligne 8 : le sceau ne correspond pas au contenu" in out) == (1, True)
    for arguments in (
        (),
        (export, "--head"),
        (export, heads),
        (nothing,),
        (heads,),
        (export, "--head", export),
    ):
        code, _, err = run(*arguments)
        assert (code, bool(err)) == (2, True), arguments
