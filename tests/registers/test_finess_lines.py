"""What a line of the FINESS teaches, and why a line is refused: through the whole import, as it is used."""

from __future__ import annotations

import csv
import gzip
from datetime import date
from pathlib import Path

import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.registers.finess_csv import ENTITIES, ESTABLISHMENTS
from sons_tracker.registers.layout import Kind
from sons_tracker.rules.identifiers import luhn_ok
from tests.databases import Database
from tests.factories import a_finess
from tests.factories_registers import (
    FIXTURES,
    entity_line,
    establishment_line,
    establishments_file,
    finess_text,
    imported,
    importing,
)

pytestmark = pytest.mark.usefixtures("module_database")

DAY = date(2024, 1, 8)
REAL = FIXTURES / "etalab-cs1100502-extrait-20260512.csv"
DUMP = FIXTURES / "emjpm_etablissements_devdb.csv"


async def establishment(number: str) -> dict[str, object]:
    async with transaction(LOCAL_ADMIN.context) as con:
        row = await con.fetchrow("select * from establishment where finess_geographique = $1", number)
    assert row is not None
    return dict(row)


async def test_the_real_rows_are_read_as_they_are(module_database: Database) -> None:
    report = await imported(REAL, scope="extrait")
    assert (report.read, report.new, report.warned, report.encoding) == (14, 14, 0, "utf-8")
    assert report.extracted_on == date(2026, 5, 12)
    assert report.format == "cs1100502"
    # 13 legal entities for 14 rows: the hospital of Cayenne holds two; none is in a cs1100501 yet
    assert report.stubs == 13


async def test_what_the_real_rows_teach(module_database: Database) -> None:
    await imported(REAL, scope="extrait")
    # the column says level 3 (4401); the rules speak of level 2
    assert (await establishment("970302287"))["aggregate"] == "4400"
    # Mayotte and Wallis: the number says 9805, 9806, the column 9F, 9J, the commune's code 976, 986
    mayotte, wallis = await establishment("980501506"), await establishment("980600027")
    assert (mayotte["departement"], mayotte["commune"]) == ("9F", "97606")
    assert (wallis["departement"], wallis["commune"]) == ("9J", "98613")
    # quotes are doubled in the file and single in the name; double spaces are part of a name
    assert mayotte["name"] == 'LIEU DE VIE "MAVOUNA MEMA 1"'
    assert (await establishment("970210126"))["name"] == "CMPP  INTERSECTORIEL ALOES"
    # the OG of a Martinique service is registered in the Nord: never derive one number from the other
    assert (await establishment("970216057"))["finess_juridique"] == "590799730"
    # an empty long name and an empty SIRET are unknown, not empty text
    assert (await establishment("980502199"))["long_name"] is None
    assert (await establishment("980502199"))["siret"] is None


def test_every_real_number_has_its_key() -> None:
    with DUMP.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = [number for row in rows for number in (row["nofinesset"], row["nofinessej"])]
    assert len(numbers) == 34
    assert all(map(luhn_ok, numbers))
    assert {row["nofinesset"][:2] != row["nofinessej"][:2] for row in rows} == {True, False}


async def test_a_wrong_key_in_the_official_file_is_a_warning(tmp_path: Path) -> None:
    good = a_finess()
    wrong = good[:-1] + str((int(good[-1]) + 1) % 10)
    corsica = "2A0001234" if not luhn_ok("2A0001234") else "2A0001235"
    lines = [establishment_line(wrong, corsica), establishment_line(good, a_finess())]
    report = await imported(establishments_file(tmp_path, DAY, lines), scope="extrait")
    assert report.warned == 2
    assert report.warnings == {
        "numéro FINESS dont la clé de contrôle est fausse": 1,
        "numéro FINESS de rattachement dont la clé de contrôle est fausse": 1,
    }


@pytest.mark.parametrize(
    ("number", "entity"), [("2A0000014", "2B0000020"), ("970100400", "590799730"), ("010000024", "010780054")]
)
async def test_the_key_of_the_database_agrees_with_that_of_the_rules(
    tmp_path: Path, number: str, entity: str
) -> None:
    line = establishment_line(number, entity)
    report = await importing(establishments_file(tmp_path, DAY, [line]), scope="extrait", dry_run=True)
    assert report.warned == (not luhn_ok(number)) + (not luhn_ok(entity))


async def test_corsican_numbers_are_well_formed(tmp_path: Path) -> None:
    numbers = [f"2{letter}{n:06d}" for letter in "AB" for n in range(0, 900_000, 90_001)]
    valid = [next(f"{stem}{key}" for key in range(10) if luhn_ok(f"{stem}{key}")) for stem in numbers]
    lines = [establishment_line(number, valid[0]) for number in valid]
    report = await imported(establishments_file(tmp_path, DAY, lines), scope="extrait")
    assert (report.read, report.warned) == (len(valid), 0)


