"""The FINESS+ JSON: both shapes, its traps, hostile files, and memory that does not follow the file."""

from __future__ import annotations

import gzip
import json
import re
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.registers import finess_json
from sons_tracker.registers.finess_json import date_in_name
from sons_tracker.registers.layout import Kind
from tests.databases import Database
from tests.factories import a_finess
from tests.factories_registers import FIXTURES, establishment_line, establishments_file, imported, importing

DAY = date(2026, 10, 2)
SAMPLE = FIXTURES / "finess-plus-ege-extrait-20261002.json"


def an_ege(number: str, **changes: Any) -> dict[str, Any]:
    """An establishment in the casing of the real files."""
    return {
        "informationsGeneralesEGE": {
            "numFinessEge": number,
            "siret": None,
            "nomEgeCourt": "EHPAD LES TILLEULS (FICTIF)",
            "nomEgeLong": None,
            "dateFermeture": None,
        },
        "adresse": [
            {
                "usageAdresse": "01",
                "cogCommune": "75056",
                "codePostal": "75000",
                "ligneAcheminement": "PARIS",
            },
            {
                "usageAdresse": "03",
                "cogCommune": "01451",
                "codePostal": "01440",
                "ligneAcheminement": "VIRIAT",
            },
        ],
        "categorieentiteGeographiqueExercice": "500",
        "etatObjet": "A",
    } | changes


def a_pmej(number: str, *establishments: dict[str, Any]) -> dict[str, Any]:
    return {
        "informationsGeneralesPmej": {
            "numFinessPm": number,
            "denominationPm": "ASSOCIATION LES TILLEULS (FICTIF)",
            "siren": "732829320",
            "statutJuridique": {"code": "60", "system": "…"},
            "dateCreation": "1970-01-01",
        },
        "adresse": [{"usageAdresse": {"code": "03"}, "cogCommune": "2A004"}],
        "ege": list(establishments),
    }


def json_file(folder: Path, content: Any, name: str = "finess-structures-journalier-20261002.json") -> Path:
    path = folder / name
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


async def fetch(sql: str, *arguments: object) -> list[dict[str, Any]]:
    async with transaction(LOCAL_ADMIN.context) as con:
        return [dict(row) for row in await con.fetch(sql, *arguments)]


async def test_the_real_sample(database: Database) -> None:
    report = await imported(SAMPLE, scope="extrait")
    assert (report.read, report.new, report.warned, report.format) == (2, 2, 0, "finess_plus_ege")
    assert report.extracted_on == DAY
    rows = await fetch("select * from establishment order by finess_geographique")
    assert [row["aggregate"] for row in rows] == ["4100", "4300"]
    assert [(row["departement"], row["commune"]) for row in rows] == [("85", "85213"), ("85", "85146")]
    assert rows[0]["name"] == "IME AREAMS PRINCIPAL RIVES DE L'YON"
    assert rows[0]["postal_line"] == "85310 RIVES DE L YON"
    # a bare array of establishments attaches them to nobody
    assert [row["finess_juridique"] for row in rows] == [None, None]


async def test_the_whole_structure_gives_establishments_or_legal_entities(
    database: Database, tmp_path: Path
) -> None:
    og, first, second = a_finess(), a_finess(), a_finess()
    content = {"pmej": [a_pmej(og, an_ege(first), an_ege(second))], "gco": {}, "gcc": {}}
    path = json_file(tmp_path, content, "finess-structures-journalier-20261002.json.gz")
    report = await imported(path)
    assert (report.register, report.new, report.stubs, report.format) == (
        Kind.ESTABLISHMENT,
        2,
        1,
        "finess_plus",
    )
    rows = await fetch("select * from establishment")
    assert {row["finess_juridique"] for row in rows} == {og}
    # the geographic address (03), not the first one
    assert {row["postal_line"] for row in rows} == {"01440 VIRIAT"}
    entities = await imported(path, kind=Kind.LEGAL_ENTITY)
    assert (entities.register, entities.new) == (Kind.LEGAL_ENTITY, 1)
    (entity,) = await fetch("select * from legal_entity")
    assert (
        entity["name"],
        entity["siren"],
        entity["legal_status"],
        entity["departement"],
        entity["stub"],
    ) == (
        "ASSOCIATION LES TILLEULS (FICTIF)",
        "732829320",
        "60",
        "2A",
        False,
    )


