"""The schemas of requests: they say what is wanted in French, and nothing that is sent breaks them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law import compare, load, read_library
from sons_tracker.law.requests import parse_schema, request_schema, validate_content
from sons_tracker.rules.texts import RequestSchema
from tests.law.files import changed, faults_of, law_files

LAW = load().law
SCHEMAS = LAW.vagues["V1"].request_schemas
PARIS = ZoneInfo("Europe/Paris")
AT = datetime(2024, 10, 1, 10, 0, tzinfo=PARIS)
SOLDE = request_schema(LAW, "MS1-V1", "solde", AT)
GOOD: dict[str, Any] = SOLDE.document["examples"][0]
MISSING = object()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.file)
def test_a_schema_accepts_its_own_examples(schema: RequestSchema) -> None:
    assert schema.document["examples"]
    for example in schema.document["examples"]:
        assert validate_content(schema, example) == ()


def _objects(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from _objects(inner)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.file)
def test_a_schema_is_closed_and_explains_each_field(schema: RequestSchema) -> None:
    objects = list(_objects(schema.document))
    assert objects
    for one in objects:
        assert one["additionalProperties"] is False
        assert one["description"].endswith(".")
        for name, field in one["properties"].items():
            target = schema.document["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
            assert target["description"].endswith("."), name


def _with(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        (("invoice",), MISSING, "$.invoice", "Ce champ est obligatoire."),
        (("invoice",), [], "$.invoice", "La valeur attendue est un objet."),
        (("invoice", "extra\n"), 1, "$.invoice", "Le champ « extra\\u000a » est inconnu."),
        (("invoice", "number"), "", "$.invoice.number", "Le texte doit compter au moins 1 caractère."),
        (("invoice", "number"), "x" * 101, "$.invoice.number", "Le texte doit compter au plus 100"),
        (("invoice", "number"), "F\n1", "$.invoice.number", "ni retour à la ligne ni caractère de contrôle"),
        (("invoice", "number"), "F1\n", "$.invoice.number", "ni retour à la ligne ni caractère de contrôle"),
        (("invoice", "number"), "F\0", "$.invoice.number", "ni retour à la ligne ni caractère de contrôle"),
        (("invoice", "issued_on"), "2023-02-30", "$.invoice.issued_on", "La date doit exister"),
        (("invoice", "issued_on"), "20230201", "$.invoice.issued_on", "La date doit exister"),
        (("invoice", "og"), "990000014", "$.invoice.og", "La clé de contrôle"),
        (("invoice", "og"), "12", "$.invoice.og", "compte 9 caractères, celui-ci en compte 2"),
        (("invoice", "share_percent"), 100.0, "$.invoice.share_percent", "est un nombre entier"),
        (("invoice", "share_percent"), True, "$.invoice.share_percent", "est un nombre entier"),
        (("invoice", "share_percent"), 101, "$.invoice.share_percent", "inférieure ou égale à 100"),
        (("invoice", "vat_rate_percent"), -1, "$.invoice.vat_rate_percent", "supérieure ou égale à 0"),
        (("invoice", "vat_rate_percent"), "20", "$.invoice.vat_rate_percent", "un nombre entier ou « null »"),
        (("invoice", "document_sha256"), "AB", "$.invoice.document_sha256", "64 caractères de 0 à 9"),
        (("invoice", "lines"), [], "$.invoice.lines", "La liste doit compter au moins 1 élément."),
        (("invoice", "lines", 0, "ttc"), "1232", "$.invoice.lines[0].ttc", "un point et deux décimales"),
        (("invoice", "lines", 0, "ttc"), "-1.00", "$.invoice.lines[0].ttc", "un point et deux décimales"),
        (("invoice", "lines", 0, "ttc"), "1232.00\n", "$.invoice.lines[0].ttc", "un point et deux décimales"),
        (("invoice", "total", "ht"), 1026.67, "$.invoice.total.ht", "La valeur attendue est un texte."),
        (("deploiement_mss",), "cas 1", "$.deploiement_mss", "La valeur doit être « cas_1 » ou « cas_2 »."),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_french_with_its_path(
    path: tuple[str | int, ...], value: object, where: str, says: str
) -> None:
    [fault] = validate_content(SOLDE, _with(path, value))
    assert fault.where == where
    assert says in fault.message


def test_all_the_faults_are_told_at_once_up_to_a_hundred() -> None:
    assert len(validate_content(SOLDE, {"note": 1, "other": 2})) == 4
    line = {**GOOD["invoice"]["lines"][0], "ht": "x"}
    assert len(validate_content(SOLDE, _with(("invoice", "lines"), [line] * 500))) == 100


def test_a_list_that_is_too_long_is_one_fault() -> None:
    [fault] = validate_content(SOLDE, _with(("invoice", "lines"), GOOD["invoice"]["lines"] * 2001))
    assert fault.message == "La liste doit compter au plus 2\u202f000 éléments."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.sampled_from(SCHEMAS))
def test_any_json_is_accepted_or_refused_never_a_crash(content: object, schema: RequestSchema) -> None:
    faults = validate_content(schema, content)
    assert faults, "no arbitrary value is a request"
    assert all(fault.where.startswith("$") and fault.message.endswith(".") for fault in faults)


def test_a_schema_that_is_a_project_or_not_yet_known_is_not_applied() -> None:
    late = "depuis = 2024-09-12\nheure = 14:00:00\npublie_le = 2024-09-12"
    after = datetime(2024, 9, 12, 14, 0, tzinfo=PARIS)
    project = changed(
        "vague_1.toml",
        late + '\nconfiance = "a_confirmer"\netat = "en_vigueur"',
        late + '\nconfiance = "a_confirmer"\netat = "projet"',
    )
    unknown = changed("vague_1.toml", late, late.replace("publie_le = 2024-09-12", "publie_le = 2024-09-13"))
    unknown["vague_1.toml"] = unknown["vague_1.toml"].replace(
        b"publie_le = 2024-09-13\n", b"publie_le = 2024-09-13\nretroactif = true\n"
    )
    assert request_schema(LAW, "MS1-V1", "solde", after).file == "requests/solde_2024.json"
    for contents in (project, unknown):
        law = read_library(contents).law
        assert request_schema(law, "MS1-V1", "solde", after).file == "requests/solde_2022.json"
    next_day = datetime(2024, 9, 13, tzinfo=PARIS)
    assert request_schema(read_library(unknown).law, "MS1-V1", "solde", next_day).file.endswith("2024.json")


def test_a_request_of_an_unknown_kind_has_no_schema() -> None:
    with pytest.raises(SonsError) as refused:
        request_schema(LAW, "MS1-V1", "enrolment", AT)
    assert refused.value.code is ErrorCode.OUTSIDE_COVERAGE


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "Ce fichier n'est pas un schéma JSON"),
        (b"[]", "un objet est attendu"),
        (b"\xff", "Ce fichier n'est pas un schéma JSON"),
        (b'{"type": "objet"}', "Ce fichier n'est pas un schéma JSON : 'objet'"),
        (b"[" * 100_000, "Ce fichier n'est pas un schéma JSON"),
    ],
)
def test_a_schema_that_is_none_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(SonsError) as refused:
        parse_schema("requests/x.json", content)
    assert refused.value.code is ErrorCode.INVALID_LAW
    assert says in refused.value.faults[0].message
    faults = faults_of({**law_files(), "requests/x.json": content})
    assert [fault.where for fault in faults] == ["requests/x.json"]


def test_a_schema_that_the_law_names_must_be_there() -> None:
    contents = law_files()
    del contents["requests/solde_2024.json"]
    [fault] = faults_of(contents)
    assert fault.where.startswith("vague_1.toml, ligne ")
    assert fault.where.endswith("schema_demande[2]")
    assert fault.message == "Le fichier « requests/solde_2024.json » manque."


def test_a_schema_is_part_of_the_law() -> None:
    contents = law_files()
    document = json.loads(contents["requests/advance_2022.json"])
    document["title"] = "Avance"
    contents["requests/advance_2022.json"] = json.dumps(document).encode()
    after = read_library(contents)
    assert after.law.digest != LAW.digest
    assert [(d.kind, d.name, d.key) for d in compare(load(), after)] == [
        ("modification", "requests/advance_2022.json", "contenu")
    ]
