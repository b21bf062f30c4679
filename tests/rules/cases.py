"""Reading `tests/cases/*.toml`: a case says what differs from an ordinary file, and what is expected.

`"inconnu"` stands for a fact that nobody knows (None). Dates are TOML dates; instants are TOML local
date-times, read in Paris. In what is expected, `R10 = "fail"` names the outcome of a rule (the worst, over
the ESSMS); `"fail, à confirmer"` when the verdict rests on a value to be confirmed, and says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sons_tracker.rules.case import (
    AskedEssms,
    Case,
    Engagement,
    Establishment,
    Extraction,
    Grant,
    GrantCase,
    OrderedEssms,
    OtherOrder,
    Referencing,
    Solution,
    SonsOrder,
    Supplier,
)
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.money import parse_euros
from sons_tracker.rules.verdicts import Verdict, severity

FOLDER = Path(__file__).parents[1] / "cases"
PARIS = ZoneInfo("Europe/Paris")
UNKNOWN = "inconnu"
Facts = Mapping[str, Any]

ORDINARY_ORDER: Facts = {
    "dispositif": "MS1-V1",
    "og": "750000018",
    "signed_on": date(2022, 6, 1),
    "received_at": datetime(2022, 6, 15, 10, 0),  # noqa: DTZ001 - as TOML writes it: Paris is added below
    "already_equipped": True,
    "supplier": "editor",
    "solution": "DUI-A",
    "kind": "dui",
    "solution_list_on": date(2022, 6, 10),
    "referencings": [{}],
    "extraction": "stock",
    "extraction_on": date(2022, 1, 3),
    "og_known": True,
    "essms_of_og": 35,
    "other_orders": [],
    "ordered": 1,
    "essms": {},
}
ORDINARY_ESSMS: Facts = {
    "category": "500",
    "aggregate": "4400",
    "og": "750000018",
    "registered": True,
    "unit_ttc": UNKNOWN,
    "dui_in_place": "DUI-A",
    "engaged": "",
    "grants": [],
}
REFERENCED: Facts = {
    "dispositif": "MS1-V1",
    "status": "referenced",
    "complete_file_on": UNKNOWN,
    "from": date(2022, 4, 1),
    "to": UNKNOWN,
}
AGREED_GRANT: Facts = {
    "reference": "ESMS-1",
    "year": 2022,
    "project": "acquisition",
    "components": ["equipment"],
    "state": "agreed",
    "solution": "DUI-A",
    "dui_referenced": True,
    "agreed_on": date(2022, 5, 2),
    "first_payment_on": UNKNOWN,
}
ORDINARY_GRANT: Facts = {
    "reference": "ESMS-9",
    "vague": "V1",
    "year": 2022,
    "project": "upgrade",
    "components": ["usage"],
    "solution": "DUI-A",
    "dui_referenced": True,
    "agreed_on": UNKNOWN,
    "asked_on": date(2022, 9, 1),
    "account": True,
    "orders": [],
    "other_grants": [],
    "vague_1_version": UNKNOWN,
}
LIVE_ORDER: Facts = {
    "number": "BC-2022-000001",
    "solution": "DUI-A",
    "signed_on": date(2022, 6, 1),
    "live": True,
    "va_deposited_at": UNKNOWN,
    "cancelled_at": UNKNOWN,
    "for_acquisition": UNKNOWN,
    "advance_to_recover": False,
}


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that a case says: its file, its name, what is given and what is expected."""

    file: str
    kind: str
    name: str
    source: str
    given: Facts
    expected: Facts

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def examples(*kinds: str) -> list[Example]:
    """Every example of the case files of these kinds, in their order."""
    return [e for path in sorted(FOLDER.glob("*.toml")) for e in _read(path) if e.kind in kinds]


def _read(path: Path) -> Iterator[Example]:
    data = tomllib.loads(path.read_text("utf-8"))
    for case in data["case"]:
        each = case.get("each", [{}])
        assert set(case) <= {"name", "source", "given", "expected", "each"}, case["name"]
        for number, one in enumerate(each, start=1):
            assert set(one) <= {"given", "expected"}, case["name"]
            name = case["name"] + (f" ({number})" if len(each) > 1 else "")
            given = dict(data.get("given", {})) | case.get("given", {}) | one.get("given", {})
            expected = case.get("expected", {}) | one.get("expected", {})
            yield Example(path.name, data["kind"], name, case["source"], given, expected)


def differing(ordinary: Facts, given: Facts) -> dict[str, Any]:
    """The ordinary facts with what differs; a key that the ordinary ones lack is a typing error."""
    assert set(given) <= set(ordinary), sorted(set(given) - set(ordinary))
    return {key: None if value == UNKNOWN else value for key, value in {**ordinary, **given}.items()}