async def test_unknown_dates_and_mangled_identities_are_left_empty(tmp_path: Path) -> None:
    first, second, third = a_finess(), a_finess(), a_finess()
    lines = [
        establishment_line(first, dateouv="1900-01-01", siret="2,601E+13"),
        establishment_line(second, dateouv="1901-01-01", siret="26010004500012"),
        establishment_line(third, dateouv=""),
    ]
    report = await imported(establishments_file(tmp_path, DAY, lines), scope="extrait")
    assert report.warnings == {"SIRET ou SIREN illisible, laissé vide": 1}
    assert (await establishment(first))["opened_on"] is None
    assert (await establishment(first))["siret"] is None
    assert (await establishment(second))["opened_on"] is None
    assert (await establishment(second))["siret"] == "26010004500012"
    assert (await establishment(third))["opened_on"] is None


async def test_a_category_out_of_the_nomenclature_is_a_warning_and_keeps_the_level_of_the_file(
    tmp_path: Path,
) -> None:
    number = a_finess()
    line = establishment_line(number, categetab="999", categagretab="4401")
    report = await imported(establishments_file(tmp_path, DAY, [line]), scope="extrait")
    assert report.warnings == {"catégorie absente de la nomenclature": 1}
    assert (await establishment(number))["aggregate"] == "4400"


async def test_the_long_name_stands_in_for_a_missing_name(tmp_path: Path) -> None:
    number = a_finess()
    line = establishment_line(number, rs="", rslongue="NOM LONG (FICTIF)")
    await imported(establishments_file(tmp_path, DAY, [line]), scope="extrait")
    assert (await establishment(number))["name"] == "NOM LONG (FICTIF)"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (establishment_line("01000002"), "n'est pas un numéro FINESS"),
        (establishment_line("2C0000024"), "n'est pas un numéro FINESS"),
        (establishment_line("01000002٣"), "n'est pas un numéro FINESS"),
        (establishment_line(" 10000024"), "n'est pas un numéro FINESS"),
        (establishment_line("1_0000024"), "n'est pas un numéro FINESS"),
        (establishment_line(""), "n'est pas un numéro FINESS"),
        (establishment_line("010000024", "12"), "Champ 3 (nofinessej)"),
        (establishment_line("010000024", rs=""), "Le nom"),
        (establishment_line("010000024", categetab="50"), "trois chiffres"),
        (establishment_line("010000024", categetab="EHP"), "trois chiffres"),
        (establishment_line("010000024", dateouv="31/12/1999"), "n'est pas une date"),
        (establishment_line("010000024", dateouv="2023-02-29"), "n'est pas une date"),
        (establishment_line("010000024", dateouv="today"), "n'est pas une date"),
        (establishment_line("010000024", dateouv="20230228"), "n'est pas une date"),
        (establishment_line("010000024", dateouv="1999-Jan-8"), "n'est pas une date"),
        (establishment_line("010000024", structureet="structureex"), "début de ligne"),
        (establishment_line("010000024").replace(";500;", ";"), "32 champs sont attendus, 31"),
        ("structureet" + ";" * 9_999 + "\n", "32 champs sont attendus, 10000"),
        ("\n", "32 champs sont attendus, 0"),
        ("\\.\n", "32 champs sont attendus, 1"),
        (establishment_line("010000024", rs="X").replace(";X;", ';"X;'), "guillemet"),
        (establishment_line("010000024", rs="X").replace(";X;", ';X"Y;'), "32 champs|guillemet"),
        # PostgreSQL alone would read XYZ here
        (establishment_line("010000024", rs="X").replace(";X;", ';X"Y"Z;'), "guillemet"),
        ("geolocalisation;010000024;1;2\n", "6 champs sont attendus, 4"),
    ],
)
async def test_a_bad_line_is_refused_with_its_number_and_reason(tmp_path: Path, line: str, said: str) -> None:
    number = a_finess()
    path = establishments_file(
        tmp_path, DAY, [establishment_line(number), line, establishment_line(a_finess())]
    )
    report = await importing(path, scope="extrait")
    assert not report.written
    assert report.refused_count == 1
    assert report.refused[0][0] == 3
    assert any(part in report.refused[0][1] for part in said.split("|")), report.refused
    async with transaction(LOCAL_ADMIN.context) as con:
        assert not await con.fetchval(
            "select count(*) from establishment where finess_geographique = $1", number
        )


