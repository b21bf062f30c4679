"""The reader of a bank's file: what is written is read, the schema says the same, no byte makes it fail."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sons_tracker.exchanges.return_file import ReturnLine, content_sha256, read_return, schema
from sons_tracker.exchanges.tables import write_csv
from tests import factories_lots as bank

LOT = "LOT-2023-0007"
MANY = settings(deadline=None)
_REFERENCE = st.text(st.sampled_from("ABZ09-/"), min_size=1, max_size=35)


@st.composite
def answers(draw: st.DrawFn) -> list[ReturnLine]:
    """Lines of one lot, as a bank may answer them."""
    lines = []
    for rank in range(1, draw(st.integers(1, 6)) + 1):
        outcome = draw(st.sampled_from(["paid", "rejected", "returned"]))
        offset = timezone(timedelta(minutes=draw(st.integers(-840, 840))))
        at = datetime.fromtimestamp(draw(st.integers(946_800_000, 4_000_000_000)), offset)
        lines.append(
            ReturnLine(
                "",
                f"{LOT}-{rank:05d}",
                f"BC-2023-{draw(st.integers(0, 999_999)):06d}",
                f"{draw(_REFERENCE)[:30]}{rank:05d}",
                outcome,
                at,
                draw(st.integers(0, 99_999_999_999)),
                None if outcome == "paid" else draw(st.from_regex(r"\A[A-Z0-9]{4}\Z")),
            )
        )
    return lines


@MANY
@given(answers(), st.booleans())
def test_what_is_written_is_read(lines: list[ReturnLine], as_json: bool) -> None:
    content = (bank.json_of if as_json else bank.csv_of)(LOT, lines)
    read = read_return(content)
    assert read.faults == ()
    assert [replace(line, place="") for line in read.lines] == lines
    assert read.control is not None
    assert read.control.sha256 == content_sha256(LOT, tuple(reversed(lines)))
    if as_json:
        Draft202012Validator(schema()).validate(json.loads(content))


@MANY
@given(answers())
def test_formats_orders_and_offsets_do_not_change_what_a_file_says(lines: list[ReturnLine]) -> None:
    moved = [replace(line, executed_at=line.executed_at.astimezone(UTC)) for line in reversed(lines)]
    first, second = read_return(bank.csv_of(LOT, lines)), read_return(bank.json_of(LOT, moved))
    assert first.content_sha256 == second.content_sha256
    assert first.file_sha256 != second.file_sha256


@MANY
@given(answers(), st.data())
def test_one_changed_byte_is_seen(lines: list[ReturnLine], data: st.DataObject) -> None:
    content = bytearray(bank.csv_of(LOT, lines))
    place = data.draw(st.integers(0, len(content) - 2))  # the last line feed may be missing
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    content[place] = new
    read = read_return(bytes(content))
    same = read.control is not None and content_sha256(LOT, read.lines) == content_sha256(LOT, tuple(lines))
    assert read.faults or same, "altered, and believed"


@MANY
@given(answers(), st.data())
def test_a_cut_file_is_seen(lines: list[ReturnLine], data: st.DataObject) -> None:
    content = (bank.json_of if data.draw(st.booleans()) else bank.csv_of)(LOT, lines)
    cut = content[: data.draw(st.integers(0, len(content) - 2))]
    assert read_return(cut).faults


@MANY
@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail(content: bytes) -> None:
    assert read_return(content).faults


@MANY
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["format", "lot", "count", "total_ttc", "sha256", "lines"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_makes_the_reader_fail(plain: object) -> None:
    assert read_return(json.dumps(plain).encode()).faults


HOSTILE = {
    "deep": b"[" * 100_000,
    "deep lines": b'{"lines": ' + b"[" * 100_000,
    "a huge number": b'{"count": ' + b"9" * 10_000 + b', "lines": [{}]}',
    "infinity": b'{"count": Infinity, "lines": [{}]}',
    "a lone half of a pair": b'{"lot": "\\ud800", "lines": [{"end_to_end": "\\ud800"}]}',
    "many columns": b";" * 100_000 + b"\n" + b";" * 100_000 + b"\nx",
    "nul": b"\x00" * 1000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name: str) -> None:
    read = read_return(HOSTILE[name])
    assert read.faults
    "".join(fault.message for fault in read.faults).encode()


def test_the_reader_and_the_schema_refuse_the_same_lines() -> None:
    good = bank.row_of(next(iter(_examples())))
    validator = Draft202012Validator(schema()["$defs"]["line"])
    wrong = {
        "end_to_end": ["", "a", "A" * 36, "A\n"],
        "order": ["", "BC-23-1", "BC-2023-000001\n"],
        "bank_reference": ["", "A;B", "é", "A" * 36, "A B"],
        "outcome": ["", "PAID", "paid\n"],
        "executed_at": ["", "2023-03-02", "2023-03-02T10:00:00", "2023-03-02T10:00:00.5Z"],
        "amount_ttc": ["", "1", "1.0", "1.000", "-1.00", "1,00", "1.00\n", "9999999999.00", "١.00"],
        "reason_code": ["AC4", "ac04", "AC045", "AC0\n"],
    }
    assert validator.is_valid(good)
    for field, values in wrong.items():
        for value in values:
            row = {**good, field: value}
            assert not validator.is_valid(row), (field, value)
            control = bank.control_of(LOT, _examples())
            read = read_return(json.dumps({**control, "lines": [row]}).encode())
            assert any(field in fault.message for fault in read.faults), (field, value)


def _examples() -> list[ReturnLine]:
    at = datetime(2023, 3, 2, 10, tzinfo=UTC)
    return [ReturnLine("", f"{LOT}-00001", "BC-2023-000001", "BQ-1", "paid", at, 175_200, None)]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert write_csv([["plain", text]]).decode().startswith("plain;")
    assert f"'{text}".encode() in write_csv([["plain", text]])
    assert write_csv([["-1.00"]]) == b"-1.00\r\n"
    assert write_csv([["a;b", 'c"d']]) == b'"a;b";"c""d"\r\n'
