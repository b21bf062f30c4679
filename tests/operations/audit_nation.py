"""A small nation drawn at random, written past the guards, and what a naive loop finds in it.

The loop reads whole rows and asks the pure rules pair by pair, with the dates as they are: it shares neither
the statements of the audit nor its signatures.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import combinations, permutations
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from sons_tracker.operations.cases import registered_grant
from sons_tracker.rules.case import Grant, SonsOrder
from sons_tracker.rules.crossing import grant_state, phase_of
from sons_tracker.rules.crossing_pair import pair_finding, situations
from sons_tracker.rules.double_funding import (
    PlaceNow,
    acquisition_after,
    one_place_two_numbers,
    perimeter_now,
    second_grant,
    second_order,
)
from sons_tracker.rules.families import pair_key
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Finding, Outcome, severity
from tests import factories_orders as make
from tests.factories import with_key

PARIS = ZoneInfo("Europe/Paris")
AT = datetime(2025, 6, 1, 10, 0, tzinfo=PARIS)
KNOWN_ON = AT.date()
FIRST_STOCK, SECOND_STOCK = date(2022, 1, 3), date(2023, 1, 3)
LIVE = ("submitted", "waiting_referencing", "to_review", "to_correct", "validated", "settled")

Found = dict[tuple[str, str], dict[str, set[tuple[str, str]]]]
"""(family, pair key) → ESSMS → (rule, outcome)."""


@dataclass(slots=True)
class Nation:
    """Its rows as they were written."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    recoveries: list[dict[str, Any]] = field(default_factory=list)
    cancellations: list[dict[str, Any]] = field(default_factory=list)
    soldes: list[dict[str, Any]] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    successions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def numbers(self) -> list[str]:
        return sorted({place["finess_geographique"] for place in self.places})