async def test_every_bad_line_is_told_up_to_the_bound_then_counted(tmp_path: Path) -> None:
    lines = [establishment_line("0100"), establishment_line(a_finess())] * 1_200
    report = await importing(establishments_file(tmp_path, DAY, lines), scope="stock")
    assert report.refused_count == 1_200
    assert len(report.refused) == 1_000
    assert [line for line, _ in report.refused[:3]] == [2, 4, 6]


async def test_a_repeated_number_is_refused_with_both_lines(tmp_path: Path) -> None:
    number = a_finess()
    lines = [
        establishment_line(number),
        establishment_line(a_finess()),
        establishment_line(number, rs="AUTRE"),
    ]
    report = await importing(establishments_file(tmp_path, DAY, lines), scope="stock")
    assert report.refused == [(4, f"« {number} » figure déjà à la ligne 2.")]
    assert not report.written


async def test_geolocation_rows_are_read_and_left_aside(tmp_path: Path) -> None:
    lines = [establishment_line(a_finess()) for _ in range(3)]
    places = ["geolocalisation;010000024;1.5;2.5;1,ATLASANTE;2024-01-02\n"] * 3
    report = await imported(establishments_file(tmp_path, DAY, lines + places), scope="extrait")
    assert (report.read, report.format) == (3, "cs1100507")


async def test_an_establishment_line_after_the_geolocation_is_refused(tmp_path: Path) -> None:
    place = "geolocalisation;010000024;1.5;2.5;1,ATLASANTE;2024-01-02\n"
    lines = [establishment_line(a_finess()), place, establishment_line(a_finess()), "structureet;1\n", place]
    report = await importing(establishments_file(tmp_path, DAY, lines), scope="extrait")
    assert [line for line, _ in report.refused] == [4, 5]
    assert "suit la géolocalisation" in report.refused[0][1]


async def test_cp1252_crlf_and_gzip_give_the_same_rows_and_the_report_says_which(tmp_path: Path) -> None:
    number = a_finess()
    text = finess_text(DAY, [establishment_line(number, rs="RÉSIDENCE L’ŒUVRE (FICTIF)")])
    plain = tmp_path / "et.csv"
    plain.write_bytes(text.replace("\n", "\r\n").encode("cp1252"))
    assert (await imported(plain, scope="extrait")).encoding == "cp1252"
    assert (await establishment(number))["name"] == "RÉSIDENCE L’ŒUVRE (FICTIF)"
    packed = tmp_path / "et.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.encode()))
    again = await imported(packed, scope="extrait")
    assert (again.unchanged, again.changed, again.encoding) == (1, 0, "utf-8")


async def test_legal_entities_are_read_in_their_own_order(tmp_path: Path) -> None:
    number = a_finess()
    path = tmp_path / "ej.csv"
    line = entity_line(
        number, siren="732829320", statutjuridique="60", departement="01", datecrea="1901-01-01"
    )
    path.write_text(finess_text(DAY, [line]), encoding="utf-8")
    report = await imported(path, scope="extrait")
    assert (report.register, report.format) == (Kind.LEGAL_ENTITY, "cs1100501")
    async with transaction(LOCAL_ADMIN.context) as con:
        row = await con.fetchrow("select * from legal_entity where finess_juridique = $1", number)
    assert row["siren"] == "732829320"
    assert (row["legal_status"], row["departement"], row["created_on"], row["stub"]) == (
        "60",
        "01",
        None,
        False,
    )


@pytest.mark.parametrize(
    "first", ["", "finess;etalab;3", "finess;ailleurs;3;2024-01-08", "finess;etalab;3;08/01/2024", "id;nom"]
)
async def test_a_file_without_its_first_line_is_refused(tmp_path: Path, first: str) -> None:
    path = tmp_path / "et.csv"
    path.write_text(first + "\n" + establishment_line(a_finess()), encoding="utf-8")
    with pytest.raises(SonsError) as caught:
        await importing(path)
    assert caught.value.code is ErrorCode.INVALID_FILE
    assert "ligne 1" in caught.value.detail


@pytest.mark.parametrize("content", ["finess;etalab;0;2024-01-08\n", "finess;etalab;0;2024-01-08\nautre;1\n"])
async def test_a_file_of_nothing_or_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "et.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SonsError, match="structureet"):
        await importing(path)


def test_the_layouts_have_the_numbers_of_fields_of_the_files() -> None:
    assert (len(ESTABLISHMENTS.fields), len(ENTITIES.fields)) == (32, 23)
    assert ESTABLISHMENTS.fields.index("categagretab") == 20
    assert ENTITIES.fields.index("siren") == 20
