"""The demonstration: its amounts are those of the sources, it can be played again, it spares used bases."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import date
from pathlib import Path

import pytest

from sons_tracker.cli.demonstration.conflicts import CONFLICTS
from sons_tracker.cli.demonstration.identity import IDENTITY
from sons_tracker.cli.demonstration.journal import JOURNAL
from sons_tracker.cli.demonstration.lives import LIVES
from sons_tracker.cli.demonstration.stories import STORIES
from sons_tracker.cli.demonstration.telling import typeset
from sons_tracker.registers.synthetic import generate
from sons_tracker.settings import resource
from tests.databases import Database, Server


@pytest.fixture(scope="module")
async def empty(server: Server) -> AsyncIterator[Database]:
    async with server.clone() as made:
        yield made


async def demo(environ: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from sons_tracker.cli import main; main()", "demo", *arguments),
        env={**os.environ, "COLUMNS": "80", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_amounts_are_those_of_the_source_documents_twice(empty: Database):
    for _ in range(2):  # the second run erases the remains of the first
        code, out, err = await demo(empty.environ, "--json")
        assert (code, err) == (0, "")
        told = {story["title"]: story for story in json.loads(out)}
        assert len(told) == len(STORIES) + len(CONFLICTS) + len(LIVES) + len(IDENTITY) + len(JOURNAL)
        assert all(story["as_expected"] for story in told.values())
        assert told["Une commande de 35 ESSMS"]["totals_ttc"] == ["43120.00"]  # S0:1304
        assert told["Une commande de 72 ESSMS"]["totals_ttc"] == ["88704.00"]  # S0:1326
        assert told["Une commande de 8 ESSMS, par un distributeur"]["totals_ttc"] == ["17520.00"]  # S0:1470
        refused = told["ESMS numérique : équipement pour un DUI référencé"]
        assert (refused["decisions"], refused["failed_rules"]) == (["refused"], ["R25"])
        assert told["Réserver pendant que l'on signe"]["decisions"] == ["accepted"]
        assert told["Un client qui a signé deux fois"]["decisions"] == ["rejected", "submitted"]
        assert told["Un financement appris après coup"]["failed_rules"] == ["R26"]
        assert told["Un établissement, deux numéros"]["decisions"] == ["fail"]
        # 30 % of 43 120, 88 704, 17 520 and 2 920 (S0:1304, S0:1326, S0:1470, S0:1579)
        assert told["Les avances de 30 %"]["totals_ttc"] == ["45679.20"]
        assert told["Une délégation de signature"]["decisions"] == ["refused", "signed"]
        assert told["De la VA au solde"]["totals_ttc"] == ["43120.00"]
        assert told["Un ESSMS retiré du périmètre"]["totals_ttc"] == ["15330.00"]  # 7 × 2 190
        assert told["Changer d'éditeur"]["decisions"] == ["refused", "cancelled", "accepted"]
        assert told["La clôture"]["decisions"] == ["inadmissible", "settled", "lapsed"]
        assert told["Une avance recouvrée"]["totals_ttc"] == ["26611.20", "0.00"]


async def test_it_reads_in_french_on_80_columns(empty: Database):
    code, out, err = await demo(empty.environ)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for said in (
        "43\u202f120,00\u202f€",
        "12\u202f936,00\u202f€",
        "R25 refus",
        "Ce que le contrôleur voit",
        "à instruire",
        "30\u202f184,00\u202f€, payés le lendemain",
        "10\u202f074,00\u202f€, payés le lendemain",
        "Échéance atteinte\u00a0: clôture",
        "Rappel, 7 jours avant\u00a0: clôture",
        "19 décembre 2024, 14 h 00",
        "lui délègue la signature des VA",
    ):
        assert said in out
    flowing = " ".join(out.split())
    assert "aucune anomalie à elle seule ; 1 anomalie devant la tête publiée" in flowing
    assert not [line for line in out.splitlines() if line.strip().startswith((":", "»", ";"))]


_IBAN = re.compile(r"\b[A-Z]{2}\d{2}[0-9A-Z]{11,30}\b")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w")


async def test_its_journal_names_nobody(empty: Database):
    """Personal data stay outside the chain: what is sealed for ever holds identifiers and amounts."""
    code, _, err = await demo(empty.environ, "--json")
    assert (code, err) == (0, "")
    con = await empty.connect_superuser()
    try:
        names = [row[0] for row in await con.fetch("select name from sons.person")]
        rows = await con.fetch("select action, object_id || ' ' || facts::text as told from sons.journal")
    finally:
        await con.close()
    assert len(rows) > 200
    assert len({row["action"] for row in rows}) > 40
    names += ["Dominique Exemple", "Camille Exemple"]  # who signs is no member of anything
    found = {
        (row["action"], said)
        for row in rows
        for said in (*(n for n in names if n in row["told"]), *_IBAN.findall(row["told"]),
                     *_EMAIL.findall(row["told"]))
    }  # fmt: skip
    assert found == set()


async def test_a_base_that_serves_is_left_alone(clone: Database, database: Database):
    from tests import factories_orders as make

    await make.prepare_instance()
    code, _, err = await demo(clone.environ)
    assert code == 1
    assert "base vide" in err
    assert "Traceback" not in err
    con = await clone.connect_owner()
    try:
        assert await con.fetchval("select mode from sons.instance") == "sandbox"
    finally:
        await con.close()


def test_french_marks_never_start_a_line():
    assert typeset("« oui » : non ; 3 %") == "«\u00a0oui\u00a0»\u00a0: non\u202f; 3\u00a0%"


def test_its_register_is_what_the_generator_writes(tmp_path: Path):
    made = generate(tmp_path, seed=2022, establishments=1000, extracted_on=date(2022, 1, 3))
    for written in (made.establishments, made.legal_entities):
        assert written.read_bytes() == (resource("fixtures") / "demonstration" / written.name).read_bytes()
