"""The file that the law is applied to: facts only, frozen, loaded beforehand.

`None` where a fact may be missing means *not known*, which is never the same as *no*.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sons_tracker.rules.identifiers import FinessGeographique, FinessJuridique


@dataclass(frozen=True, slots=True)
class Establishment:
    """An ESSMS as the applicable extraction describes it; `aggregate` is the level 2 of its category."""

    finess_geographique: FinessGeographique
    finess_juridique: FinessJuridique | None
    category: str
    aggregate: str | None


@dataclass(frozen=True, slots=True)
class Extraction:
    """What is loaded of the extraction that applies: `scope` is `stock`, `extrait`, or None (not loaded).

    Absence and counts mean something in a stock only.
    """

    on: date
    scope: str | None

    @property
    def is_stock(self) -> bool:
        return self.scope == "stock"


@dataclass(frozen=True, slots=True)
class Referencing:
    """A line of the ANS list, for one version and one dispositif.

    `status`: candidate, referenced or withdrawn.
    """

    dispositif: str
    status: str
    complete_file_on: date | None
    referenced_from: date | None
    referenced_to: date | None

    def covers(self, day: date) -> bool:
        """Whether the version was referenced that day; both ends included.

        A candidate never was, whatever its dates (R39); of a withdrawal without a date nothing is known.
        """
        if self.status == "candidate" or self.withdrawn_at_unknown_date:
            return False
        return (
            self.referenced_from is not None
            and self.referenced_from <= day
            and (self.referenced_to is None or day <= self.referenced_to)
        )

    @property
    def withdrawn_at_unknown_date(self) -> bool:
        return self.status == "withdrawn" and self.referenced_to is None


@dataclass(frozen=True, slots=True)
class Solution:
    """The solution version ordered, as the latest list known describes it.

    `kind`: `dui`, `in_house` or `module` (R40). `snapshot_on`: the day of the list that was read.
    """

    version: str
    solution: str
    kind: str
    editor_siren: str
    snapshot_on: date
    referencings: tuple[Referencing, ...]


@dataclass(frozen=True, slots=True)
class Supplier:
    """Who would be paid: the editor of the solution, or its official distributor on the day of the order.

    A case without a supplier is a simulation by someone who sells nothing, e.g. an OG.
    """

    is_editor: bool
    is_distributor: bool


SAME_ORDER = "same_order"
"""The holder of an ESSMS that the order itself also names, under a number that this one succeeds."""


@dataclass(frozen=True, slots=True)
class Engagement:
    """A live claim on an ESSMS; the number of its order or reservation only when the actor may see it.

    `own`: a reservation of the supplier of the case, for its OG, that has not expired: no obstacle to it.
    `held_as`: the other number of the ESSMS, old or new, under which it is claimed; None: under this one.
    """

    holder_kind: str
    order_number: str | None
    reservation: str | None = None
    own: bool = False
    held_as: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """An ESMS numérique grant of one ESSMS, as known at the deposit.

    `components` ⊂ usage, equipment, hardware, amoa; `state` is one of the closed list; `solution` and
    `dui_referenced` as declared at the agreement (C8), None when not declared.
    """

    reference: str
    year: int
    project: str
    components: tuple[str, ...]
    state: str
    solution: str | None
    dui_referenced: bool | None
    agreed_on: date | None
    first_payment_on: date | None


@dataclass(frozen=True, slots=True)
class SonsOrder:
    """A SONS order that names an ESSMS, as a grant meets it; one that never held the ESSMS is left out.

    `live`: it holds the ESSMS. `va_deposited_at`, `cancelled_at`: aware instants, None when they never were.
    `for_acquisition`: whether it was cancelled in order to ask for an ESMS numérique acquisition, None when
    nobody said. `advance_to_recover`: cancelled after an advance that is not recovered yet.
    """

    number: str
    solution: str | None
    signed_on: date
    live: bool
    va_deposited_at: datetime | None
    cancelled_at: datetime | None
    for_acquisition: bool | None
    advance_to_recover: bool


@dataclass(frozen=True, slots=True)
class AskedEssms:
    """One ESSMS of an ESMS numérique grant.

    `orders` and `other_grants` are None when nobody with an account asked. `vague_1_version`: `sons`,
    `own_cost` or `none` (R31), None when not declared.
    """

    finess: FinessGeographique
    orders: tuple[SonsOrder, ...] | None
    other_grants: tuple[Grant, ...] | None
    vague_1_version: str | None


@dataclass(frozen=True, slots=True)
class GrantCase:
    """An ESMS numérique grant before the law, the SONS orders of the vague being what it meets.

    `project`: acquisition or upgrade; `components` as those of a `Grant`; `agreed_on` is None while the
    grant is only asked for.
    """

    reference: str
    vague: str
    year: int
    project: str
    components: tuple[str, ...]
    solution: str | None
    dui_referenced: bool | None
    agreed_on: date | None
    lines: tuple[AskedEssms, ...]


@dataclass(frozen=True, slots=True)
class OtherOrder:
    """Another live order of the same OG that the actor may see, with the ESSMS it shares with this one."""

    number: str
    solution: str
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderedEssms:
    """One line of the order.

    `unit_ttc_cents`: what is asked, None for the barème's rate. `dui_in_place`: the declared solution
    code, None when not declared. `engagements` and `grants` are None when nobody with an account asked.
    """

    finess: FinessGeographique
    unit_ttc_cents: int | None
    dui_in_place: str | None
    establishment: Establishment | None
    engagements: tuple[Engagement, ...] | None
    grants: tuple[Grant, ...] | None


@dataclass(frozen=True, slots=True)
class Case:
    """An order before the law: what is asked, by whom, and every fact that the rules of the stage read.

    `essms_of_og`: ESSMS of the OG under the count basis of the vague, None when no stock is loaded.
    `og_known`: whether the extraction attaches anything to, or lists, the OG; None when it cannot say.
    `received_at`: aware instant of reception.
    """

    dispositif: str
    og: FinessJuridique
    signed_on: date
    received_at: datetime
    already_equipped: bool | None
    supplier: Supplier | None
    solution_version: str
    solution: Solution | None
    solution_list_on: date | None
    extraction: Extraction | None
    og_known: bool | None
    essms_of_og: int | None
    other_orders: tuple[OtherOrder, ...]
    lines: tuple[OrderedEssms, ...]
