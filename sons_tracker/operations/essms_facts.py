"""What happened to one ESSMS, fact by fact, as far as the reader may see: the first half of an explanation.

Every statement reads what row-level security gives the reader: an OG its own ESSMS, a supplier its own acts,
the agencies all. A fact has two dates, the one that it speaks of and the one on which it was known here: what
was learnt after a decision explains why the law would answer otherwise today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.operations.requests import known_on
from sons_tracker.rules.families import FAMILIES
from sons_tracker.rules.french import PARIS, date_fr, instant_fr
from sons_tracker.rules.lifecycle import CONFLICT_WORDS, ORDER_WORDS
from sons_tracker.rules.succession import KIND_WORDS

GRANT_WORDS = {
    "requested": "demandé", "agreed": "accordé", "first_paid": "payé en partie", "vsr": "en service régulier",
    "paid": "payé", "rejected": "refusé", "abandoned": "abandonné", "withdrawn": "retiré",
    "recovered": "recouvré",
}  # fmt: skip
PROJECT_WORDS = {"acquisition": "acquisition", "upgrade": "mise en conformité"}
COMPONENT_WORDS = {
    "usage": "usage", "equipment": "équipement", "hardware": "matériel", "amoa": "conduite de projet",
}  # fmt: skip
_DECIDED = {
    "maintained": "les deux actes sont maintenus", "one_refused": "un acte est refusé",
    "both_refused": "les deux actes sont refusés", "dismissed": "le dossier est classé sans suite",
}  # fmt: skip
_RELEASED = {
    "rejected": "commande rejetée", "lapsed": "commande caduque", "cancelled": "commande annulée",
    "recovered": "avance à recouvrer", "expired": "réservation expirée", "decided": "décision d'un conflit",
    "removed_from_perimeter": "ESSMS retiré de la commande", "converted": "réservation devenue commande",
}  # fmt: skip

_HELD = {
    "order": ("claim", "engagé"),
    "reservation": ("reservation", "réservé"),
    "succession": ("claim", "tenu avec le numéro qui lui succède,"),
}
_REGISTER = """
select finess_geographique as finess, valid_from, valid_to, finess_juridique, name, category, in_service
from establishment where finess_geographique = any($1) order by valid_from
"""
_HOLDS = """
select c.finess_geographique as finess, c.holder_kind, c.vague, c.claimed_at, c.released_at,
       c.release_reason, o.id as order_id, coalesce(o.number, r.number) as number
from claim c left join purchase_order o on o.id = c.holder_id left join reservation r on r.id = c.holder_id
where c.finess_geographique = any($1) and ($2::text is null or c.vague = $2) order by c.claimed_at, c.id
"""
_ORDERS = """
select l.finess_geographique as finess, o.id, o.number, o.state, o.signed_on, o.received_at, o.dispositif,
       o.solution_version
from order_line l join purchase_order o on o.id = l.order_id
where l.finess_geographique = any($1) and ($2::text is null or o.vague = $2) order by o.received_at, o.id
"""
_GRANTS = """
select g.*, g.finess_geographique as finess from esms_grant g where g.finess_geographique = any($1)
order by g.valid_from, g.grant_reference
"""
_SUCCESSIONS = """
select n.finess, s.predecessor, s.successor, s.kind, s.later_on, s.state, s.found_at, s.decided_at
from unnest($1::text[]) as n (finess) join succession s on n.finess in (s.predecessor, s.successor)
where s.state <> 'dismissed' order by s.later_on, s.predecessor, s.successor
"""
_CONFLICTS = """
select n.finess, c.id, c.number, c.family, c.state, c.opened_at, d.outcome, d.approved_at, d.notice
from unnest($1::text[]) as n (finess)
join conflict c on exists (select from conflict_essms e where e.conflict_id = c.id
                           and n.finess in (e.finess_geographique, e.counterpart))