class _Draw:
    """Draws the rows of a nation from one deposited order, the model of the others."""

    def __init__(self, seed: int, model: dict[str, Any], line: dict[str, Any], person: UUID) -> None:
        self.random = random.Random(seed)
        self.model, self.line, self.person = model, line, str(person)
        self.nation = Nation()
        self.lines: list[dict[str, Any]] = []
        self.held: set[str] = set()
        self.ogs = [with_key(f"9700{seed % 100:02d}{n:02d}") for n in range(5)]
        self.numbers = [with_key(f"97{seed % 100:02d}{n:04d}") for n in range(90)]
        self.at_home = {number: self.random.choice(self.ogs) for number in self.numbers}

    def uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def day(self, since: date = date(2022, 2, 20), days: int = 700) -> date:
        return since + timedelta(days=self.random.randrange(days))

    def draw(self) -> Nation:
        for number in self.numbers:
            self.place(number)
        for n in range(140):
            self.order(n)
        for n in range(240):
            self.grant(n)
        for first, second in self.random.sample(list(permutations(self.numbers, 2)), 60):
            self.succession(first, second)
        return self.nation

    def place(self, number: str) -> None:
        """One row, or two when the second stock changed it, or one that ends when it lost it."""
        first = {
            "finess_geographique": number,
            "valid_from": FIRST_STOCK.isoformat(),
            "valid_to": None,
            "finess_juridique": self.at_home[number],
            "name": "ESSMS (fictif)",
            "category": "500",
            "aggregate": "4400",
            "departement": "75",
            "in_service": True,
        }
        if self.random.random() < 0.4:
            first["valid_to"] = SECOND_STOCK.isoformat()
            if self.random.random() < 0.8:
                category, aggregate = self.random.choice(
                    [
                        ("500", "4400"),
                        ("500", "4400"),
                        ("183", "4100"),
                        ("177", "4500"),
                        ("214", "4600"),
                        ("999", None),
                    ]
                )
                self.nation.places.append(
                    first
                    | {
                        "valid_from": SECOND_STOCK.isoformat(),
                        "valid_to": None,
                        "finess_juridique": self.random.choice([self.at_home[number], *self.ogs, None]),
                        "category": category,
                        "aggregate": aggregate,
                        "in_service": self.random.random() < 0.7,
                    }
                )
        self.nation.places.append(first)

    def order(self, n: int) -> None:
        state = self.random.choice([*LIVE, *LIVE, "settled", *["cancelled"] * 4, "lapsed", *["rejected"] * 4])
        signed = self.day(days=500)
        essms = self.random.sample(self.numbers, self.random.randint(1, 4))
        if state in LIVE:
            essms = [number for number in essms if number not in self.held]
            if not essms:
                return
        order = self.model | {
            "id": self.uuid(),
            "number": f"BC-2099-{n:06d}",
            "state": state,
            "decision": "refused" if state == "rejected" else "accepted",
            "solution": self.random.choice(["A", "B", None]),
            "signed_on": signed.isoformat(),
            "og_finess_juridique": self.at_home[essms[0]],
            "extraction_on": self.random.choice([FIRST_STOCK, FIRST_STOCK, SECOND_STOCK]).isoformat(),
            "ordered": len(essms),
            "verdicts": self.verdicts(essms) if state == "rejected" else [],
        }
        self.nation.orders.append(order | {"essms": essms})
        for number in essms:
            self.lines.append(self.line | {"order_id": order["id"], "finess_geographique": number})
        if state != "rejected":
            self.claim(order, essms)
        if state == "cancelled":
            self.cancellation(order, signed)

    def verdicts(self, essms: list[str]) -> list[dict[str, Any]]:
        named = self.random.sample(essms, self.random.randint(1, len(essms)))
        failed = [{"rule": "R05", "outcome": "fail", "essms": sorted(named)}]
        if self.random.random() < 0.3:
            failed.append({"rule": "R36", "outcome": "fail", "essms": essms[:1]})
        return failed if self.random.random() < 0.9 else failed[1:]

    def claim(self, order: dict[str, Any], essms: list[str]) -> None:
        """Live orders hold all but what was removed; others let go, unless an advance is out."""
        owed = order["state"] in {"cancelled", "lapsed"} and self.random.random() < 0.4
        issued = owed and self.random.random() < 0.5
        for number in essms:
            reason = None
            if order["state"] in LIVE:
                reason = "removed_from_perimeter" if self.random.random() < 0.05 else None
            elif issued:
                reason = "recovered"
            elif not owed or number in self.held:
                reason = order["state"]
            if reason is None:
                self.held.add(number)
            self.nation.claims.append(
                {
                    "id": len(self.nation.claims) + 1_000_000,
                    "vague": "V1",
                    "finess_geographique": number,
                    "holder_kind": "order",
                    "holder_id": order["id"],
                    "supplier_id": order["supplier_id"],
                    "og_id": order["og_id"],
                    "claimed_at": "2023-01-10T10:00:00Z",
                    "released_at": None if reason is None else "2023-05-10T10:00:00Z",
                    "release_reason": reason,
                }
            )
        if issued:
            back = self.random.random() < 0.5
            self.nation.recoveries.append(
                {
                    "id": self.uuid(),
                    "number": f"OR-2099-{len(self.nation.recoveries):06d}",
                    "order_id": order["id"],
                    "payment_id": self.uuid(),
                    "supplier_id": order["supplier_id"],
                    "og_id": order["og_id"],
                    "amount_ttc_cents": 100,
                    "reason": "cancelled",
                    "source": "test",
                    "opened_at": "2023-05-10T10:00:00Z",
                    "issued_at": "2023-05-10T10:00:00Z",
                    "issued_by": None,
                    "recovered_at": "2023-06-10T10:00:00Z" if back else None,
                    "bank_reference": f"R{len(self.nation.recoveries)}" if back else None,
                }
            )

    def cancellation(self, order: dict[str, Any], signed: date) -> None:
        motive = self.random.choice(["supplier_error", "renunciation", "acquisition"])
        day = self.random.choice([signed + timedelta(days=400), date(2025, 4, 16), date(2025, 5, 2)])
        at = datetime(day.year, day.month, day.day, 15, tzinfo=PARIS).isoformat()
        for_acquisition = True if motive == "acquisition" else self.random.choice([True, False, None])
        self.nation.cancellations.append(
            {
                "id": self.uuid(),
                "order_id": order["id"],
                "supplier_id": order["supplier_id"],
                "og_id": order["og_id"],
                "number": 1,
                "state": "carried_out",
                "version": 1,
                "motive": motive,
                "for_acquisition": for_acquisition,
                "required": ["statement"],
                "document": None,
                "document_sha256": None,
                "asked_at": at,
                "asked_by": self.person,
                "asked_for": order["supplier_id"],
                "asked_role": "editor",
                "answer_due_at": None,
                "cancelled_at": at,
                "verdicts": [],
                "law_digest": order["law_digest"],
                "known_on": KNOWN_ON.isoformat(),
                "closed_at": at,
                "closed_by": self.person,
                "closed_role": "editor",
                "reason": None,
            }
        )
        if self.random.random() < 0.3:
            self.nation.soldes.append(
                {
                    "id": self.uuid(),
                    "order_id": order["id"],
                    "supplier_id": order["supplier_id"],
                    "og_id": order["og_id"],
                    "kind": "solde",
                    "state": "requested",
                    "version": 1,
                    "va_id": self.uuid(),
                    "invoice_id": self.uuid(),
                    "received_at": f"{self.day(date(2022, 9, 1), 900).isoformat()}T10:00:00Z",
                }
            )

    def grant(self, n: int) -> None:
        state = self.random.choice(
            ["agreed", "agreed", "first_paid", "paid", "requested", "rejected", "abandoned", "recovered"]
        )
        project = self.random.choice(["acquisition", "upgrade"])
        components = self.random.sample(["usage", "equipment", "hardware", "amoa"], self.random.randint(1, 3))
        late = self.random.random() < 0.3
        after = self.random.choice([date(2025, 5, 2), self.day(date(2025, 4, 15), 40)])
        requested = after if late else self.day(date(2022, 2, 1), 1200)
        agreed = requested + timedelta(days=self.random.randrange(200))
        row: dict[str, Any] = {
            "grant_reference": f"G{n // 2:04d}",
            "finess_geographique": self.numbers[(n * 7) % len(self.numbers)]
            if n % 2
            else self.random.choice(self.numbers),
            "valid_from": FIRST_STOCK.isoformat(),
            "valid_to": self.random.choice([None, None, None, "2024-06-01"]),
            "call_year": self.random.choice([2021, 2022, 2022, 2023]),
            "project": project,
            "components": components,
            "solution": self.random.choice(["A", "B", None]),
            "dui_referenced": self.random.choice([True, False, None]),
            "state": state,
            "requested_on": requested.isoformat() if self.random.random() < 0.8 else None,
            "usage_cents": 500_000,
            "equipment_cents": None,
        }
        if state != "requested" and self.random.random() < 0.8:
            row["agreed_on"] = agreed.isoformat()
        if state == "abandoned" and self.random.random() < 0.5:
            row["first_paid_on"] = (agreed + timedelta(days=20)).isoformat()
        row.setdefault(f"{state}_on", (agreed + timedelta(days=40)).isoformat())
        row[f"{state}_on"] = row[f"{state}_on"] or requested.isoformat()
        taken = {(g["grant_reference"], g["finess_geographique"]) for g in self.nation.grants}
        if (row["grant_reference"], row["finess_geographique"]) not in taken:
            self.nation.grants.append(row)

    def succession(self, first: str, second: str) -> None:
        state = self.random.choice(["probable", "confirmed", "dismissed"])
        decided = state != "probable"
        self.nation.successions.append(
            {
                "id": self.uuid(),
                "predecessor": first,
                "successor": second,
                "kind": self.random.choice(["merger", "split", "move", "renumbering"]),
                "score": 80,
                "reasons": ["même SIRET"],
                "earlier_on": FIRST_STOCK.isoformat(),
                "later_on": SECOND_STOCK.isoformat(),
                "state": state,
                "found_at": "2023-01-10T10:00:00Z",
                "decided_at": "2023-02-10T10:00:00Z" if decided else None,
                "decided_by": None,
                "reason": "test" if decided else None,
            }
        )


