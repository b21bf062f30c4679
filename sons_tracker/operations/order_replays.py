"""What the law said of an order on an ESSMS, and would say now: read again, assessed again, set side by side.

Three modes: `decided`, what was stored at the deposit; `today`, today's facts under today's law; `known`,
today's facts under the law as it was known on a day. All three speak with the sight of the order's own
supplier, so that a difference comes from the facts or from the law and never from who is asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

import asyncpg

from sons_tracker.db.engine import RowContext, see_as
from sons_tracker.operations.actors import Actor
from sons_tracker.operations.cases import load_case
from sons_tracker.operations.essms_facts import Chain, Fact, Hold, first_instant
from sons_tracker.operations.requests import OrderRequest, RequestedEssms, known_on
from sons_tracker.operations.views import OrderView, VerdictView, seen_by, verdict_from_row, verdict_view
from sons_tracker.rules.assessment import Assessment, assess
from sons_tracker.rules.case import Case
from sons_tracker.rules.french import PARIS
from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique
from sons_tracker.rules.texts import Law
from sons_tracker.rules.verdicts import Outcome, severity

DECIDED, TODAY, KNOWN = "decided", "today", "known"
MODES = (DECIDED, TODAY, KNOWN)
_FINANCED_ONCE = "R05"
_ENGAGED_KINDS = ("claim", "reservation", "succession")
# The facts that a rule reads, by their kind in the chain: what is learnt of them later changes its answer. A
# test holds this table and the next to the rules.
FACTS_OF_RULE: Mapping[str, tuple[str, ...]] = {
    "R04": ("order",),
    "R05": _ENGAGED_KINDS,
    "R06": ("order",),
    "R08": ("register",),
    "R10": ("register",),
    "R25": ("grant",),
    "R26": ("grant",),
    "R27": ("grant",),
    "R36": ("register",),
    "R37": ("register",),
}
# The values of the law that a rule reads, itself or in the facts of the file, by the last word of their name.
VERSIONS_OF_RULE: Mapping[str, tuple[str, ...]] = {
    "R02": ("extraction",),
    "R08": ("categories", "extraction"),
    "R09": ("extraction",),
    "R10": ("ouverture", "publication", "domaines", "extraction"),
    "R12": ("delai_referencement",),
    "R13": ("bareme", "base_de_comptage", "extraction"),
    "R14": ("bareme", "base_de_comptage", "extraction"),
    "R20": ("fermeture",),
    "R25": ("croisement_commande",),
    "R26": ("croisement_commande",),
    "R27": ("croisement_commande",),
    "R36": ("extraction",),
    "R37": ("domaines", "extraction"),
}
_READ = """
select o.*, s.kind as supplier_kind from purchase_order o
join organisation s on s.id = o.supplier_id where o.id = $1
"""


@dataclass(frozen=True, slots=True)
class AppliedVersion:
    """A value of the law that was applied: from when, and published when."""

    name: str
    depuis: str
    publie_le: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What the law says of an order and one ESSMS in one mode: verdicts on it, and on the whole order."""

    mode: str
    known_on: date
    law_digest: str
    facts_at: datetime
    verdicts: tuple[VerdictView, ...]
    applied: tuple[AppliedVersion, ...]

    @property
    def outcome(self) -> str:
        """The most severe answer."""
        return max((v.outcome for v in self.verdicts), key=lambda word: severity(Outcome(word)))


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A value of the law that is not the same in two replays; None where there was none."""

    name: str
    before: AppliedVersion | None
    after: AppliedVersion | None


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule that answers otherwise, with the facts that explain it and the versions that changed."""

    rule: str
    before: str | None
    after: str | None
    message_before: str | None
    message_after: str | None
    facts: tuple[Fact, ...]
    versions: tuple[VersionChange, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two replays side by side, rule by rule; `versions` are all those that changed."""

    before: str
    after: str
    rules: tuple[RuleChange, ...]
    versions: tuple[VersionChange, ...]


async def read_order_row(con: asyncpg.Connection, actor: Actor, order_id: UUID) -> asyncpg.Record:
    """An order that `actor` was found to see, with the kind of its supplier, which its OG cannot read."""
    await see_as(con, RowContext(None, "admin"))
    row = await con.fetchrow(_READ, order_id)
    await see_as(con, actor.context)
    return row


async def replay(
    con: asyncpg.Connection,
    actor: Actor,
    row: asyncpg.Record,
    finess: str,
    chain: Chain,
    mode: str,
    law: Law,
    at: datetime,
    law_known_on: date,
) -> Replay:
    """One order (`read_order_row`) in one mode, as `actor` may see it; `at` is the business instant."""
    if mode == DECIDED:
        verdicts = [verdict_from_row(one) for one in row["verdicts"]]
        applied = [AppliedVersion(one["name"], one["depuis"], one["publie_le"]) for one in row["applied"]]
        facts_at, known, digest = row["received_at"], row["known_on"], row["law_digest"]
    else:
        known = known_on(at) if mode == TODAY else law_known_on
        assessment = await _assess_again(con, actor, row, law, at, known)
        verdicts = [verdict_view(one) for one in assessment.verdicts]
        applied = [
            AppliedVersion(v.name, v.depuis.isoformat(), v.publie_le.isoformat()) for v in assessment.applied
        ]
        facts_at, digest = at, law.digest
    # set apart before anything is hidden: an answer that hides its facts still speaks of this ESSMS alone
    touching = [replace(v, essms=(str(finess),) if v.essms else ()) for v in verdicts if _touches(v, finess)]
    told = seen_by(_as_view(row, touching), actor).verdicts
    return Replay(
        mode,
        known,
        digest,
        facts_at,
        tuple(_named(one, chain.holds, facts_at, row) for one in told),
        tuple(applied),
    )


def compare(before: Replay, after: Replay, chain: Chain, number: str) -> Difference:
    """What two replays of the order `number` do not say alike, and why, as far as the reader sees why.

    An order's own acts explain nothing: it is no obstacle to itself.
    """
    old, new = ({v.name: v for v in one.applied} for one in (before, after))
    versions = tuple(
        VersionChange(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )
    was, now = ({v.rule: v for v in _worst_last(one.verdicts)} for one in (before, after))
    others = tuple(fact for fact in chain.facts if fact.reference != number)
    learnt = tuple(fact for fact in others if _between(fact, before, after))
    rules = []
    for rule in sorted(was.keys() | now.keys()):
        earlier, later = was.get(rule), now.get(rule)
        if _same(earlier, later):
            continue
        names = VERSIONS_OF_RULE.get(rule, ())
        moved = tuple(one for one in versions if one.name.rpartition(".")[2] in names)
        rules.append(
            RuleChange(
                rule,
                None if earlier is None else earlier.outcome,
                None if later is None else later.outcome,
                None if earlier is None else earlier.message,
                None if later is None else later.message,
                _reasons(rule, learnt, () if moved else others),
                moved,
            )
        )
    return Difference(before.mode, after.mode, tuple(rules), versions)


def _reasons(rule: str, learnt: Sequence[Fact], otherwise: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts that the rule reads and that were learnt in between. When there are none, all that it reads:
    a file may be imported long after the day that it speaks of, and carries that day only."""
    kinds = FACTS_OF_RULE.get(rule, ())
    found = tuple(fact for fact in learnt if fact.kind in kinds)
    return found or tuple(fact for fact in otherwise if fact.kind in kinds)


def instant_of(day: date) -> datetime:
    """The last instant of a day in Paris: what is known on that day is known then."""
    return datetime.combine(day, time.max, PARIS)


async def _assess_again(
    con: asyncpg.Connection, actor: Actor, row: asyncpg.Record, law: Law, at: datetime, known: date
) -> Assessment:
    """The order under the law as known on `known`, with the facts of `at`, seen as its supplier sees them."""
    lines = await con.fetch(
        "select finess_geographique, asked_ttc_cents, dui_in_place from order_line where order_id = $1"
        " order by 1",
        row["id"],
    )
    request = _request(row, lines)
    supplier = Actor(None, row["supplier_id"], row["supplier_kind"], None, "system")
    await see_as(con, supplier.context)
    try:
        case = await load_case(con, supplier, request, law, at)
        if known != known_on(at):
            named = await load_case(con, supplier, request, law, instant_of(known))
            case = _in_the_register_of(case, named)
    finally:
        await see_as(con, actor.context)
    return assess(_without_itself(case, row), law, row["signed_on"], known)


def _request(row: asyncpg.Record, lines: Iterable[Any]) -> OrderRequest:
    return OrderRequest(
        dispositif=row["dispositif"],
        og=FinessJuridique(row["og_finess_juridique"]),
        essms=tuple(
            RequestedEssms(FinessGeographique(n), asked, dui)
            for n, asked, dui in (tuple(one) for one in lines)
        ),
        solution_version=row["solution_version"],
        signed_on=row["signed_on"],
        already_equipped=row["already_equipped"],
        supplier_reference=row["supplier_reference"],
        order_document_sha256=None,
    )


def _in_the_register_of(case: Case, named: Case) -> Case:
    """Today's facts, read in the extraction that another law names."""
    places = {line.finess: line.establishment for line in named.lines}
    return replace(
        case,
        extraction=named.extraction,
        og_known=named.og_known,
        essms_of_og=named.essms_of_og,
        lines=tuple(replace(line, establishment=places[line.finess]) for line in case.lines),
    )


def _without_itself(case: Case, row: asyncpg.Record) -> Case:
    """An order is no obstacle to itself; it was received when it was."""
    number = row["number"]
    return replace(
        case,
        received_at=row["received_at"],
        other_orders=tuple(other for other in case.other_orders if other.number != number),
        lines=tuple(
            replace(
                line,
                engagements=None
                if line.engagements is None
                else tuple(one for one in line.engagements if one.order_number != number),
            )
            for line in case.lines
        ),
    )


def _touches(verdict: VerdictView, finess: str) -> bool:
    return not verdict.essms or finess in verdict.essms


def _as_view(row: asyncpg.Record, verdicts: list[VerdictView]) -> OrderView:
    """The order as a view of these verdicts alone, for the redaction that every answer goes through."""
    same = (
        "dispositif", "solution_version", "signed_on", "supplier_reference", "decision", "conditional",
        "tranche", "essms_of_og", "count_basis", "extraction_on", "ordered", "rate_ttc_cents",
        "total_ttc_cents", "advance_ttc_cents", "solde_ttc_cents", "law_digest", "known_on",
    )  # fmt: skip
    return OrderView(
        identity=None,
        og=row["og_finess_juridique"],
        lines=(),
        payments=(),
        deadlines=(),
        verdicts=tuple(verdicts),
        **{name: row[name] for name in same},
    )


def _named(verdict: VerdictView, holds: tuple[Hold, ...], at: datetime, row: asyncpg.Record) -> VerdictView:
    """R05 with the act that held the ESSMS then, where the reader sees it: `holds` are read as it."""
    if verdict.rule != _FINANCED_ONCE or verdict.outcome != Outcome.FAIL:
        return verdict
    holder = next((h.number for h in holds if h.at(at) and h.order_id != row["id"] and h.number), None)
    return verdict if holder is None else replace(verdict, facts={"holder": holder})


def _worst_last(verdicts: Iterable[VerdictView]) -> list[VerdictView]:
    return sorted(verdicts, key=lambda verdict: severity(Outcome(verdict.outcome)))


def _same(before: VerdictView | None, after: VerdictView | None) -> bool:
    """Two answers alike for whoever asks why: a pass is a pass, whichever list or extraction it names."""
    if before is None or after is None or before.outcome != after.outcome:
        return before is after
    return before.outcome == Outcome.PASS or before.message == after.message


def _between(fact: Fact, before: Replay, after: Replay) -> bool:
    """Whether a fact was learnt, or ended, between the facts of two replays, whichever came first."""
    early, late = sorted((before.facts_at, after.facts_at))
    ended = None if fact.until is None else first_instant(fact.until)
    return early < fact.learnt_at <= late or (ended is not None and early < ended <= late)