left join conflict_decision d on d.conflict_id = c.id and d.dropped_at is null
  and d.approved_at is not null
where ($2::text is null or c.vague = $2)
order by c.opened_at, c.id
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is said of the ESSMS, or that happened to it, in a French sentence.

    `kind`: register, succession, order, claim, reservation, grant, conflict or decision. `on` is the day that
    it speaks of, `until` the one on which it stopped being so, `learnt_at` since when it is known.
    """

    on: date
    kind: str
    text: str
    until: date | None
    learnt_at: datetime
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A claim on the ESSMS that the reader may see; live while `released_at` is None."""

    kind: str
    number: str | None
    order_id: UUID | None
    claimed_at: datetime
    released_at: datetime | None

    def at(self, instant: datetime) -> bool:
        """Whether it held the ESSMS at that instant."""
        return self.claimed_at <= instant and (self.released_at is None or self.released_at > instant)


@dataclass(frozen=True, slots=True)
class CaseOfEssms:
    """A case of double funding that speaks of the ESSMS."""

    id: UUID
    number: str
    family: str
    label: str
    state: str
    decided_on: date | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Chain:
    """The facts about one ESSMS in their order, and what of them is read again by the rules."""

    facts: tuple[Fact, ...]
    orders: tuple[asyncpg.Record, ...]
    holds: tuple[Hold, ...]
    grants: tuple[asyncpg.Record, ...]
    conflicts: tuple[CaseOfEssms, ...]
    attached_to: frozenset[str]
    """The OG that the register ever attached it to, by their FINESS juridiques."""


async def read_chain(con: asyncpg.Connection, finess: str, vague: str | None) -> Chain:
    """Everything that the reader of `con` may see about an ESSMS, in one vague or in all, by date."""
    return (await read_chains(con, [finess], vague))[finess]


async def read_chains(con: asyncpg.Connection, numbers: Sequence[str], vague: str | None) -> dict[str, Chain]:
    """The same of several ESSMS, in six statements; each has its chain, be it empty."""
    asked = list(numbers)
    read = {
        "register": await con.fetch(_REGISTER, asked),
        "orders": await con.fetch(_ORDERS, asked, vague),
        "holds": await con.fetch(_HOLDS, asked, vague),
        "grants": await con.fetch(_GRANTS, asked),
        "successions": await con.fetch(_SUCCESSIONS, asked),
        "conflicts": await con.fetch(_CONFLICTS, asked, vague),
    }
    found: dict[str, dict[str, list[asyncpg.Record]]] = {n: {name: [] for name in read} for n in asked}
    for name, rows in read.items():
        for row in rows:
            found[row["finess"]][name].append(row)
    return {number: _chain(**rows) for number, rows in found.items()}


def _chain(
    register: list[Any],
    orders: list[Any],
    holds: list[Any],
    grants: list[Any],
    successions: list[Any],
    conflicts: list[Any],
) -> Chain:
    facts = [
        *(_registered(row) for row in register),
        *(_ordered(row) for row in orders),
        *(fact for row in holds for fact in _held(row)),
        *(_granted(row) for row in grants),
        *(_succeeded(row) for row in successions),
        *(fact for row in conflicts for fact in _opposed(row)),
    ]
    facts.sort(key=lambda fact: (fact.on, fact.learnt_at))
    return Chain(
        tuple(facts),
        tuple(orders),
        tuple(
            Hold(row["holder_kind"], row["number"], row["order_id"], row["claimed_at"], row["released_at"])
            for row in holds
        ),
        tuple(grants),
        tuple(_case(row) for row in conflicts),
        frozenset(row["finess_juridique"] for row in register if row["finess_juridique"] is not None),
    )


def grant_words(row: Any) -> str:
    """`acquisition 2022 (équipement, usage)`: what a grant pays for."""
    components = ", ".join(COMPONENT_WORDS[word] for word in sorted(row["components"]))
    return f"{PROJECT_WORDS[row['project']]} {row['call_year']} ({components})"