async def draw(owner: asyncpg.Connection, seed: int) -> Nation:
    """Draws a nation and writes it as a superuser, past triggers and foreign keys."""
    await make.prepare_instance()
    seeded = make.Everything()
    editor, _, view = await make.an_accepted_order(seeded)
    await make.an_extraction(seeded, on=SECOND_STOCK)
    key = make.id_of(view)
    model = await owner.fetchval("select to_jsonb(o) from sons.purchase_order o where id = $1", key)
    line = await owner.fetchval("select to_jsonb(l) from sons.order_line l where order_id = $1", key)
    assert editor.actor.person_id is not None
    drawn = _Draw(seed, model, line, editor.actor.person_id)
    nation = drawn.draw()
    await owner.execute("set session_replication_role = replica")
    tables = {
        "establishment": nation.places,
        "purchase_order": [{k: v for k, v in row.items() if k != "essms"} for row in nation.orders],
        "order_line": drawn.lines,
        "claim": nation.claims,
        "recovery": nation.recoveries,
        "cancellation": nation.cancellations,
        "financing_request": nation.soldes,
        "esms_grant": nation.grants,
        "succession": nation.successions,
    }
    for table, rows in tables.items():
        if not rows:
            continue
        columns = ", ".join(dict.fromkeys(name for row in rows for name in row))
        await owner.execute(
            f"insert into sons.{table} ({columns}) overriding system value"
            f" select {columns} from jsonb_populate_recordset(null::sons.{table}, $1)",
            rows,
        )
    await owner.execute("set session_replication_role = default")
    return nation