async def test_closed_ones_are_kept_and_are_not_in_service(database: Database, tmp_path: Path) -> None:
    numbers = [a_finess() for _ in range(4)]
    general = "informationsGeneralesEGE"
    closed = an_ege(numbers[1])
    closed[general] = closed[general] | {"dateFermeture": "2025-06-30 00:00:00"}
    rows = [
        an_ege(numbers[0]),
        closed,
        an_ege(numbers[2], etatObjet="F"),
        an_ege(numbers[3], etatObjet={"code": "A", "system": "…"}),
    ]
    await imported(json_file(tmp_path, rows))
    held = {row["finess_geographique"]: row for row in await fetch("select * from establishment")}
    assert [held[number]["in_service"] for number in numbers] == [True, False, False, True]
    assert held[numbers[1]]["closed_on"] == date(2025, 6, 30)


async def test_names_are_compared_without_their_casing(database: Database, tmp_path: Path) -> None:
    number = a_finess()
    text = json.dumps([an_ege(number)])
    schema_casing = text.replace("categorieentiteGeo", "categorieEntiteGeo").replace(
        "GeneralesEGE", "GeneralesEge"
    )
    await imported(json_file(tmp_path, schema_casing.encode()))
    assert (await fetch("select category from establishment"))[0]["category"] == "500"


@pytest.mark.parametrize(
    ("cog", "departement"),
    [("97123", "9A"), ("97701", "9A"), ("97606", "9F"), ("98613", "9J"), ("2B033", "2B"), ("59350", "59")],
)
async def test_the_department_is_written_as_in_the_csv(
    database: Database, tmp_path: Path, cog: str, departement: str
) -> None:
    number = a_finess()
    row = an_ege(number, adresse=[{"usageAdresse": "03", "cogCommune": cog}])
    await imported(json_file(tmp_path, [row]), scope="extrait")
    rows = await fetch("select departement from establishment where finess_geographique = $1", number)
    assert rows == [{"departement": departement}]


async def test_what_the_format_never_tells_keeps_what_the_register_held(
    database: Database, tmp_path: Path
) -> None:
    number, og = a_finess(), a_finess()
    line = establishment_line(number, og, dateouv="1988-05-02")
    await imported(establishments_file(tmp_path, date(2026, 5, 4), [line]))
    await imported(json_file(tmp_path, [an_ege(number)]), scope="extrait")
    rows = await fetch("select finess_juridique, opened_on from establishment where valid_to is null")
    assert rows == [{"finess_juridique": og, "opened_on": date(1988, 5, 2)}]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (an_ege("123"), "n'est pas un numéro FINESS"),
        (an_ege("010000024", categorieentiteGeographiqueExercice=500), "trois chiffres"),
        (an_ege("010000024", categorieentiteGeographiqueExercice=None), "trois chiffres"),
        (an_ege("010000024", informationsGeneralesEGE={"numFinessEge": "010000024"}), "sont vides"),
        (an_ege("010000024", informationsGeneralesEGE=None), "n'est pas un numéro FINESS"),
        (an_ege("010000024", informationsGeneralesEGE={"numFinessEge": 10000024}), "n'est pas un texte"),
        (
            an_ege(
                "010000024",
                informationsGeneralesEGE={
                    "numFinessEge": "010000024",
                    "nomEgeCourt": "X",
                    "dateFermeture": "30/06/2025",
                },
            ),
            "n'est pas une date",
        ),
        (
            an_ege(
                "010000024", informationsGeneralesEGE={"numFinessEge": "010000024", "nomEgeCourt": "a\0b"}
            ),
            "n'est pas un texte lisible",
        ),
        (None, "n'est pas un numéro FINESS"),
        (["x"], "n'est pas un numéro FINESS"),
    ],
)
async def test_a_bad_element_is_refused_with_its_rank(
    database: Database, tmp_path: Path, row: Any, said: str
) -> None:
    number = a_finess()
    report = await importing(json_file(tmp_path, [an_ege(number), row]), scope="extrait")
    assert [rank for rank, _ in report.refused] == [2]
    assert said in report.refused[0][1]
    assert not report.written
    assert not await fetch("select 1 from establishment where finess_geographique = $1", number)


