"""The shape of the law once read: what each text fixes, as values over time.

The numbers themselves stand in `sons_tracker/law/*.toml`; the loader builds these objects. Rules
receive them as an argument and hold no number of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from sons_tracker.rules.parameters import Confiance, Etat, Parameter, Source


@dataclass(frozen=True, slots=True)
class Tranche:
    """One row of a barème: from `minimum` ESSMS of the OG on, `ttc_cents` per ESSMS ordered (a ceiling, C7).

    `ht_cents` is printed data where a text prints it, never derived.
    """

    code: str
    minimum: int
    ttc_cents: int
    ht_cents: int | None


@dataclass(frozen=True, slots=True)
class Bareme:
    """The tranches in rising order of `minimum`, the first starting at 1."""

    tranches: tuple[Tranche, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """From which day orders of these domaines can be financed; `forecast` when only announced."""

    domaines: tuple[str, ...]
    on: date
    forecast: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """A closing: the last day `on`, and the last instant `at` (aware, Europe/Paris, inclusive)."""

    on: date
    at: datetime


@dataclass(frozen=True, slots=True)
class Dispositif:
    """One couloir of one vague, e.g. `MS1-V1`, and everything its texts fix over time."""

    code: str
    label: str
    vague: str
    couloir: str
    domaines: tuple[str, ...]
    bareme: Parameter[Bareme]
    advance_percent: Parameter[int]
    categories: Parameter[frozenset[str]]
    publication: Parameter[tuple[Opening, ...]]
    ouverture: Parameter[tuple[Opening, ...]]
    fermeture: Parameter[Limit]
    cloture: Parameter[Limit]
    referencing_delay_days: Parameter[int]


@dataclass(frozen=True, slots=True)
class CountBasis:
    """On which ESSMS of the OG the tranche is read (C6): a code kept with the order, and the aggregates."""

    code: str
    aggregates: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a crossing table: the first row whose conditions all hold gives the verdict.

    A condition is a set of accepted words; an empty set accepts everything. `if_order_first` (table of the
    order) and `if_grant_first` (table of the grant) replace `outcome` when what is judged may be the earlier
    of the two acts (C13: the later one is refused).
    """

    component: frozenset[str]
    phase: frozenset[str]
    state: frozenset[str]
    software: frozenset[str]
    referenced: frozenset[str]
    outcome: str
    rule: str
    readings: tuple[str, ...]
    confiance: Confiance
    source: Source
    message: str
    remedy: str | None
    if_order_first: str | None
    if_grant_first: str | None


@dataclass(frozen=True, slots=True)
class InvoiceRules:
    """What an invoice must be: its VAT rate, and the share of the prestation that it bills, both per cent."""

    vat_percent: int
    share_percent: int


@dataclass(frozen=True, slots=True)
class ReservationTerms:
    """A reservation runs `days` calendar days, and may be renewed `renewals` times; a supplier holds at most
    `most_essms` ESSMS by reservations at once; one that it gave back, or let expire, it does not reserve
    again for `pause_days` calendar days."""

    days: int
    most_essms: int
    renewals: int
    pause_days: int


@dataclass(frozen=True, slots=True)
class ConflictTerms:
    """How a conflict is led: working days for the client to choose, for an ARS to give its opinion, and for
    the reviewer to examine; from `four_eyes_ttc_cents` at stake on, a second person approves the decision."""

    choice_days: int
    opinion_days: int
    examination_days: int
    four_eyes_ttc_cents: int


@dataclass(frozen=True, slots=True)
class AlertTerms:
    """When a usual pattern is shown: an OG within `margin` ESSMS of another tranche, a signer of `signer_ogs`
    OG or more, an account of `account_suppliers` companies or more, an order received before `opens` or from
    `closes` on (Paris). `points`: what each pattern weighs, from 0 to 100."""

    margin: int
    signer_ogs: int
    account_suppliers: int
    opens: time
    closes: time
    points: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """From `start` on (cents, working days, cases) so many points; the last step that is reached counts."""

    start: int
    points: int


@dataclass(frozen=True, slots=True)
class RiskTerms:
    """What the risk of a case is made of: points by family, by the worst outcome of its findings, and by
    steps of the money at stake and already out (cents), of its age (working days), of the other cases of its
    suppliers; `overdue`: an answer is late; `most_alerts`: what its alerts add at most."""

    families: Mapping[str, int]
    outcomes: Mapping[str, int]
    at_stake: tuple[Step, ...]
    paid: tuple[Step, ...]
    age: tuple[Step, ...]
    cases: tuple[Step, ...]
    overdue: int
    most_alerts: int


