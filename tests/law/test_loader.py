"""A law file that is wrong is refused, with the file, the line of the table and the path of the value."""

# ruff: noqa: E501 - one defect a line: the tables read like tables

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.law import load, read_library
from sons_tracker.law.documents import parse_document
from sons_tracker.law.library import read_folder
from tests.law.files import changed, faults_of, law_files

BAREME = "[[bareme]]\ndepuis = 2022-02-12"
FERMETURE = "[[fermeture]]\ndepuis = 2022-02-12"
JOURS = "jours = 120"


def line_of(name: str, header: str, nth: int = 1) -> int:
    lines = law_files()[name].decode().splitlines()
    return [number for number, line in enumerate(lines, start=1) if line == header][nth - 1]


@pytest.mark.parametrize(
    ("name", "old", "new", "header", "path", "says"),
    [
        ("ms1_v1.toml", 'code = "A", min', 'code = "A", mini', "bareme", "bareme[0].tranches[0]", "La clé « mini » est inconnue."),
        ("ms1_v1.toml", JOURS, JOURS + "\nmois = 4", "delai_referencement", "delai_referencement[0]", "La clé « mois » est inconnue."),
        ("ms1_v1.toml", JOURS, "", "delai_referencement", "delai_referencement[0]", "La clé « jours » manque."),
        ("ms1_v1.toml", JOURS, "jours = 0", "delai_referencement", "delai_referencement[0].jours", "0 ne respecte pas"),
        ("ms1_v1.toml", JOURS, 'jours = "120"', "delai_referencement", "delai_referencement[0].jours", "n'est pas un nombre entier"),
        ("ms1_v1.toml", JOURS, "jours = 120.0", "delai_referencement", "delai_referencement[0].jours", "120.0 n'est pas un nombre entier"),
        ("ms1_v1.toml", JOURS, "jours = true", "delai_referencement", "delai_referencement[0].jours", "n'est pas un nombre entier"),
        ("ms1_v1.toml", BAREME, '[[bareme]]\ndepuis = "2022-02-30"', "bareme", "bareme[0].depuis", "n'est pas une date valide"),
        ("ms1_v1.toml", BAREME, '[[bareme]]\ndepuis = "20220212"', "bareme", "bareme[0].depuis", "n'est pas une date valide"),
        ("ms1_v1.toml", BAREME, "[[bareme]]\ndepuis = 2022-02-12T00:00:00Z", "bareme", "bareme[0].depuis", "n'est pas une date valide"),
        ("ms1_v1.toml", BAREME, "[[bareme]]\ndepuis = 2022", "bareme", "bareme[0].depuis", "n'est pas un texte"),
        ("ms1_v1.toml", "heure = 14:00:00", "heure = 14:00:00.5", "cloture", "cloture[1].heure", "n'a pas la forme attendue"),
        ("ms1_v1.toml", 'ttc = "4000.00"', 'ttc = "4000"', "bareme", "bareme[0].tranches[0].ttc", "n'a pas la forme attendue"),
        ("ms1_v1.toml", 'ttc = "4000.00"', "ttc = 4000.00", "bareme", "bareme[0].tranches[0].ttc", "n'est pas un texte"),
        ("ms1_v1.toml", 'confiance = "officiel"', 'confiance = "sûr"', "bareme", "bareme[0].confiance", "n'est pas l'une des valeurs permises"),
        ("ms1_v1.toml", 'etat = "en_vigueur"', 'etat = "abrogé"', "bareme", "bareme[0].etat", "n'est pas l'une des valeurs permises"),
        ("ms1_v1.toml", '["4100", "4300", "4400", "4600"]', '["4100", "4100"]', "categories", "categories[0].agregats", "deux fois la même valeur"),
        ("ms1_v1.toml", '["4100", "4300", "4400", "4600"]', '["4401", "44"]', "categories", "categories[0].agregats[1]", "n'a pas la forme attendue"),
        ("esms_numerique.toml", "annee = 2021\n", "", "appel", "appel[0]", "La clé « annee » manque."),
        ("vague_1.toml", "jours = [90, 30, 7]", "jours = []", "rappels", "rappels[0].jours", "[] ne respecte pas"),
        ("vague_1.toml", "jours = [90, 30, 7]", "jours = [90, 30, 0]", "rappels", "rappels[0].jours[2]", "0 ne respecte pas"),
        ("vague_1.toml", "jours = [90, 30, 7]", "jours = [90, 90]", "rappels", "rappels[0].jours", "deux fois la même valeur"),
        ("vague_1.toml", "jours_ouvres = 10", "jours = 10", "delai_reponse", "delai_reponse[0]", "La clé « jours_ouvres » manque."),
        ("vague_1.toml", "taux_tva = 20", 'taux_tva = "20"', "facture", "facture[0].taux_tva", "n'est pas un nombre entier"),
        ("vague_1.toml", "taux_tva = 20", "taux_tva = 120", "facture", "facture[0].taux_tva", "120 ne respecte pas"),
        ("vague_1.toml", "part = 100", "", "facture", "facture[0]", "La clé « part » manque."),
        ("vague_1.toml", 'motif = "supplier_error"', 'motif = "regret"', "pieces_annulation", "pieces_annulation[0].motifs[0].motif", "n'est pas l'une des valeurs permises"),
        ("vague_1.toml", 'pieces = ["statement"]', 'pieces = ["facture"]', "pieces_annulation", "pieces_annulation[0].motifs[0].pieces[0]", "n'est pas l'une des valeurs permises"),
        ("vague_1.toml", 'demande = "advance"', 'demande = "avenant"', "schema_demande", "schema_demande[0].demande", "n'est pas l'une des valeurs permises"),
        ("vague_1.toml", '"requests/advance_2022.json"', '"../advance.json"', "schema_demande", "schema_demande[0].fichier", "n'a pas la forme attendue"),
        ("finess.toml", 'domaine = "PA"', 'domaine = "PU"', "domaines", "domaines[0].table[0].domaine", "n'est pas l'une des valeurs permises"),
    ],
)  # fmt: skip
def test_a_defect_is_told_with_its_place(
    name: str, old: str, new: str, header: str, path: str, says: str
) -> None:
    nth = int(path.partition("[")[2][0]) + 1
    faults = [f for f in faults_of(changed(name, old, new)) if path == f.where.rpartition(", ")[2]]
    assert {f.where for f in faults} == {f"{name}, ligne {line_of(name, f'[[{header}]]', nth)}, {path}"}
    assert any(says in f.message for f in faults)


