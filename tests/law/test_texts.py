"""What the law files of the package say, and how the law is shown, asked for and compared."""

from __future__ import annotations

import csv
import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law import calendar, compare, load, names, read_library, show
from sons_tracker.law.documents import parameters
from sons_tracker.rules.money_case import MOTIVES, PIECES
from sons_tracker.rules.parameters import Etat, Parameter, required
from sons_tracker.rules.texts import InvoiceRules
from sons_tracker.settings import resource
from tests.law.files import changed, law_files

LIBRARY = load()
LAW = LIBRARY.law
PARIS = ZoneInfo("Europe/Paris")
# a line of a source document, a reading of ours, a text that can be found, or the plain statement of none
REFERENCE = re.compile(r"(S[0-4]:\d+(-\d+)?|lecture C\d+|categories_etab_agregats_\d+\.csv|aucun texte .+)")
LENGTHS = {"S0": 1982, "S1": 852, "S2": 908, "S3": 866, "S4": 357}


def _parameters() -> list[tuple[str, Parameter[object]]]:
    found: list[Parameter[object]] = []
    for dispositif in LAW.dispositifs.values():
        found += [
            dispositif.bareme, dispositif.advance_percent, dispositif.categories, dispositif.publication,
            dispositif.ouverture, dispositif.fermeture, dispositif.cloture, dispositif.referencing_delay_days,
        ]  # fmt: skip
    for vague in LAW.vagues.values():
        found += [
            vague.extraction, vague.count_basis, vague.crossing_order, vague.crossing_grant,
            vague.cancellation_lock, vague.cancellation_pieces, vague.reminder_days,
            vague.answer_working_days, vague.reservation, vague.conflict,
            vague.alerts, vague.risk, vague.order_mention, vague.invoice,
        ]  # fmt: skip
    found += [
        *LAW.calls.values(), LAW.register.nomenclature, LAW.register.domaines,
        LAW.register.matching, LAW.grant_targets,
        LAW.crossing_grants, LAW.upgrade_years,
    ]  # fmt: skip
    return [(parameter.name, parameter) for parameter in found]


def test_every_value_carries_its_dates_its_confidence_its_state_and_its_source() -> None:
    versions = [
        (f"{key}.{name}", version)
        for key, document in LIBRARY.documents.items()
        for name, tables in parameters(document.data)
        for version in tables
    ]
    assert len(versions) > 35
    for name, version in versions:
        assert {"depuis", "publie_le", "confiance", "etat", "source"} <= set(version), name
        sources = [version["source"], *(cell["source"] for cell in version.get("cellules", ()))]
        for source in sources:
            for reference in source["reference"].split(", "):
                assert REFERENCE.fullmatch(reference), (name, reference)
                document, _, lines = reference.partition(":")
                if document in LENGTHS:
                    assert int(lines.rpartition("-")[2]) <= LENGTHS[document], (name, reference)


def test_every_value_of_the_files_reaches_the_law() -> None:
    """A value that the loader forgot to build would be checked, shown, and never applied."""
    built = {name for name, parameter in _parameters() if parameter.versions}
    built |= {f"{vague.code}.schema_demande" for vague in LAW.vagues.values() if vague.request_schemas}
    written = {
        f"{key}.{name}"
        for key, document in LIBRARY.documents.items()
        for name, _ in parameters(document.data)
    }
    assert built == written


def test_what_is_not_of_an_official_text_is_to_be_confirmed() -> None:
    for name, parameter in _parameters():
        for version in parameter.versions:
            if "lecture C" in version.source.reference or "aucun texte" in version.source.reference:
                assert version.a_confirmer, name
    for dispositif in ("MS2-V1", "MS3-V1"):
        for name, parameter in _parameters():
            if name.startswith(dispositif):
                assert all(v.a_confirmer for v in parameter.versions), name


def test_a_project_is_never_applied() -> None:
    """C3: the prolonged calendar is a project, whatever the day on which one asks."""
    for day in (date(2023, 12, 31), date(2024, 2, 28), date(2024, 12, 19), date(2099, 1, 1)):
        found = calendar(LIBRARY, "MS1-V1", day)
        assert found["fermeture"]["at"] == "2023-12-31T23:59:59+01:00"
        assert found["cloture"]["at"] == "2024-03-31T23:59:59+02:00"
        assert found["fermeture"]["confiance"] == "officiel"
    projects = [
        name for name, parameter in _parameters() for v in parameter.versions if v.etat is Etat.PROJET
    ]
    assert projects == ["MS1-V1.fermeture", "MS1-V1.cloture"]


