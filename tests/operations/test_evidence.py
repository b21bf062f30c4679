"""The evidence pack of a case: its files, its proof, its words; hostile texts stay text."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.documents import conflict_report
from sons_tracker.documents.graph_picture import to_svg
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import evidence
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.case_dossiers import Dossier, read_dossier
from sons_tracker.operations.case_reports import report_data
from tests import factories_disputes as disputes
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import Account, an_actor
from tests.factories_conflicts import FOUND, Case, Clash, a_clash, a_clash_case, a_conflict

owner = make.Everything()
TEXTS = law.load().law
FILES = [
    "rapport.pdf", "faits.csv", "graphe.svg", "graphe.csv", "documents.csv", "journal.csv", "journal.json",
    "textes.json", "manifeste.json",
]  # fmt: skip
HOSTILE = (
    '=HYPERLINK("http://mal.test","x") #import "@preview/x:1.0.0" *gras* _it_ $x^2$ \\u{1} <svg onload=1>'
    " @ref `code` // rem /* rem */ ]]> &amp; \x1b[31mrouge\x1b[0m \u202edivers 漢字 \U0001f600"
)


@pytest.fixture(scope="module", autouse=True)
async def instance(module_database: Database) -> None:
    await make.prepare_instance()


@pytest.fixture(scope="module")
async def clashing(instance: None) -> tuple[Clash, Case]:
    return await a_clash_case(owner)


async def dossier_of(case: Case, actor: Actor | None = None) -> Dossier:
    reader = actor or case.reviewer.actor
    async with transaction(reader.context, read_only=True) as con:
        return await read_dossier(con, reader, case.id, FOUND, TEXTS.digest)


def opened(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode()), delimiter=";"))


async def test_the_pack_holds_what_its_manifest_says(clashing: tuple[Clash, Case]) -> None:
    clash, case = clashing
    pack = await evidence.export(case.reviewer.actor, case.number, TEXTS, FOUND)
    files = opened(pack.content)
    assert pack.name == f"{case.number}-preuves.zip"
    assert list(files) == FILES
    manifest = json.loads(files["manifeste.json"])
    assert {one["nom"]: one["sha256"] for one in manifest["fichiers"]} == {
        name: hashlib.sha256(files[name]).hexdigest() for name in FILES if name != "manifeste.json"
    }
    assert (manifest["dossier"], manifest["droit"]) == (case.number, TEXTS.digest)
    assert manifest["demande_par"]["personne"] == str(case.reviewer.actor.person_id)
    facts = rows_of(files["faits.csv"])
    assert {row[0] for row in facts[1:]} == {clash.finess}
    assert {row[3] for row in facts[1:]} == {"Répertoire", "Commande", "Engagement", "Dossier"}


async def test_whoever_keeps_the_manifest_can_tell_whether_a_row_was_changed() -> None:
    clash, case = await a_clash_case(owner)
    files = opened((await evidence.export(case.reviewer.actor, case.id, TEXTS, FOUND)).content)
    extract, manifest = (json.loads(files[name]) for name in ("journal.json", "manifeste.json"))
    assert [row["action"] for row in extract["lignes"]] == [
        "order.deposited",
        "order.refused",
        "conflict.found",
    ]
    assert {row["object_id"] for row in extract["lignes"]} == {
        str(clash.held),
        str(clash.refused),
        str(case.id),
    }
    assert recomputed(extract["lignes"]) == manifest["journal"]["tete"] == extract["chaine"][-1]
    assert manifest["journal"]["scelle"] is False
    extract["lignes"][0]["facts"]["total_ttc_cents"] += 1
    assert recomputed(extract["lignes"]) != manifest["journal"]["tete"]
    assert [row[-1] for row in rows_of(files["journal.csv"])[1:]] == extract["chaine"]


def recomputed(rows: list[dict[str, Any]]) -> str:
    """The last digest, as the manifest says that anyone can compute it."""
    last = evidence.CHAIN_START
    for row in rows:
        canonical = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        last = hashlib.sha256((last + canonical).encode()).hexdigest()
    return last


async def test_the_same_dossier_gives_the_same_bytes(clashing: tuple[Clash, Case]) -> None:
    dossier, actor = await dossier_of(clashing[1]), clashing[1].reviewer.actor
    assert evidence.build(dossier, actor) == evidence.build(dossier, actor)
    later = replace(dossier, at=dossier.at + timedelta(days=1))
    assert evidence.build(later, actor) != evidence.build(dossier, actor)


async def test_taking_the_pack_is_journaled_and_stands_in_the_next_one() -> None:
    _, case = await a_clash_case(owner)
    pilot = await an_actor("pilot")
    await evidence.export(pilot, case.id, TEXTS, FOUND)
    row = await owner.fetchrow(
        "select person_id, facts from journal where action = 'conflict.exported' and object_id = $1",
        str(case.id),
    )
    assert row["person_id"] == pilot.person_id
    assert row["facts"]["number"] == case.number
    files = opened((await evidence.export(pilot, case.id, TEXTS, FOUND)).content)
    assert json.loads(files["journal.json"])["lignes"][-1]["action"] == "conflict.exported"


@pytest.mark.parametrize("role", ["og", "holder", "loser", "ars"])
async def test_the_parties_do_not_take_the_evidence(clashing: tuple[Clash, Case], role: str) -> None:
    clash, case = clashing
    who: Account | None = getattr(clash, role, None)
    actor = await an_actor("ars") if who is None else who.actor
    with pytest.raises(SonsError) as refused:
        await evidence.export(actor, case.id, TEXTS, FOUND)
    assert refused.value.code is ErrorCode.FORBIDDEN


async def test_an_unknown_case_is_not_found() -> None:
    with pytest.raises(SonsError) as refused:
        await evidence.export(await an_actor("reviewer"), "CF-2023-999999", TEXTS, FOUND)
    assert refused.value.code is ErrorCode.NOT_FOUND


async def test_the_report_is_tagged_and_speaks_french(clashing: tuple[Clash, Case]) -> None:
    dossier = await dossier_of(clashing[1])
    made = conflict_report.render(report_data(dossier), to_svg(dossier.graph), dossier.at)
    for word in (
        b"<pdfuaid:part>1</pdfuaid:part>",
        b"/StructTreeRoot",
        b"/Marked true",
        b"/Lang(fr-FR)",
        b"/DisplayDocTitle true",
        f"Dossier de conflit {clashing[1].number}".encode(),
        b"/CreationDate(D:20230301",
    ):
        assert word in made, word
    assert b"/JavaScript" not in made


async def test_what_a_party_wrote_stays_text() -> None:
    clash = await a_clash(owner)
    await owner.execute(
        "insert into sons.establishment (finess_geographique, valid_from, finess_juridique, name, category,"
        " aggregate, departement, in_service) values ($1, '2023-02-01', $2, $3, '500', '4400', '75', true)",
        clash.finess,
        clash.og.finess_juridique,
        HOSTILE,
    )
    case = await a_conflict(
        "two_orders", clash.held, clash.refused, essms=[clash.finess], message=HOSTILE + "x" * 3_000
    )
    files = opened((await evidence.export(case.reviewer.actor, case.id, TEXTS, FOUND)).content)
    assert files["rapport.pdf"].startswith(b"%PDF-")
    for name in ("faits.csv", "graphe.csv", "documents.csv", "journal.csv"):
        for row in rows_of(files[name]):
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row), name
        assert b"\x1b" not in files[name]
        assert "\u202e".encode() not in files[name]
    picture = ElementTree.fromstring(files["graphe.svg"])
    assert {node.tag.rpartition("}")[2] for node in picture.iter()} <= {
        "svg", "title", "desc", "rect", "polygon", "polyline", "circle", "text", "g",
    }  # fmt: skip
    assert not any(name.startswith("on") for node in picture.iter() for name in node.attrib)


async def test_the_data_of_the_report_are_those_of_the_case(clashing: tuple[Clash, Case]) -> None:
    clash, case = clashing
    data = report_data(await dossier_of(case))
    assert [side["title"] for side in data["sides"]] == [
        f"Partie 1 : commande {clash.held_number}",
        f"Partie 2 : commande {clash.refused_number}",
    ]
    assert [["Détient les ESSMS en cause", word] in side["rows"] for side, word in zip(
        data["sides"], ("oui", "non"), strict=True
    )] == [True, True]  # fmt: skip
    assert data["findings"][0]["title"] == "R05 : refus"
    assert data["events"] == [["1er mars 2023 à 12 h 00", "Conflit constaté", "contrôleur"]]
    assert len(data["graph"]["rows"]) == len((await dossier_of(case)).graph.edges)
    assert data["graph"]["path"][0].startswith("Commande")


async def test_a_decided_case_tells_what_was_asked_answered_and_decided() -> None:
    dispute = await disputes.decided_against(await disputes.heard(await disputes.a_dispute(owner)), 1)
    await disputes.execute(dispute)
    reviewer = dispute.reviewer.actor
    async with transaction(reviewer.context, read_only=True) as con:
        dossier = await read_dossier(con, reviewer, dispute.conflict_id, FOUND, TEXTS.digest)
    data = report_data(dossier)
    assert len(data["questions"]) == 2
    for question in data["questions"]:
        assert question["title"].startswith("Précisions – Organisation")
        assert ["Réponse", "Le client nous a choisis."] in question["rows"]
        assert ["Position", "maintient sa commande"] in question["rows"]
    (decision,) = data["decisions"]
    told = dict(decision["rows"])
    assert told["Issue"] == "une partie refusée (partie 1)"
    assert told["Motivation"]
    assert told["Sources"]
    steps = [step for _, step, _ in data["events"]]
    assert steps[0] == "Refus contesté"
    assert steps[-1] == "Décision exécutée"
    assert not [step for step in steps if "_" in step], "every step has its French words"
    actions = {row["action"] for row in dossier.journal}
    assert {"conflict.contested", "conflict.executed", "order.deposited", "order.refused"} <= actions
    files = opened(evidence.build(dossier, reviewer))
    assert len(json.loads(files["journal.json"])["lignes"]) == len(dossier.journal)