@pytest.mark.parametrize("key", ["depuis", "publie_le", "confiance", "etat", "source"])
def test_each_key_of_a_version_is_required(key: str) -> None:
    contents = law_files()
    lines = contents["ms1_v1.toml"].decode().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{key} = "))
    contents["ms1_v1.toml"] = "\n".join(lines[:at] + lines[at + 1 :]).encode()
    [fault] = faults_of(contents)
    assert fault.message == f"La clé « {key} » manque."
    assert fault.where == "ms1_v1.toml, ligne 10, bareme[0]"


@pytest.mark.parametrize("part", ["titre", "reference"])
def test_a_source_has_a_title_and_a_place(part: str) -> None:
    old = 'source = { titre = "Journal officiel du 12 février 2022'
    contents = changed("ms1_v1.toml", old, old.replace("titre", "nom")) if part == "titre" else None
    contents = contents or changed("ms1_v1.toml", 'reference = "S0:1531, S0:1635"', 'reference = ""')
    faults = faults_of(contents)
    assert any(f.where.startswith("ms1_v1.toml, ligne 41, publication[0].source") for f in faults)


@pytest.mark.parametrize(
    ("name", "old", "new", "where", "says"),
    [
        ("ms1_v1.toml", "publie_le = 2023-12-31\nretroactif = true", "publie_le = 2022-02-12", "ms1_v1.toml, ligne 66, fermeture[1]", "ont les mêmes dates"),
        ("ms1_v1.toml", "retroactif = true\n", "", "ms1_v1.toml, ligne 66, fermeture[1]", "retroactif = true"),
        ("ms1_v1.toml", BAREME, BAREME + "\nretroactif = true", "ms1_v1.toml, ligne 10, bareme[0]", "retroactif = true"),
        ("ms1_v1.toml", "min = 1,", "min = 2,", "ms1_v1.toml, ligne 10, bareme[0]", "Les tranches commencent à 1"),
        ("ms1_v1.toml", "min = 11,", "min = 21,", "ms1_v1.toml, ligne 10, bareme[0]", "Les tranches commencent à 1"),
        ("ms1_v1.toml", "min = 11,", "min = 5,", "ms1_v1.toml, ligne 10, bareme[0]", "Les tranches commencent à 1"),
        ("ms1_v1.toml", 'code = "B"', 'code = "A"', "ms1_v1.toml, ligne 10, bareme[0]", "Les tranches commencent à 1"),
        ("ms1_v1.toml", 'code = "B"', 'code = "D"', "ms1_v1.toml, ligne 10, bareme[0]", "Les tranches commencent à 1"),
        ("ms1_v1.toml", JOURS, JOURS + "\nabroge = true", "ms1_v1.toml, ligne 93, delai_referencement[0]", "Une version qui abroge n'a pas de valeur (jours)."),
        ("ms1_v1.toml", 'dates = [{ domaines = ["PA", "PH", "DOM"], le = 2022-02-12 }]', 'dates = [{ domaines = ["PA"], le = 2022-02-12 }, { domaines = ["PA"], le = 2022-02-13 }]', "ms1_v1.toml, ligne 41, publication[0]", "« PA » figure plusieurs fois"),
        ("finess.toml", '["500", "501"', '["354", "501"', "finess.toml, ligne 328, domaines[0]", "« 354 » figure plusieurs fois"),
        ("finess.toml", 'agregats = ["4500"]', 'agregats = ["4100"]', "finess.toml, ligne 328, domaines[0]", "« 4100 » figure plusieurs fois"),
        ("finess.toml", 'domaine = "PH"', 'domaine = "PA"', "finess.toml, ligne 328, domaines[0]", "« PA » figure plusieurs fois"),
        ("finess.toml", 'code = "002"', 'code = "001"', "finess.toml, ligne 5, nomenclature[0]", "« 001 » figure plusieurs fois"),
        ("vague_1.toml", 'regle = "R25"', 'regle = "R28"', "vague_1.toml, ligne 47, croisement_commande[0]", "Cellule 1 : la règle R28 n'est pas de ce croisement (R25, R26, R27)."),
        ("vague_1.toml", 'lectures = ["C13"]', 'lectures = ["C99"]', "vague_1.toml, ligne 47, croisement_commande[0]", "la lecture C99 n'existe pas"),
        ("vague_1.toml", "si_commande_anterieure", "si_financement_anterieur", "vague_1.toml, ligne 47, croisement_commande[0]", "« si_financement_anterieur » n'est pas de ce croisement"),
        ("vague_1.toml", 'etat = ["rembourse"]', 'etat = ["sans_suite"]', "vague_1.toml, ligne 47, croisement_commande[0]", "Aucune cellule ne répond à la situation usage, amorcage, rembourse"),
        ("vague_1.toml", "jours = [90, 30, 7]", "jours = [90, 7, 30]", "vague_1.toml, ligne", "Les rappels vont du plus lointain au plus proche"),
        ("vague_1.toml", 'demande = "advance"', 'demande = "advance"\nabroge = true', "vague_1.toml, ligne", "Le schéma d'une demande ne s'abroge pas"),
        ("vague_1.toml", 'des = "10000.00"', 'des = "1000.00"', "vague_1.toml, ligne", "Les paliers de « enjeu » montent"),
        ("vague_1.toml", "{ des = 20, points = 8 }", "{ des = 5, points = 8 }", "vague_1.toml, ligne", "Les paliers de « age » montent"),
        ("vague_1.toml", "ouverture = 07:00:00", "ouverture = 20:00:00", "vague_1.toml, ligne", "L'heure d'ouverture précède"),
        ("vague_1.toml", 'motif = "agreement"', 'motif = "supplier_error"', "vague_1.toml, ligne", "Le motif « supplier_error » figure plusieurs fois."),
        ("vague_1.toml", "depuis = 2024-09-12\nheure = 14:00:00\npublie_le = 2024-09-12", "depuis = 2022-02-12\nheure = 14:00:00\npublie_le = 2022-02-12", "vague_1.toml, ligne", "Deux versions de « schema_demande » ont les mêmes dates"),
        ("esms_numerique.toml", 'logiciel = ["inconnu"]', 'logiciel = ["meme"]', "esms_numerique.toml, ligne", "Aucune cellule ne répond à la situation equipment, amorcage, accorde, inconnu"),
    ],
)  # fmt: skip
def test_what_a_schema_cannot_say(name: str, old: str, new: str, where: str, says: str) -> None:
    faults = faults_of(changed(name, old, new))
    assert any(f.where.startswith(where) and says in f.message for f in faults), faults


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("ms2_v1.toml", 'domaines = ["PDE", "PDS"]', 'domaines = ["PDE", "PA"]', "Le domaine « PA » est déjà celui de MS1-V1."),
        ("ms2_v1.toml", 'domaines = ["PDE", "PDS"]', 'domaines = ["PDE"]', "Le domaine « PDS » n'est pas de MS2-V1."),
        ("ms2_v1.toml", 'vague = "V1"', 'vague = "V2"', "Aucun fichier ne définit la vague « V2 »."),
        ("ms2_v1.toml", 'couloir = "MS2"', 'couloir = "MS3"', "Le code « MS2-V1 » n'est pas couloir-vague."),
        ("ms2_v1.toml", 'code = "MS2-V1"', 'code = "MS1-V1"', "« MS1-V1 » est déjà défini par ms1_v1.toml."),
        ("ms2_v1.toml", 'vague = "V1"', 'vague = "V0"', '"V0" n\'a pas la forme attendue'),
        ("finess.toml", '["354", "209", "460"]', '["354", "209", "999"]', "La catégorie « 999 » n'est pas au répertoire."),
    ],
)  # fmt: skip
def test_what_only_the_files_together_show(name: str, old: str, new: str, says: str) -> None:
    assert any(says in f.message for f in faults_of(changed(name, old, new)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'nature = "dispositif"\ncode = ', "TOML illisible"),
        (b'nature = "dispositif"\nnature = "vague"', "TOML illisible"),
        (b'depuis = 2022-02-30', "TOML illisible"),
        (b'nature = "\xff"', "Le fichier n'est pas en UTF-8 (octet 10)."),
        (b"", "La clé « nature » vaut l'un de : dispositif, esms_numerique, finess, vague."),
        (b'nature = "arrete"', "La clé « nature » vaut l'un de"),
        (b"nature = 3", "La clé « nature » vaut l'un de"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read(content: bytes, says: str) -> None:
    with pytest.raises(SonsError, match=r"« x\.toml » a un défaut") as refused:
        parse_document("x.toml", content)
    assert refused.value.code is ErrorCode.INVALID_LAW
    [fault] = refused.value.faults
    assert fault.where.startswith("x.toml")
    assert says in fault.message


def test_all_the_defects_of_all_the_files_are_told_at_once() -> None:
    contents = changed("ms1_v1.toml", JOURS, "jours = 0\nmois = 4")
    contents["ms2_v1.toml"] = b"nature = "
    places = [f.where.partition(",")[0] for f in faults_of(contents)]
    assert places == ["ms1_v1.toml", "ms1_v1.toml", "ms2_v1.toml"]
    with pytest.raises(SonsError, match="Le droit a 3 défauts"):
        read_library(contents)


@pytest.mark.parametrize("name", ["esms_numerique.toml", "finess.toml"])
def test_a_law_without_its_register_or_its_grants_is_refused(name: str) -> None:
    contents = {n: c for n, c in law_files().items() if n != name}
    [fault] = faults_of(contents)
    assert fault.message == f"Aucun fichier de nature « {name.removesuffix('.toml')} »."


def test_a_repeal_ends_a_value() -> None:
    repeal = (
        '\n[[fermeture]]\ndepuis = 2023-06-01\npublie_le = 2023-05-01\nconfiance = "officiel"\n'
        'etat = "en_vigueur"\nsource = { titre = "Arrêté", reference = "JO" }\nabroge = true\n'
    )
    contents = law_files()
    contents["ms1_v1.toml"] += repeal.encode()
    fermeture = read_library(contents).law.dispositifs["MS1-V1"].fermeture
    assert fermeture.find(date(2023, 5, 31), date(2023, 6, 1)) is not None
    assert fermeture.find(date(2023, 6, 1), date(2023, 6, 1)) is None
    contents["esms_numerique.toml"] += (
        repeal.replace("fermeture", "appel").encode().replace(b"abroge", b"annee = 2022\nabroge")
    )
    calls = read_library(contents).law.calls
    assert calls[2022].find(date(2023, 6, 1), date(2023, 6, 1)) is None
    assert calls[2025].find(date(2025, 6, 1), date(2025, 6, 1)) is not None


def test_the_digest_follows_every_byte_and_the_names() -> None:
    contents = law_files()
    digest = load().law.digest
    assert len(digest) == 64
    assert read_library(contents).law.digest == digest
    contents["ms1_v1.toml"] += b"\n"
    assert read_library(contents).law.digest != digest
    renamed = {n.replace("ms1", "ms1bis"): c for n, c in law_files().items()}
    assert read_library(renamed).law.digest != digest


def test_a_folder_is_read_like_the_package(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    for name, content in law_files().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "notes.txt").write_text("rien")
    assert read_folder(tmp_path).law.digest == load().law.digest


def test_the_line_of_a_table_is_not_fooled_by_a_text() -> None:
    text = 'nature = "vague"\nlibelle = """\n[[extraction]]\n"""\n  [[ extraction ]] # vraie\ndepuis = 1\n'
    with pytest.raises(SonsError) as refused:
        parse_document("v.toml", text.encode())
    [fault] = [f for f in refused.value.faults if f.where.endswith("depuis")]
    assert fault.where == "v.toml, ligne 5, extraction[0].depuis"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(n for n in law_files() if n.endswith(".toml"))), st.data())
def test_a_damaged_file_is_accepted_or_refused_never_a_crash(name: str, data: st.DataObject) -> None:
    content = law_files()[name][:6000]
    start = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(1, 60))
    damaged = content[:start] + data.draw(st.binary(max_size=4)) + content[start + length :]
    try:
        parse_document(name, damaged)
    except SonsError as error:
        faults = error.faults
    else:
        return
    assert faults
    assert all(fault.message.endswith(".") for fault in faults)