@dataclass(frozen=True, slots=True)
class RequestSchema:
    """What a request of one `kind` (`advance`, `solde`) must contain, from the aware instant `valid_from` on.

    `file` names the JSON Schema, `document` is its content. Schemas end by a later one of the same kind.
    """

    kind: str
    valid_from: datetime
    publie_le: date
    confiance: Confiance
    etat: Etat
    source: Source
    file: str
    document: Mapping[str, Any] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Vague:
    """What is common to the couloirs of one vague; an ESSMS is financed once per vague (R05).

    `reminder_days`: how many days before a deadline its reminders fall, from the earliest on.
    `answer_working_days`: the delay to answer a question of a reviewer. `order_mention`: the sentence that
    the order must bear. `cancellation_pieces`: the pieces that each motive of a cancellation requires.
    """

    code: str
    label: str
    extraction: Parameter[date]
    count_basis: Parameter[CountBasis]
    crossing_order: Parameter[tuple[Cell, ...]]
    crossing_grant: Parameter[tuple[Cell, ...]]
    cancellation_lock: Parameter[datetime]
    cancellation_pieces: Parameter[Mapping[str, tuple[str, ...]]]
    reminder_days: Parameter[tuple[int, ...]]
    answer_working_days: Parameter[int]
    reservation: Parameter[ReservationTerms]
    conflict: Parameter[ConflictTerms]
    alerts: Parameter[AlertTerms]
    risk: Parameter[RiskTerms]
    order_mention: Parameter[str]
    invoice: Parameter[InvoiceRules]
    request_schemas: tuple[RequestSchema, ...]


@dataclass(frozen=True, slots=True)
class Degressive:
    """Cents per ESSMS up to the threshold of the call, and cents per ESSMS beyond it."""

    first_cents: int
    beyond_cents: int


@dataclass(frozen=True, slots=True)
class SmallOg:
    """Additional ceilings of a small OG (at most `max_essms` ESSMS on its FINESS juridique), in cents."""

    max_essms: int
    hardware_cents: int
    procurement_cents: int | None
    project_cents: int | None


@dataclass(frozen=True, slots=True)
class Call:
    """The amounts of one year's call of ESMS numérique.

    A missing table means that the call does not pay that case. `sad_domaines`: domaines whose
    acquisitions go through the SAD, where an editor that is not referenced, and the help with
    procurement, are possible. `phase` is `amorcage` or `generalisation`.
    """

    year: int
    phase: str
    threshold: int
    max_essms: int | None
    usage_acquisition: Degressive | None
    equipment_referenced: Degressive | None
    equipment_not_referenced: Degressive | None
    usage_upgrade: Degressive | None
    equipment_upgrade: Degressive | None
    sad_domaines: frozenset[str]
    small_og: SmallOg | None


@dataclass(frozen=True, slots=True)
class Category:
    """One category of the FINESS nomenclature; `aggregate` is its level 2, e.g. `4400`."""

    code: str
    label: str
    aggregate: str


@dataclass(frozen=True, slots=True)
class DomaineTable:
    """Category code → domaine, else aggregate → domaine; a code in neither has no known domaine."""

    by_category: Mapping[str, str]
    by_aggregate: Mapping[str, str]

    def domaine(self, category: str, aggregate: str | None) -> str | None:
        """The domaine (PA, PH, DOM, PDE, PDS, AHI, PJM) or None: never a default (R37)."""
        found = self.by_category.get(category)
        return found if found is not None or aggregate is None else self.by_aggregate.get(aggregate)


@dataclass(frozen=True, slots=True)
class Matching:
    """What makes it probable that a FINESS number follows another (a reading of this project).

    `weights`: points of each clue, by its name in the law. `threshold`: the score from which a succession is
    probable; of one number, those within `gap` points of its best are kept. `days`: how far an opening may
    be from a closing. A clue that more than `most_pairs` pairs share proposes none. A SIRET of more than
    `most_holders` establishments counts little. `empty_words` are left out of names and addresses; a name
    made of `common_words` alone tells one service from another but badly.
    """

    weights: Mapping[str, int]
    threshold: int
    gap: int
    days: int
    most_pairs: int
    most_holders: int
    empty_words: frozenset[str]
    common_words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Register:
    """The FINESS nomenclature, the table of the domaines, and how numbers are matched."""

    nomenclature: Parameter[Mapping[str, Category]]
    domaines: Parameter[DomaineTable]
    matching: Parameter[Matching]


@dataclass(frozen=True, slots=True)
class Law:
    """The whole law that this version of the software carries; `digest` is the SHA-256 of its files (hex).

    `crossing_grants`: two ESMS numérique grants of one ESSMS (R28). `upgrade_years`: the calls whose upgrades
    need the Ségur version of vague 1 (R31).
    """

    digest: str
    dispositifs: Mapping[str, Dispositif]
    vagues: Mapping[str, Vague]
    calls: Mapping[int, Parameter[Call]]
    register: Register
    grant_targets: Parameter[Mapping[str, int]]
    crossing_grants: Parameter[tuple[Cell, ...]]
    upgrade_years: Parameter[frozenset[int]]

    @property
    def couloir_of_domaine(self) -> dict[str, str]:
        return {name: d.couloir for d in self.dispositifs.values() for name in d.domaines}
