"""Bodies, query strings and headers from outside: every defect at once, in French, with its place."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sons_tracker.api import faults, strict
from sons_tracker.errors import SonsError
from tests.api.probe import VALID, Order

JSON = {"content-type": "application/json"}


def body(**changes: object) -> bytes:
    return json.dumps({**VALID, **changes}).encode()


# What stands in the body, the status, where the fault is, and words of its sentence.
HOSTILE: dict[str, tuple[bytes, int, str, str]] = {
    "empty": (b"", 400, "$", "vide"),
    "spaces": (b" \n\t ", 400, "$", "vide"),
    "truncated": (b'{"og": "01', 400, "$", "ligne 1, colonne"),
    "second line": (b'{"og": "010780054",\n oops}', 400, "$", "ligne 2, colonne 2"),
    "trailing": (body() + b"x", 400, "$", "JSON valide"),
    "nul byte": (b"\x00", 400, "$", "JSON valide"),
    "raw control": (b'{"note": "\x00"}', 400, "$", "JSON valide"),
    "escaped nul": (body(note="a\x00b"), 422, "$.note", "caractère de contrôle"),
    "newline at the end": (body(note="a\n"), 422, "$.note", "caractère de contrôle"),
    "bad utf-8": (b'{"note": "\xff"}', 400, "$", "octet 11"),
    "utf-16": ('{"note": "é"}'.encode("utf-16"), 400, "$", "UTF-8"),
    "byte order mark": (b"\xef\xbb\xbf{}", 400, "$", "BOM"),
    "surrogate": (b'{"note": "\\ud800"}', 400, "$", "demi-caractère"),
    "surrogate in a key": (b'{"\\ud800": 1}', 400, "$", "demi-caractère"),
    "depth of lists": (b"[" * 200_000, 400, "$", "imbriqué"),
    "depth of objects": (b'{"a":' * 200_000, 400, "$", "imbriqué"),
    "nan": (b'{"count": NaN}', 400, "$", "NaN"),
    "infinity": (b'{"count": -Infinity}', 400, "$", "Infinity"),
    "huge integer": (b'{"count": ' + b"9" * 100_000 + b"}", 422, "$.count", "2147483647"),
    "huge negative": (b'{"count": -' + b"9" * 100_000 + b"}", 422, "$.count", "égale à 0"),
    "beyond 31 bits": (body(count=2**31), 422, "$.count", "2147483647"),
    "overflow": (b'{"count": 1e400}', 422, "$.count", "nombre entier"),
    "integer as float": (body(count=1.0), 422, "$.count", "nombre entier"),
    "boolean as integer": (body(count=True), 422, "$.count", "nombre entier"),
    "text as boolean": (body(confirmed="oui"), 422, "$.confirmed", "true"),
    "duplicate": (b'{"og": "010780054", "og": "x"}', 400, "$.og", "plusieurs fois"),
    "duplicate below": (b'{"essms": [1, {"a": 1, "a": 2}]}', 400, "$.essms[1].a", "plusieurs fois"),
    "unknown": (body(esms=[]), 422, "$.esms", "s'agit-il de « essms »"),
    "unknown hostile": (body(**{"x\u202e'\"": 1}), 422, "$['x\\u202e'\"']", "inconnu"),
    "list": (b"[]", 422, "$", "objet"),
    "null": (b"null", 422, "$", "objet"),
    "missing": (b"{}", 422, "$.og", "obligatoire"),
    "wrong key of a finess": (body(og="010780055"), 422, "$.og", "clé de contrôle"),
    "finess in a line": (body(essms=[{"finess": "12"}]), 422, "$.essms[0].finess", "9 caractères"),
    "finess as number": (body(essms=[10780054]), 422, "$.essms[0]", "un texte ou un objet"),
    "unknown in a line": (body(essms=[{"finess": "010780054", "x": 1}]), 422, "$.essms[0].x", "inconnu"),
    "no essms": (body(essms=[]), 422, "$.essms", "au moins 1 élément ; elle en a 0"),
    "too many essms": (body(essms=["x"] * 501), 422, "$.essms", "au plus 500 éléments ; elle en a 501"),
    "impossible day": (body(signed_on="2022-02-30"), 422, "$.signed_on", "AAAA-MM-JJ"),
    "compact day": (body(signed_on="20220601"), 422, "$.signed_on", "AAAA-MM-JJ"),
    "instant as day": (body(signed_on="2022-06-01T00:00:00Z"), 422, "$.signed_on", "AAAA-MM-JJ"),
    "comma in amount": (body(essms=[{"finess": "010780054", "unit_ttc": "12,00"}]), 422,
                        "$.essms[0].unit_ttc", "deux décimales"),
    "arabic digits": (body(essms=[{"finess": "010780054", "unit_ttc": "١٢.٠٠"}]), 422,
                      "$.essms[0].unit_ttc", "deux décimales"),
    "long text": (body(note="x" * 201), 422, "$.note", "au plus 200 caractères"),
    "digest": (body(digest="A" * 64), 422, "$.digest", "64 caractères"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_body_is_a_4xx_that_says_where_and_why(plain: httpx.AsyncClient, name: str) -> None:
    content, status, where, words = HOSTILE[name]
    answer = await plain.post("/probe/orders", content=content, headers=JSON)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    told = {fault["path"]: fault["message"] for fault in problem["errors"]}
    assert words in told[where], told
    assert problem["detail"]
    assert problem["remedy"]


async def test_a_valid_body_is_read(plain: httpx.AsyncClient) -> None:
    answer = await plain.post("/probe/orders", content=body(), headers=JSON)
    assert (answer.status_code, answer.json()) == (201, {"essms": 2, "signed_on": "2022-06-01"})


async def test_every_fault_is_told_at_once(plain: httpx.AsyncClient) -> None:
    wrong = {
        "essms": ["010780055", {"finess": "010780054", "unit_ttc": 12}, 3],
        "signed_on": "hier",
        "note": "",
        "count": -1,
        "zzz": None,
    }
    answer = await plain.post("/probe/orders", content=json.dumps(wrong).encode(), headers=JSON)
    assert {fault["path"] for fault in answer.json()["errors"]} == {
        "$.og",
        "$.essms[0]",
        "$.essms[1].unit_ttc",
        "$.essms[2]",
        "$.signed_on",
        "$.note",
        "$.count",
        "$.zzz",
    }


async def test_faults_are_bounded(plain: httpx.AsyncClient) -> None:
    many = json.dumps({f"k{n}": n for n in range(50_000)}).encode()
    answer = await plain.post("/probe/orders", content=many, headers=JSON)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == faults.MAX_FAULTS


async def test_many_duplicates_are_found_in_linear_time(plain: httpx.AsyncClient) -> None:
    twice = b"{" + b",".join(b'"k%d":1' % (n % 40_000) for n in range(80_000)) + b"}"
    answer = await plain.post("/probe/orders", content=twice, headers=JSON)
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == faults.MAX_FAULTS


@pytest.mark.parametrize("size", [strict.MAX_BODY + 1, 3 * 1024 * 1024])
async def test_a_body_that_is_too_long_is_413(plain: httpx.AsyncClient, size: int) -> None:
    answer = await plain.post("/probe/orders", content=b" " * size, headers=JSON)
    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": ";;;="},
        {**JSON, "content-encoding": "gzip"},
    ],
)
async def test_another_content_type_is_415(plain: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await plain.post("/probe/orders", content=body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_json_with_its_charset_is_accepted(plain: httpx.AsyncClient) -> None:
    headers = {"content-type": 'Application/JSON; charset="UTF-8"'}
    assert (await plain.post("/probe/orders", content=body(), headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "?limit"),
        ("limit=101", "?limit"),
        ("limit=-1", "?limit"),
        ("limit=99999999999999999999", "?limit"),
        ("limit=1.5", "?limit"),
        ("limit=", "?limit"),
        ("expand=oui", "?expand"),
        ("on=2022-02-30", "?on"),
        ("on=", "?on"),
        ("on=2022-01-01%00", "?on"),
        ("autre=1", "?autre"),
        ("%00=1", "?['\\u0000']"),
        ("limit=5&limit=5", "?limit"),
    ],
)
async def test_a_wrong_query_is_422_with_its_parameter(
    plain: httpx.AsyncClient, query: str, where: str
) -> None:
    answer = await plain.get(f"/probe/questions?{query}")
    assert answer.status_code == 422
    assert [fault["path"] for fault in answer.json()["errors"]] == [where]


async def test_a_query_is_read_with_its_types(plain: httpx.AsyncClient) -> None:
    answer = await plain.get("/probe/questions?limit=7&expand=true&on=2022-06-01")
    assert answer.json() == {"limit": 7, "expand": True, "on": "2022-06-01"}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "idempotency_key_missing"),
        ({"idempotency-key": ""}, 422, "idempotency_key_invalid"),
        ({"idempotency-key": "a b"}, 422, "idempotency_key_invalid"),
        ({"idempotency-key": "x" * 256}, 422, "idempotency_key_invalid"),
        ({"idempotency-key": "x" * 255}, 201, None),
    ],
)
async def test_idempotency_key(
    plain: httpx.AsyncClient, headers: dict[str, str], status: int, code: str | None
) -> None:
    answer = await plain.post("/probe/keys", headers=headers)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_a_handler_that_reads_what_it_does_not_announce_is_a_defect(plain: httpx.AsyncClient) -> None:
    assert (await plain.post("/probe/liar", content=body(), headers=JSON)).status_code == 500


SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats(allow_nan=False) | st.text(max_size=9)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
ORDERS = st.fixed_dictionaries(
    {
        "og": st.sampled_from(["010780054", "010780055"]) | VALUES,
        "essms": st.lists(st.just("010780054") | VALUES, max_size=3) | VALUES,
        "signed_on": st.dates().map(str) | VALUES,
    },
    optional={
        "note": st.text(max_size=4) | VALUES,
        "count": st.integers(0, 9) | VALUES,
        "digest": st.from_regex("[0-9a-fg]{63,65}", fullmatch=True),
        "x": VALUES,
    },
)


def accepts(document: object) -> bool:
    try:
        strict.validate(document, Order)
    except SonsError:
        return False
    return True


@given(VALUES | ORDERS)
def test_what_is_published_is_what_is_enforced(document: object) -> None:
    """The schema that is published, with its formats, finds a fault exactly where the reader refuses."""
    found = faults.collect(document, Order)
    assert accepts(document) == (not found), found
