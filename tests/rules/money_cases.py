"""Reading the cases of the later stages: what differs from an ordinary advance, VA, solde or cancellation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sons_tracker.law import load, read_library
from sons_tracker.rules.case import Referencing
from sons_tracker.rules.french import percent_fr
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.money import parse_euros
from sons_tracker.rules.money_case import (
    AdvanceCase,
    CancellationCase,
    Invoice,
    InvoiceLine,
    OrderedLine,
    SignedVa,
    SoldeCase,
    VaCase,
    VaLine,
)
from sons_tracker.rules.texts import Law
from sons_tracker.rules.va import rates
from tests.law.files import changed
from tests.rules.cases import REFERENCED, Facts, differing, number_of, paris

LAW = load().law
# C3: the prolonged calendar, as if its two projects were enacted
PROLONGED = read_library(changed("ms1_v1.toml", 'etat = "projet"', 'etat = "en_vigueur"', count=2)).law
_LAWS = {"en_vigueur": LAW, "prolonge": PROLONGED}
OG = FinessJuridique("750000018")

ORDINARY_ADVANCE: Facts = {
    "dispositif": "MS1-V1",
    "signed_on": date(2022, 6, 1),
    "received_at": datetime(2022, 6, 15, 10, 0),  # noqa: DTZ001 - as TOML writes it: Paris is added below
    "signature": "electronic",
    "document": True,
    "referencings": [{}],
}
ORDINARY_VA: Facts = {
    "dispositif": "MS1-V1",
    "signed_at": datetime(2023, 11, 15, 10, 0),  # noqa: DTZ001
    "signer_is_og": True,
    "signature": "eidas_simple",
    "essms": [{}],
}
ATTESTED: Facts = {
    "deployed": True,
    "tbb1": True,
    "accompanied": 107,
    "active": 100,
    "with_project": 93,
    "with_event": 88,
    "expected": True,
    "attested": True,
    "twice": False,
}
ORDINARY_SOLDE: Facts = {
    "dispositif": "MS1-V1",
    "signed_on": date(2022, 6, 1),
    "received_at": datetime(2023, 12, 1, 10, 0),  # noqa: DTZ001
    "essms": [{}, {}],
    "facture": {},
    "invoice": True,
    "va": True,
    "va_signed_at": datetime(2023, 11, 15, 10, 0),  # noqa: DTZ001
    "signer": "Camille Exemple",
    "vat_liable": True,
    "mss": None,
    "va_mss": None,
}
INVOICED: Facts = {
    "unit": "1232.00",
    "advance": "369.60",
    "removed": False,
    "ordered": True,
    "in_va": True,
    "invoiced": True,
    "twice": False,
    "ht": "1026.67",
    "vat": "205.33",
    "ttc": "1232.00",
}
FACTURE: Facts = {
    "issued_on": date(2023, 11, 2),
    "og": str(OG),
    "name": "Camille Exemple",
    "share": 100,
    "rate": 20,
    "total_ht": None,
    "total_vat": None,
    "total_ttc": None,
}
ORDINARY_CANCELLATION: Facts = {
    "dispositif": "MS1-V1",
    "ordered": 1,
    "cancelled_at": datetime(2023, 6, 1, 10, 0),  # noqa: DTZ001
    "motive": "supplier_error",
    "for_acquisition": False,
    "va_deposited_at": None,
    "pieces": ["statement"],
}


def law_of(given: Facts) -> tuple[Law, dict[str, Any]]:
    """The law that a case asks for, and what is left to read of it."""
    rest = {key: value for key, value in given.items() if key not in {"calendrier", "known_on"}}
    return _LAWS[given.get("calendrier", "en_vigueur")], rest


def known_on(given: Facts, at: datetime) -> date:
    """The day of the knowledge that a case names, else the Paris day of its instant."""
    day: date = given.get("known_on", at.date())
    return day


def _instant(value: datetime) -> datetime:
    at = paris(value)
    assert at is not None
    return at


def advance_case(given: Facts) -> AdvanceCase:
    facts = differing(ORDINARY_ADVANCE, given)
    lines = None
    if facts["referencings"] is not None:
        rows = [differing(REFERENCED, row) for row in facts["referencings"]]
        lines = tuple(
            Referencing(r["dispositif"], r["status"], r["complete_file_on"], r["from"], r["to"]) for r in rows
        )
    return AdvanceCase(
        facts["dispositif"],
        facts["signed_on"],
        _instant(facts["received_at"]),
        facts["signature"],
        facts["document"],
        lines,
    )


def va_case(given: Facts) -> VaCase:
    facts = differing(ORDINARY_VA, given)
    rows = [(number_of(i), differing(ATTESTED, row)) for i, row in enumerate(facts["essms"])]
    lines = [(row, _va_line(finess, row)) for finess, row in rows if row["attested"]]
    return VaCase(
        facts["dispositif"],
        _instant(facts["signed_at"]),
        facts["signer_is_og"],
        facts["signature"],
        tuple(line for row, line in lines for _ in range(1 + row["twice"])),
        tuple(finess for finess, row in rows if row["expected"]),
    )


def _va_line(finess: FinessGeographique, row: Mapping[str, Any]) -> VaLine:
    return VaLine(
        finess,
        row["deployed"],
        row["tbb1"],
        row["accompanied"],
        row["active"],
        row["with_project"],
        row["with_event"],
    )


def shown_rates(line: VaLine) -> list[str]:
    found = rates(line)
    return ["–" if r is None else percent_fr(r) for r in (found.active, found.project, found.event)]


def solde_case(given: Facts) -> tuple[SoldeCase, dict[str, int]]:
    """The solde, and what was paid in advance for each ESSMS in cents."""
    facts = differing(ORDINARY_SOLDE, given)
    rows = [(number_of(i), differing(INVOICED, row)) for i, row in enumerate(facts["essms"])]
    advances = {finess: parse_euros(row["advance"]) for finess, row in rows if row["ordered"]}
    va = SignedVa(
        _instant(facts["va_signed_at"]),
        facts["signer"],
        tuple(finess for finess, row in rows if row["in_va"]),
        facts["va_mss"],
    )
    case = SoldeCase(
        dispositif=facts["dispositif"],
        og=OG,
        signed_on=facts["signed_on"],
        received_at=_instant(facts["received_at"]),
        lines=tuple(
            OrderedLine(finess, parse_euros(row["unit"]), row["removed"])
            for finess, row in rows
            if row["ordered"]
        ),
        va=va if facts["va"] else None,
        invoice=_invoice(facts, rows) if facts["invoice"] else None,
        vat_liable=facts["vat_liable"],
        advance_paid_cents=sum(advances.values()),
        deploiement_mss=facts["mss"],
    )
    return case, {str(finess): cents for finess, cents in advances.items()}


def _invoice(facts: Facts, rows: list[tuple[FinessGeographique, dict[str, Any]]]) -> Invoice:
    head = differing(FACTURE, facts["facture"])
    lines = tuple(
        InvoiceLine(finess, *(parse_euros(row[key]) for key in ("ht", "vat", "ttc")))
        for finess, row in rows
        if row["invoiced"]
        for _ in range(1 + row["twice"])
    )
    sums = {
        "ht": sum(line.ht_cents for line in lines),
        "vat": sum(line.vat_cents for line in lines),
        "ttc": sum(line.ttc_cents for line in lines),
    }
    given = {key: head[f"total_{key}"] for key in sums}
    total = {key: cents if given[key] is None else parse_euros(given[key]) for key, cents in sums.items()}
    return Invoice(
        number="F-2023-118",
        issued_on=head["issued_on"],
        og=FinessJuridique(head["og"]),
        signatory_name=head["name"],
        share_percent=head["share"],
        vat_rate_percent=head["rate"],
        lines=lines,
        ht_cents=total["ht"],
        vat_cents=total["vat"],
        ttc_cents=total["ttc"],
    )


def cancellation_case(given: Facts) -> CancellationCase:
    facts = differing(ORDINARY_CANCELLATION, given)
    return CancellationCase(
        facts["dispositif"],
        tuple(number_of(i) for i in range(facts["ordered"])),
        _instant(facts["cancelled_at"]),
        facts["motive"],
        facts["for_acquisition"],
        paris(facts["va_deposited_at"]),
        frozenset(facts["pieces"]),
    )