def paris(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.replace(tzinfo=PARIS)


def number_of(index: int) -> FinessGeographique:
    return FinessGeographique(f"{750100000 + index:09d}")


def order_case(given: Facts) -> tuple[Case, date]:
    """The order and the day of knowledge: `known_on`, else the Paris day of the reception."""
    rest = {key: value for key, value in given.items() if key != "known_on"}
    facts = differing(ORDINARY_ORDER, rest)
    received = paris(facts["received_at"])
    assert received is not None
    known_on = given.get("known_on", received.date())
    extraction = None
    if facts["extraction_on"] is not None:
        extraction = Extraction(
            facts["extraction_on"], None if facts["extraction"] == "none" else facts["extraction"]
        )
    essms = facts["essms"]
    lines = essms if isinstance(essms, list) else [essms] * facts["ordered"]
    case = Case(
        dispositif=facts["dispositif"],
        og=FinessJuridique(facts["og"]),
        signed_on=facts["signed_on"],
        received_at=received,
        already_equipped=facts["already_equipped"],
        supplier=_supplier(facts["supplier"]),
        solution_version=f"{facts['solution'] or 'DUI-A'}-1",
        solution=_solution(facts),
        solution_list_on=facts["solution_list_on"],
        extraction=extraction,
        og_known=facts["og_known"],
        essms_of_og=facts["essms_of_og"],
        other_orders=tuple(
            OtherOrder(o["number"], o["solution"], tuple(o["shared"])) for o in facts["other_orders"]
        ),
        lines=tuple(_line(number_of(i), line) for i, line in enumerate(lines)),
    )
    return case, known_on


def _supplier(word: str | None) -> Supplier | None:
    return None if word is None else Supplier(word == "editor", word == "distributor")


def _solution(facts: Facts) -> Solution | None:
    if facts["solution"] is None:
        return None
    lines = []
    for row in facts["referencings"]:
        line = differing(REFERENCED, row)
        lines.append(
            Referencing(
                line["dispositif"], line["status"], line["complete_file_on"], line["from"], line["to"]
            )
        )
    return Solution(
        f"{facts['solution']}-1",
        facts["solution"],
        facts["kind"],
        "552100554",
        facts["solution_list_on"],
        tuple(lines),
    )


def _line(default: FinessGeographique, given: Facts) -> OrderedEssms:
    finess = FinessGeographique(given.get("finess", default))
    facts = differing(ORDINARY_ESSMS, {key: value for key, value in given.items() if key != "finess"})
    og, engaged, grants = facts["og"], facts["engaged"], facts["grants"]
    place = Establishment(
        finess, None if og is None else FinessJuridique(og), facts["category"] or "", facts["aggregate"]
    )
    engagements = None
    if engaged is not None:
        kind = "reservation" if engaged == "reservation" or engaged.startswith("RS-") else "order"
        number = engaged if engaged.startswith("BC-") else None
        own = engaged if engaged.startswith("RS-") else None  # the supplier's own, for this OG
        engagements = (Engagement(kind, number, own, own is not None),) if engaged else ()
    return OrderedEssms(
        finess,
        None if facts["unit_ttc"] is None else parse_euros(facts["unit_ttc"]),
        facts["dui_in_place"],
        place if facts["registered"] else None,
        engagements,
        None if grants is None else tuple(map(_grant, grants)),
    )


def _grant(given: Facts) -> Grant:
    facts = differing(AGREED_GRANT, given)
    return Grant(**{**facts, "components": tuple(facts["components"])})


def grant_case(given: Facts) -> tuple[GrantCase, date, date]:
    """The grant, the day when it is asked for, and the day of knowledge (the same unless it is given)."""
    rest = {key: value for key, value in given.items() if key != "known_on"}
    facts = differing(ORDINARY_GRANT, rest)
    orders = []
    for row in facts["orders"]:
        order = differing(LIVE_ORDER, row)
        instants = {key: paris(order[key]) for key in ("va_deposited_at", "cancelled_at")}
        orders.append(SonsOrder(**{**order, **instants}))
    line = AskedEssms(
        number_of(0),
        tuple(orders) if facts["account"] else None,
        tuple(map(_grant, facts["other_grants"])) if facts["account"] else None,
        facts["vague_1_version"],
    )
    case = GrantCase(
        facts["reference"],
        facts["vague"],
        facts["year"],
        facts["project"],
        tuple(facts["components"]),
        facts["solution"],
        facts["dui_referenced"],
        facts["agreed_on"],
        (line,),
    )
    asked_on = facts["asked_on"]
    return case, asked_on, given.get("known_on", asked_on)


def worst(verdicts: tuple[Verdict, ...], rule: str) -> str:
    """`fail`, or `fail, à confirmer`: the worst outcome of a rule, as the cases write it."""
    verdict = max(
        (v for v in verdicts if v.rule == rule), key=lambda v: (severity(v.outcome), v.finding.a_confirmer)
    )
    return str(verdict.outcome) + (", à confirmer" if verdict.finding.a_confirmer else "")