def test_a_project_that_is_enacted_moves_the_calendar() -> None:
    contents = changed("ms1_v1.toml", 'etat = "projet"', 'etat = "en_vigueur"', count=2)
    after = read_library(contents)
    before = calendar(after, "MS1-V1", date(2023, 12, 30))
    assert before["fermeture"]["at"] == "2023-12-31T23:59:59+01:00"
    found = calendar(after, "MS1-V1", date(2023, 12, 31))
    assert found["fermeture"]["at"] == "2024-02-28T23:59:59+01:00"
    assert found["cloture"]["at"] == "2024-12-19T14:00:00+01:00"
    assert [(d.name, d.kind) for d in compare(LIBRARY, after)] == [
        ("MS1-V1.cloture", "modification"),
        ("MS1-V1.fermeture", "modification"),
    ]


def test_an_hour_is_the_last_instant_of_paris() -> None:
    contents = changed("ms1_v1.toml", "le = 2023-12-31", "le = 2023-12-31\nheure = 14:00:00")
    limit = required(read_library(contents).law.dispositifs["MS1-V1"].fermeture.versions[0])
    assert limit.at == datetime(2023, 12, 31, 14, 0, tzinfo=PARIS)


def test_the_lock_of_cancellations() -> None:
    lock = LAW.vagues["V1"].cancellation_lock
    assert lock.find(date(2024, 1, 1), date(2025, 4, 15)) is None
    version = lock.in_force(date(2024, 1, 1), date(2025, 4, 16))
    assert required(version) == datetime(2025, 4, 17, tzinfo=PARIS)
    assert version.publie_le == date(2025, 4, 16)


def test_what_the_vague_fixes_of_the_life_of_the_money() -> None:
    vague, day = LAW.vagues["V1"], date(2023, 6, 1)
    assert required(vague.reminder_days.in_force(day, day)) == (90, 30, 7)
    assert required(vague.answer_working_days.in_force(day, day)) == 10
    assert required(vague.invoice.in_force(day, day)) == InvoiceRules(vat_percent=20, share_percent=100)
    assert "au titre du Ségur de la santé" in required(vague.order_mention.in_force(day, day))
    pieces = required(vague.cancellation_pieces.in_force(day, day))
    assert set(pieces) == set(MOTIVES)
    assert {piece for needed in pieces.values() for piece in needed} == set(PIECES)
    assert [(s.kind, s.valid_from.isoformat(), s.file) for s in vague.request_schemas] == [
        ("advance", "2022-02-12T00:00:00+01:00", "requests/advance_2022.json"),
        ("solde", "2022-02-12T00:00:00+01:00", "requests/solde_2022.json"),
        ("solde", "2024-09-12T14:00:00+02:00", "requests/solde_2024.json"),
    ]


def test_the_schemas_of_the_requests_in_force_are_shown_together() -> None:
    shown = show(LIBRARY, "V1.schema_demande", date(2024, 9, 12), date(2024, 9, 12))["values"]
    assert [(one["demande"], one["fichier"]) for one in shown["schema_demande"]] == [
        ("advance", "requests/advance_2022.json"),
        ("solde", "requests/solde_2024.json"),
    ]


def test_the_nomenclature_gives_the_level_two_aggregate() -> None:
    nomenclature = required(LAW.register.nomenclature.in_force(date(2022, 1, 3), date(2022, 1, 3)))
    assert len(nomenclature) == 312
    assert {code: nomenclature[code].aggregate for code in ("500", "183", "354", "462", "177")} == {
        "500": "4400", "183": "4100", "354": "4600", "462": "4600", "177": "4500",
    }  # fmt: skip
    official = resource("fixtures") / "finess" / "categories_etab_agregats_20250526.csv"
    with official.open(encoding="utf-8", newline="") as file:
        rows = {row["code"]: row for row in csv.DictReader(file)}
    assert {c.code: (c.label, c.aggregate) for c in nomenclature.values()} == {
        code: (row["libelle"], row["codeagr2"]) for code, row in rows.items()
    }


def test_each_couloir_has_its_domaines_and_each_domaine_its_categories() -> None:
    assert LAW.couloir_of_domaine == {
        "PA": "MS1", "PH": "MS1", "DOM": "MS1", "PDE": "MS2", "PDS": "MS2", "AHI": "MS3", "PJM": "MS3",
    }  # fmt: skip
    table = required(LAW.register.domaines.in_force(date(2022, 1, 3), date(2022, 1, 3)))
    nomenclature = required(LAW.register.nomenclature.in_force(date(2022, 1, 3), date(2022, 1, 3)))
    assert {table.domaine(c.code, c.aggregate) for c in nomenclature.values()} - {None} == set(
        LAW.couloir_of_domaine
    )
    assert table.domaine("462", "4600") is None
    assert table.domaine("500", None) == "PA"
    assert table.domaine("???", None) is None
    assert table.domaine("295", "4600") == "PDE"