@pytest.mark.parametrize(
    "content",
    [
        b"[{",
        b'[{"a": 1}, ',
        b'[{"a": nul}]',
        b'{"pmej": [{"a": "\xff"}]}',
        b'{"pmej": [{"ege": }]}',
        b"[" * 200_000,
        b"[" * 16_000,
        b'[{"a":' * 100_000,
        b'[{"a":' * 5_000,
        b'[{"a": 1}] x',
        '[{"a": "é"}]'.encode("utf-16"),
    ],
)
async def test_what_is_no_json_is_refused(database: Database, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SonsError) as caught:
        await importing(json_file(tmp_path, content))
    assert caught.value.code is ErrorCode.INVALID_FILE


@pytest.mark.parametrize(
    "content", [b"[]", b"{}", b'{"pmej": []}', b'{"autre": [1, 2]}', b'{"pmej": {"a": 1}}']
)
async def test_a_json_without_an_element_is_refused(
    database: Database, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(SonsError, match="aucun élément"):
        await importing(json_file(tmp_path, content))


async def test_a_truncated_gzip_is_refused(database: Database, tmp_path: Path) -> None:
    whole = gzip.compress(json.dumps([an_ege(a_finess()) for _ in range(500)]).encode())
    path = tmp_path / "finess-20261002.json.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SonsError, match="tronqué"):
        await importing(path)


async def test_an_element_out_of_all_proportion_is_refused_before_it_is_held(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finess_json, "MAX_ELEMENT", 1 << 20)
    path = json_file(tmp_path, b'[{"a": [' + b'"x",' * (16 << 20) + b'"x"]}]')
    tracemalloc.start()
    try:
        with pytest.raises(SonsError, match="16 Mio"):
            await importing(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


async def test_a_hundred_thousand_elements_do_not_stay_in_memory(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "finess-structures-journalier-20261002.json.gz"
    prefix = "31"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write('{"pmej": [')
        for entity in range(2_000):
            establishments = [an_ege(_number(prefix, entity * 50 + n)) for n in range(50)]
            file.write(("," if entity else "") + json.dumps(a_pmej(_number("33", entity), *establishments)))
        file.write('], "gco": {}, "gcc": {}}')
    before = _resident_kb()
    peak = before

    def watch(_done: int, _total: int) -> None:
        nonlocal peak
        peak = max(peak, _resident_kb())

    report = await imported(path, progress=watch)
    peak = max(peak, _resident_kb())
    assert report.new == 100_000
    assert (peak - before) / 1024 < 48
    assert (await fetch("select count(*) from establishment"))[0]["count"] == 100_000


def _number(prefix: str, serial: int) -> str:
    from tests.factories import with_key

    return with_key(f"{prefix}{serial:06d}")


def _resident_kb() -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found
    return int(found[1])


@pytest.mark.parametrize(
    ("name", "on"),
    [
        ("finess-structures-journalier-20261002.json.gz", DAY),
        ("esms_grant-2026-10-02.csv", DAY),
        ("liste-20269902-20261002.csv", DAY),
        ("cs1100502.csv", None),
        ("12345620261002789.csv", None),
    ],
)
def test_a_date_in_a_name(name: str, on: date | None) -> None:
    assert date_in_name(Path(name)) == on