def naive(nation: Nation, law: Law) -> Found:
    """Every conflict of the nation, pair by pair."""
    found: Found = defaultdict(lambda: defaultdict(set))
    for family, key, number, rule, finding in (
        *_orders_and_grants(nation, law),
        *_cancelled(nation, law),
        *_two_orders(nation),
        *_two_grants(nation, law),
        *_two_numbers(nation),
        *_perimeters(nation, law),
    ):
        if finding.outcome in {Outcome.FAIL, Outcome.REVIEW, Outcome.UNKNOWN}:
            found[family, key][number].add((rule, finding.outcome.value))
    return {key: dict(essms) for key, essms in found.items()}


_One = tuple[str, str, str, str, Finding]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _grant(row: dict[str, Any]) -> tuple[Grant, date | None]:
    names = ("agreed_on", "first_paid_on", "paid_on")
    whole = row | {name: _day(row.get(name)) for name in names}
    return registered_grant(whole), _day(row.get("requested_on"))


def _current(nation: Nation) -> list[dict[str, Any]]:
    return [row for row in nation.grants if row["valid_to"] is None]


def _orders_and_grants(nation: Nation, law: Law) -> Iterator[_One]:
    orders = {order["id"]: order for order in nation.orders}
    owed = {r["order_id"] for r in nation.recoveries if r["recovered_at"] is None}
    vague = law.vagues["V1"]
    for claim in nation.claims:
        order = orders[claim["holder_id"]]
        recovering = claim["release_reason"] == "recovered" and order["id"] in owed
        if claim["released_at"] is not None and not recovering:
            continue
        signed = date.fromisoformat(order["signed_on"])
        live = order["state"] in LIVE
        sons = SonsOrder(order["number"], order["solution"], signed, live, None, None, None, not live)
        for row in _current(nation):
            if row["finess_geographique"] != claim["finess_geographique"]:
                continue
            grant, requested = _grant(row)
            phase = phase_of(law.calls, grant.year, KNOWN_ON)
            act = requested if grant_state(grant) == "demande" else grant.agreed_on
            on = max(signed, act or signed)
            answers = [
                pair_finding(vague, situation, on, KNOWN_ON)
                for situation in situations(sons, grant, requested, phase)
            ]
            rule, finding = max(answers, key=lambda answer: severity(answer[1].outcome))
            key = pair_key(f"order:{order['id']}", f"grant:{grant.reference}")
            yield "order_grant", key, row["finess_geographique"], rule, finding