def test_the_targets_of_usage() -> None:
    targets = required(LAW.grant_targets.in_force(date(2022, 3, 1), date(2022, 3, 1)))
    assert targets == {
        "mssante": 70, "dmp": 70, "dossiers_actifs": 90, "projet_personnalise": 90, "evenement": 90,
    }  # fmt: skip


@pytest.mark.parametrize("name", names(LIBRARY))
def test_every_name_can_be_shown(name: str) -> None:
    day = date(2025, 6, 1)
    found = show(LIBRARY, name, day, day)
    assert found["name"] == name
    assert found["digest"] == LAW.digest
    assert found["values"]
    assert all(value is not None for value in found["values"].values()), "in force in June 2025"


def test_a_value_is_shown_as_the_file_writes_it() -> None:
    found = show(LIBRARY, "ms1_v1.bareme", date(2022, 6, 1), date(2022, 6, 1))
    table = found["values"]["bareme"]
    assert (found["on"], found["known_on"]) == ("2022-06-01", "2022-06-01")
    assert table["tranches"][4] == {"code": "E", "min": 20, "ttc": "1232.00"}
    assert table["source"]["reference"] == "S0:1575-1582"


def test_a_value_that_is_not_known_yet_is_shown_as_nothing() -> None:
    assert show(LIBRARY, "MS1-V1.bareme", date(2022, 2, 11), date(2022, 6, 1))["values"] == {"bareme": None}
    assert show(LIBRARY, "MS1-V1.bareme", date(2022, 6, 1), date(2022, 2, 11))["values"] == {"bareme": None}
    forecast = show(LIBRARY, "MS2-V1.ouverture", date(2022, 10, 1), date(2022, 9, 29))["values"]["ouverture"]
    assert forecast["dates"][0]["prevision"] is True


def test_the_calls_known_on_a_day_are_shown_together() -> None:
    calls = show(LIBRARY, "esms_numerique.appel", date(2023, 1, 1), date(2023, 1, 1))["values"]["appel"]
    assert [call["annee"] for call in calls] == [2021, 2022]


@pytest.mark.parametrize("name", ["MS9-V1", "MS1-V1.tarif", "", ".bareme", "x" * 500])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(SonsError, match="Noms connus : MS1-V1, ") as refused:
        show(LIBRARY, name, date(2022, 6, 1), date(2022, 6, 1))
    assert refused.value.code is ErrorCode.OUTSIDE_COVERAGE
    assert len(refused.value.detail) < 250


def test_the_calendar_names_its_sources_and_a_forecast() -> None:
    found = calendar(LIBRARY, "ms2_v1", date(2022, 6, 1))
    assert found["dispositif"] == "MS2-V1"
    assert found["ouverture"]["prevision"] is True
    assert found["ouverture"]["domaines"] == ["PDE", "PDS"]
    assert "S0:1641-1654" in found["ouverture"]["source"]
    after = calendar(LIBRARY, "MS2-V1", date(2022, 10, 1))["ouverture"]
    assert "prevision" not in after
    assert after["domaines"] == ["PDE"]
    unknown = calendar(LIBRARY, "MS3-V1", date(2022, 10, 1))["ouverture"]
    assert unknown["at"] is None
    assert "Aucun texte connu" in unknown["source"]


def test_two_laws_are_compared_version_by_version() -> None:
    assert compare(LIBRARY, LIBRARY) == []
    contents = changed("ms1_v1.toml", 'ttc = "4000.00"', 'ttc = "4100.00"')
    contents["ms2_v1.toml"] = law_files()["ms2_v1.toml"].replace(b"protection", b"Protection", 1)
    contents["ms3_v1.toml"] = law_files()["ms3_v1.toml"].replace(
        'libelle = "Médico-social 3, vague 1"'.encode(), 'libelle = "Médico-social 3"'.encode()
    )
    contents["esms_numerique.toml"] = law_files()["esms_numerique.toml"].replace(
        b"annee = 2025", b"annee = 2026"
    )
    found = compare(LIBRARY, read_library(contents))
    assert [(d.kind, d.name, d.key) for d in found] == [
        ("modification", "MS1-V1.bareme", "2022-02-12 / 2022-02-12"),
        ("modification", "MS3-V1", "en-tête"),
        ("suppression", "esms_numerique.appel", "2025 : 2025-04-16 / 2025-04-16"),
        ("ajout", "esms_numerique.appel", "2026 : 2025-04-16 / 2025-04-16"),
    ]
    assert found[0].before is not None
    assert found[0].after is not None
    assert found[0].before["tranches"][0]["ttc"] == "4000.00"
    assert found[0].after["tranches"][0]["ttc"] == "4100.00"
