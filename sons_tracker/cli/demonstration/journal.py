"""The last story: everything that was played, sealed, exported, verified, and tampered with in vain."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sons_tracker.cli.demonstration.lives import Play
from sons_tracker.cli.demonstration.stories import Told
from sons_tracker.cli.demonstration.telling_life import LifeTeller
from sons_tracker.cli.demonstration.world import World
from sons_tracker.operations import clock, sealing
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.rules.french import count_fr
from sons_tracker.rules.money import euros_fr
from sons_tracker.rules.sealing import GENESIS, seal
from sons_tracker.verify_journal import Report, read_heads, verify

_TITLE = "Un journal que chacun peut vérifier"
_AMOUNT = re.compile(r'(?<=_ttc_cents": )([1-9]\d*)')


async def verifiable(world: World, teller: LifeTeller) -> Told:
    """The journal of the demonstration: whole; changed by hand; rewritten from end to end."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "heads.jsonl"
        await sealing.publish(await clock.now(), file)
        published = read_heads(str(file))[0]
    await sealing.seal_all()  # that it was published is journaled too, after it
    lines: list[str] = []
    await sealing.export(LOCAL_ADMIN, lines.append)
    whole = _verified(lines, published)
    teller.say(
        f"{count_fr(whole.rows, 'écriture scellée', 'écritures scellées')}, exportées puis vérifiées hors de"
        f" la base par un script que l'on peut lire : {_found(whole)}. Une tête a été publiée, au"
        f" n°\u00a0{published[0]} : {published[1][:16]}…"
    )
    rows = [json.loads(line) for line in lines[1:]]
    place, before, after = _lower_an_amount(rows)
    changed = _verified([lines[0], *map(_line, rows)], published)
    teller.say(
        f"Dans une copie, un montant de l'écriture n°\u00a0{place} passe de {euros_fr(before)} à"
        f" {euros_fr(after)} : {_found(changed)}, « {changed.problems[0]} »"
    )
    header = json.loads(lines[0])
    rewritten = [_line(header | {"head": _reseal(rows), "published": []}), *map(_line, rows)]
    alone, compared = _verified(rewritten), _verified(rewritten, published)
    teller.say(
        f"Tous les sceaux refaits, la copie se tient : {_found(alone)} à elle seule ; {_found(compared)}"
        " devant la tête publiée. C'est pourquoi une tête part chaque jour ailleurs."
    )
    right = (whole.problem_count, alone.problem_count) == (0, 0)
    right = right and changed.problem_count > 0 and compared.problem_count == 1
    return Told(_TITLE, (), (), (), right)


def _verified(lines: list[str], *heads: tuple[int, str]) -> Report:
    return verify(io.BytesIO("".join(lines).encode()), heads)


def _found(report: Report) -> str:
    return count_fr(report.problem_count, "anomalie") if report.problem_count else "aucune anomalie"


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _lower_an_amount(rows: list[dict[str, Any]]) -> tuple[int, int, int]:
    """Takes a cent from the first amount that the journal tells: place, cents before and after."""
    for row in rows:
        if told := _AMOUNT.search(row["facts"]):
            before = int(told[1])
            row["facts"] = _AMOUNT.sub(str(before - 1), row["facts"], count=1)
            return row["seq"], before, before - 1
    raise AssertionError("the demonstration journals amounts")


def _reseal(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Makes every seal anew, as someone who holds the database could; returns the head."""
    prev = GENESIS
    for row in rows:
        digest = seal(row["seq"], prev, row)
        row["prev"], row["hash"] = prev.hex(), digest.hex()
        prev = digest
    return {"seq": len(rows), "hash": prev.hex()}


JOURNAL: tuple[tuple[str, str, Play], ...] = (
    (
        _TITLE,
        "Chaque écriture est liée à la précédente par une empreinte ; ce qui est changé, ajouté ou retiré se"
        " voit, même par qui ne croit ni la base ni ses gardiens.",
        verifiable,
    ),
)