def _cancelled(nation: Nation, law: Law) -> Iterator[_One]:
    orders = {order["id"]: order for order in nation.orders}
    deposited = {row["order_id"]: datetime.fromisoformat(row["received_at"]) for row in nation.soldes}
    for cancelled in nation.cancellations:
        order = orders[cancelled["order_id"]]
        at = datetime.fromisoformat(cancelled["cancelled_at"])
        sons = SonsOrder(
            order["number"], order["solution"], date.fromisoformat(order["signed_on"]), False,
            deposited.get(order["id"]), at, cancelled["for_acquisition"], False,
        )  # fmt: skip
        for row in _current(nation):
            acts = [day for day in (row.get("requested_on"), row.get("agreed_on")) if day is not None]
            after = acts and max(acts) >= at.astimezone(PARIS).date().isoformat()
            if (
                row["finess_geographique"] not in order["essms"]
                or row["project"] != "acquisition"
                or not after
            ):
                continue
            grant, requested = _grant(row)
            on = requested or grant.agreed_on
            assert on is not None
            answer = acquisition_after(law, "V1", sons, grant, on, KNOWN_ON)
            if answer is not None:
                key = pair_key(f"order:{order['id']}", f"grant:{grant.reference}")
                yield "cancelled_then_acquisition", key, row["finess_geographique"], *answer


def _two_orders(nation: Nation) -> Iterator[_One]:
    orders = {order["id"]: order for order in nation.orders}
    for order in nation.orders:
        failed = {v["rule"]: v["essms"] for v in order["verdicts"]}
        if order["state"] != "rejected" or set(failed) != {"R05"}:
            continue
        for claim in nation.claims:
            if claim["released_at"] is None and claim["finess_geographique"] in failed["R05"]:
                holder = orders[claim["holder_id"]]
                settled = holder["state"] == "settled"
                key = pair_key(f"order:{order['id']}", f"order:{holder['id']}")
                family = "already_financed" if settled else "two_orders"
                yield family, key, claim["finess_geographique"], *second_order(settled)


def _two_grants(nation: Nation, law: Law) -> Iterator[_One]:
    for rows in combinations(_current(nation), 2):
        if len({row["finess_geographique"] for row in rows}) > 1 or (
            len({row["grant_reference"] for row in rows}) == 1
        ):
            continue
        ends = date.max

        def act(row: dict[str, Any], never: date = ends) -> tuple[date, str]:
            names = ("agreed_on", "first_paid_on", "paid_on", "requested_on")
            days = [day for name in names if (day := _day(row.get(name))) is not None]
            return (days[0] if days else never, row["grant_reference"])

        earlier, later = sorted(rows, key=act)
        on = act(later)[0]
        answer = second_grant(
            law, "V1", _grant(earlier)[0], _grant(later)[0], KNOWN_ON if on == ends else on, KNOWN_ON
        )
        key = pair_key(*(f"grant:{row['grant_reference']}" for row in rows))
        yield "two_grants", key, earlier["finess_geographique"], *answer


def _two_numbers(nation: Nation) -> Iterator[_One]:
    held = {c["finess_geographique"]: c["holder_id"] for c in nation.claims if c["released_at"] is None}
    for row in nation.successions:
        first, second = row["predecessor"], row["successor"]
        if row["state"] == "dismissed" or first not in held or second not in held:
            continue
        number = second if row["kind"] == "split" else first
        key = pair_key(f"order:{held[first]}", f"order:{held[second]}")
        answer = one_place_two_numbers(row["kind"], row["state"] == "confirmed")
        yield "two_numbers", key, number, *answer


def _perimeters(nation: Nation, law: Law) -> Iterator[_One]:
    orders = {order["id"]: order for order in nation.orders}
    now = {row["finess_geographique"]: row for row in nation.places if row["valid_to"] is None}
    for claim in nation.claims:
        order = orders[claim["holder_id"]]
        if claim["released_at"] is not None or order["state"] not in LIVE:
            continue
        if order["extraction_on"] >= SECOND_STOCK.isoformat():
            continue
        row = now.get(claim["finess_geographique"])
        if row is not None and row["valid_from"] <= order["extraction_on"]:
            continue
        moved = row is not None and row["finess_juridique"] not in {None, order["og_finess_juridique"]}
        place = PlaceNow(
            SECOND_STOCK,
            row is not None,
            row is not None and row["in_service"],
            row["finess_juridique"] if row is not None and moved else None,
            "" if row is None else row["category"],
            None if row is None else row["aggregate"],
        )
        signed = date.fromisoformat(order["signed_on"])
        for rule, finding in perimeter_now(law, order["dispositif"], place, signed, KNOWN_ON):
            key = pair_key(f"order:{order['id']}")
            yield "perimeter_differs", key, claim["finess_geographique"], rule, finding
