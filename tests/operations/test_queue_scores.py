"""The scores of the queue, counted in sets, are those of the rules: over cases drawn at random."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from sons_tracker import law
from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.queue_facts import FACTS, QueueFilter, Scales, arguments
from sons_tracker.operations.queue_scores import SCORES, page_arguments, page_of, score_arguments
from sons_tracker.rules.families import FAMILIES, PATTERNS
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database

LAW = law.load().law
CASES, SEED = 400, 20231
STARTS = datetime(2023, 1, 2, 7, 30, tzinfo=UTC)
MOMENTS = tuple(STARTS + timedelta(days=days, hours=hours) for days, hours in ((45, 3), (130, 15), (420, 0)))
# the country, Alsace-Moselle, both spellings of La Réunion, Corsica, Mayotte; and two OG, or none at all
OGS = ("750000001", "570000002", "680000003", "970400004", "9D0000005", "2A0000006", "980500007", None)


@pytest.fixture(scope="module")
async def drawn(module_database: Database) -> None:
    """Cases in every state, with all that weighs on them; no guard looks: only the counting is tested."""
    await make.prepare_instance()
    paid = await solde.a_paid_advance(make.Everything(), 2)
    draw = random.Random(SEED)
    suppliers = [UUID(int=draw.getrandbits(128)) for _ in range(150)]
    owner = await module_database.connect_superuser()
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica; set local search_path = sons")
        for number, pattern in enumerate([*PATTERNS] * 3):
            row = {
                "id": str(uuid4()), "number": f"AL-2023-{number:06d}", "pattern": pattern,
                "subject_key": str(number), "message": "Vu.", "subjects": [], "facts": {}, "score": 1,
                "ogs": draw.sample([og for og in OGS if og], 2), "raised_at": STARTS.isoformat(),
                "suppliers": [str(one) for one in draw.sample(suppliers, 20 * (number % 2))],
                "last_raised_at": STARTS.isoformat(),
                "ceased_at": STARTS.isoformat() if number % 5 == 0 else None,
            }  # fmt: skip
            await _insert(owner, "alert", row)
        for number in range(CASES):
            await _a_case(owner, draw, number, suppliers, paid)
    await owner.execute("analyze")
    await owner.close()


async def _insert(owner: Any, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(row)
    await owner.execute(
        f"insert into sons.{table} ({names})"
        f" select {names} from jsonb_populate_record(null::sons.{table}, $1)",
        row,
    )


async def _a_case(owner: Any, draw: random.Random, number: int, suppliers: list[UUID], paid: Any) -> None:
    case = str(uuid4())
    opened = STARTS + timedelta(minutes=draw.randrange(60 * 24 * 120))
    state = draw.choice(["open", "open", "precisions_asked", "decided", "executed", "closed"])
    og = draw.choice(OGS)
    some = [str(one) for one in draw.sample(suppliers, draw.randrange(3))]
    row = {
        "id": case, "number": f"CF-2023-{number:06d}", "vague": "V1", "family": draw.choice([*FAMILIES]),
        "pair_key": f"drawn:{number}", "state": state, "version": 1, "og_finess_juridique": og,
        "suppliers": some, "ogs": [], "at_stake_ttc_cents": draw.choice([0, 99_999, 10**6, 10**8]),
        "opened_at": opened.isoformat(), "opened_for": "audit", "last_found_at": opened.isoformat(),
    }  # fmt: skip
    await _insert(owner, "conflict", row)
    for outcome in draw.sample(["fail", "review", "unknown"], draw.randrange(3)):
        finding = {
            "conflict_id": case, "found_at": opened.isoformat(), "rule": "R05", "outcome": outcome,
            "message": "Vu.", "source": "S0:1525", "readings": [], "a_confirmer": False, "facts": {},
            "law_digest": LAW.digest, "known_on": "2023-01-02",
        }  # fmt: skip
        names = ", ".join(finding)
        await owner.execute(
            f"insert into sons.conflict_finding ({names}, digest) select {names}, sha256(outcome::bytea)"
            " from jsonb_populate_record(null::sons.conflict_finding, $1)",
            finding,
        )
    if draw.random() < 0.3:
        supplier = str(paid.editor.actor.organisation_id)
        side = {
            "conflict_id": case, "side": 1, "kind": "order", "order_id": str(paid.order_id),
            "supplier_id": supplier, "og_id": str(uuid4()),
        }  # fmt: skip
        await _insert(owner, "conflict_side", side)
        for essms in paid.essms[: draw.randrange(1, 3)]:
            await _insert(owner, "conflict_essms", {"conflict_id": case, "finess_geographique": essms})
    for _ in range(draw.choice([0, 0, 1, 2, 4])):
        asked = opened + timedelta(hours=draw.randrange(24 * 60))
        settled = asked + timedelta(hours=draw.randrange(24 * 40)) if draw.random() < 0.6 else None
        kind = draw.choice(["precisions", "correction", "correction"])
        question = {
            "id": str(uuid4()), "conflict_id": case, "kind": kind, "organisation_id": str(uuid4()),
            "text": "Dites-nous.", "asked_at": asked.isoformat(),
            "answer_due_at": (asked + timedelta(days=14)).isoformat() if kind == "precisions" else None,
            "delay_source": "L1:1" if kind == "precisions" else None,
            "withdrawn_at": settled and settled.isoformat(),
            **({"of_question": str(uuid4()), "lacking": "incomplete"} if kind == "correction" else {}),
        }  # fmt: skip
        await _insert(owner, "conflict_question", question)
    if state in {"decided", "executed", "closed"}:
        proposed = opened + timedelta(days=draw.randrange(40))
        decision = {
            "id": str(uuid4()), "conflict_id": case, "outcome": "maintained", "refused": [], "template": "t",
            "motivation": "m", "notice": "n", "sources": "s", "case_version": 1, "at_stake_ttc_cents": 0,
            "four_eyes": False, "law_digest": LAW.digest, "proposed_at": proposed.isoformat(),
            "approved_at": proposed.isoformat() if draw.random() < 0.8 else None,
            "approved_by": str(uuid4()),
        }  # fmt: skip
        if decision["approved_at"] is None:
            del decision["approved_by"]
        await _insert(owner, "conflict_decision", decision)


@pytest.mark.parametrize("at", MOMENTS, ids=lambda at: f"{at:%Y-%m-%d}")
@pytest.mark.parametrize("state", [None, "decided", "closed"])
@pytest.mark.parametrize("joins", ["on", "off"])
async def test_sets_weigh_as_the_rules_do(drawn: None, at: datetime, state: str | None, joins: str) -> None:
    """Every score, and both orders page by page; `joins`: searched for case by case, or hashed."""
    given = [*arguments(QueueFilter(state=state), LAW, at), *score_arguments(LAW, at)]
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        await con.execute("select set_config('enable_nestloop', $1, true)", joins)
        counted = {row["id"]: row["score"] for row in await con.fetch(SCORES, *given)}
        facts = await con.fetch(FACTS, list(counted))
        scales = Scales(LAW, at)
        weighed = {row["id"]: scales.weigh(row) for row in facts}
        assert counted == {case: one.score for case, one in weighed.items()}
        assert len(set(counted.values())) > 5, "nothing is drawn that weighs"
        assert any(one.clock.stopped for one in weighed.values()) or state is not None
        by_age = sorted(weighed, key=lambda case: (weighed[case].row["opened_at"], case))
        by_risk = sorted(by_age, key=lambda case: -weighed[case].score)
        for sort, order in (("risk", by_risk), ("age", by_age)):
            least = 30 if sort == "age" else None
            wanted = [case for case in order if least is None or weighed[case].score >= least]
            walked: list[UUID] = []
            after: Any = None
            while len(walked) < len(wanted):
                asked = page_arguments(least, after, 60)
                rows = await con.fetch(page_of(sort), *given, *asked)  # type: ignore[arg-type]
                walked += [row["id"] for row in rows[:60]]
                last = weighed[walked[-1]]
                score = last.score if sort == "risk" else None
                after = (score, last.row["opened_at"], last.row["id"])
            assert walked == wanted