def first_instant(day: date) -> datetime:
    """The first instant of a day in Paris: what an extraction of that day says is known from then on."""
    return datetime.combine(day, time.min, PARIS)


def grant_day(row: Any) -> date:
    """The day of the state of a grant; the database holds that it has one."""
    day: date = row[f"{row['state']}_on"]
    return day


def _registered(row: Any) -> Fact:
    service = "en service" if row["in_service"] else "fermé"
    og = "à aucun OG" if row["finess_juridique"] is None else f"à l'OG {row['finess_juridique']}"
    text = f"Le répertoire rattache « {row['name']} » {og} : catégorie {row['category']}, {service}."
    return Fact(row["valid_from"], "register", text, row["valid_to"], first_instant(row["valid_from"]))


def _ordered(row: Any) -> Fact:
    text = (
        f"La commande {row['number']} ({row['dispositif']}, version {row['solution_version']}), signée le"
        f" {date_fr(row['signed_on'])}, est déposée le {instant_fr(row['received_at'])} ; elle est"
        f" {ORDER_WORDS[row['state']]}."
    )
    return Fact(row["signed_on"], "order", text, None, row["received_at"], row["number"])


def _held(row: Any) -> tuple[Fact, ...]:
    who = "L'ESSMS" if row["number"] is None else f"{row['number']} : l'ESSMS"
    day = known_on(row["claimed_at"])
    until = None if row["released_at"] is None else known_on(row["released_at"])
    kind, word = _HELD[row["holder_kind"]]
    taken = Fact(
        day,
        kind,
        f"{who} est {word} dans la vague « {row['vague']} ».",
        until,
        row["claimed_at"],
        row["number"],
    )
    if until is None:
        return (taken,)
    reason = _RELEASED[row["release_reason"]]
    return taken, Fact(until, kind, f"{who} est libéré : {reason}.", None, row["released_at"], row["number"])


def _granted(row: Any) -> Fact:
    software = "" if row["solution"] is None else f", logiciel {row['solution']}"
    text = (
        f"Le financement ESMS numérique {row['grant_reference']} ({grant_words(row)}{software}) est"
        f" {GRANT_WORDS[row['state']]}."
    )
    learnt = first_instant(row["valid_from"])
    return Fact(grant_day(row), "grant", text, row["valid_to"], learnt, row["grant_reference"])


def _succeeded(row: Any) -> Fact:
    word = "succède à" if row["state"] == "confirmed" else "succède probablement à"
    text = f"Le numéro {row['successor']} {word} {row['predecessor']} ({KIND_WORDS[row['kind']]})."
    learnt = row["decided_at"] or row["found_at"]
    return Fact(row["later_on"], "succession", text, None, learnt, f"{row['predecessor']}-{row['successor']}")


def _case(row: Any) -> CaseOfEssms:
    decided = None if row["approved_at"] is None else known_on(row["approved_at"])
    outcome = None if row["outcome"] is None else _DECIDED[row["outcome"]]
    label = FAMILIES[row["family"]].label
    return CaseOfEssms(row["id"], row["number"], row["family"], label, row["state"], decided, outcome)


def _opposed(row: Any) -> tuple[Fact, ...]:
    day = known_on(row["opened_at"])
    label = FAMILIES[row["family"]].label
    opened = Fact(
        day,
        "conflict",
        f"Le dossier {row['number']} est ouvert : {label} ; il est « {CONFLICT_WORDS[row['state']]} ».",
        None,
        row["opened_at"],
        row["number"],
    )
    if row["approved_at"] is None:
        return (opened,)
    on = known_on(row["approved_at"])
    text = f"Le dossier {row['number']} est décidé : {_DECIDED[row['outcome']]}. {row['notice']}"
    return opened, Fact(on, "decision", text, None, row["approved_at"], row["number"])
