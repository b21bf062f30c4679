"""What the machine of test_money_machine.py expects: the life of orders and their money, written anew.

A step is a name, the place of its order in the run, and plain arguments. `allows` says whether the programme
must accept it, `apply` what it then does. Nothing here reads the package: money is cents, ESSMS are places in
the OG, parties are `A`, `B` (referenced) and `C` (a candidate that may be referenced later).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
STARTS_AT = datetime(2023, 3, 1, 9, 0, tzinfo=UTC)
SIGNED_ON = {"A": date(2022, 6, 1), "B": date(2022, 6, 1), "C": date(2023, 2, 1)}
FERMETURE = datetime(2023, 12, 31, 23, 59, 59, 999_999, PARIS)
CLOTURE = datetime(2024, 3, 31, 23, 59, 59, 999_999, PARIS)
FILE_LIMIT = SIGNED_ON["C"] + timedelta(days=120)
FILE_LIMIT_AT = datetime.combine(FILE_LIMIT, time.max, PARIS)
ADVANCE_PERCENT = 30
OPEN = ("submitted", "waiting_referencing", "to_review", "to_correct", "validated")
AMENDABLE = ("submitted", "waiting_referencing", "to_correct", "validated")
UNPAID = ("due", "in_lot", "returned")
ENDED = ("cancelled", "lapsed")
SURELY_ANSWERED, SURELY_WAITING = timedelta(days=40), timedelta(days=5)
"""The ten working days of an answer are over, or are not."""


@dataclass(frozen=True, slots=True)
class Step:
    """One move, so many minutes after the one before; `order` is the place of an order or of a lot."""

    name: str
    order: int = -1
    args: tuple[Any, ...] = ()
    minutes: int = 5


@dataclass(slots=True)
class Pay:
    """The advance or the solde of an order; `due` is None while it is planned."""

    amount: int
    state: str = "planned"
    due: int | None = None
    recovery: tuple[str, int] | None = None

    @property
    def cash(self) -> int:
        return (self.due or 0) if self.state in ("paid", "to_recover", "recovered") else 0

    @property
    def recovered(self) -> int:
        return self.recovery[1] if self.state == "recovered" and self.recovery else 0


@dataclass(slots=True)
class Cancelling:
    """A cancellation that waits: who asked, when, and whose pieces lack."""

    by: str
    at: datetime
    lacks: set[str]


@dataclass(slots=True)
class Order:
    """An order: its editor, its lines (ESSMS → cents), the rest as its life goes on."""

    editor: str
    units: dict[int, int]
    state: str
    conditional: bool = False
    held_verdicts: bool = False
    removed: set[int] = field(default_factory=set)
    claims: set[int] = field(default_factory=set)
    pays: dict[str, Pay] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    received: dict[str, datetime] = field(default_factory=dict)
    planned: dict[int, int] = field(default_factory=dict)
    va: tuple[str, frozenset[int]] | None = None
    vas: int = 0
    solde_va: int = 0
    correction: str | None = None
    cancelling: Cancelling | None = None
    amendment: tuple[str, frozenset[int]] | None = None
    invoiced: dict[int, int] = field(default_factory=dict)
    paid_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def kept(self) -> frozenset[int]:
        return frozenset(self.units) - self.removed

    @property
    def received_cents(self) -> int:
        return sum(pay.cash - pay.recovered for pay in self.pays.values())

    def pay_state(self, kind: str) -> str:
        pay = self.pays.get(kind)
        return "none" if pay is None else pay.state

    @property
    def in_lot(self) -> bool:
        return any(pay.state == "in_lot" for pay in self.pays.values())

    @property
    def free_of_ends(self) -> bool:
        return self.cancelling is None and self.amendment is None


@dataclass(slots=True)
class Lot:
    """A lot: its lines are payments, each with its outcome and the instant of it."""

    lines: list[tuple[int, str]]
    state: str = "prepared"
    approved_at: datetime | None = None
    outcome: dict[tuple[int, str], tuple[str, datetime]] = field(default_factory=dict)


def advance_of(unit: int) -> int:
    return unit * ADVANCE_PERCENT // 100


def day(at: datetime) -> date:
    return at.astimezone(PARIS).date()


@dataclass(slots=True)
class Model:
    """Everything of one run. `complete_on` and `referenced_from` are what the list says of `C`."""

    essms: int
    now: datetime = STARTS_AT
    orders: list[Order] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    complete_on: date | None = None
    referenced_from: date | None = None
    fired: set[tuple[int, str]] = field(default_factory=set)

    # -- what the list of the ANS says of C

    def referenced(self, order: Order) -> bool:
        if order.editor != "C":
            return True
        return self.referenced_from is not None and self.referenced_from <= day(self.now)

    def delay_failed(self, order: Order, on: date) -> bool:
        if order.editor != "C":
            return False
        known = self.complete_on or self.referenced_from
        return on > FILE_LIMIT if known is None else known > FILE_LIMIT

    def holder(self, essms: int) -> int | None:
        return next((n for n, order in enumerate(self.orders) if essms in order.claims), None)

    # -- may it be done

    def allows(self, step: Step) -> bool:
        return bool(getattr(self, f"_may_{step.name}")(step))

    def _may_deposit(self, step: Step) -> bool:
        editor, units, _ = step.args
        late = editor == "C" and self.delay_failed(Order("C", {}, ""), day(self.now))
        return not late and all(self.holder(essms) is None for essms, _ in units)

    def _may_trespass(self, step: Step) -> bool:
        return False

    def _may_clock(self, step: Step) -> bool:
        return True

    _may_learn = _may_again = _may_clock

    def _may_request_advance(self, step: Step) -> bool:
        order = self.orders[step.order]
        blocked = (
            order.state not in ("submitted", "waiting_referencing")
            or "advance" in order.requests
            or order.correction is not None
            or not order.free_of_ends
        )
        return not blocked and (self.now > FERMETURE or not self.delay_failed(order, day(self.now)))

    def _may_validate_advance(self, step: Step) -> bool:
        order = self.orders[step.order]
        return (
            order.state == "submitted"
            and order.requests.get("advance") == "requested"
            and order.correction is None
            and order.free_of_ends
            and self.referenced(order)
            and not self.delay_failed(order, day(self.now))
        )

    def _may_refuse_request(self, step: Step) -> bool:
        return self.orders[step.order].requests.get(str(step.args[0])) in ("requested", "to_correct")

    def _may_ask_correction(self, step: Step) -> bool:
        order, about = self.orders[step.order], str(step.args[0])
        if order.correction is not None:
            return False
        return order.state == "submitted" if about == "order" else order.requests.get(about) == "requested"

    def _may_answer_correction(self, step: Step) -> bool:
        order = self.orders[step.order]
        replaced = order.correction == "solde" and order.solde_va != order.vas
        return order.correction is not None and not replaced

    def _may_settle_review(self, step: Step) -> bool:
        order = self.orders[step.order]
        return order.state == "to_review" and order.held_verdicts

    def _may_settle_advance(self, step: Step) -> bool:
        order = self.orders[step.order]
        kept = bool(step.args[0])
        to_keep = order.pay_state("advance") == "paid"
        return order.state == "to_review" and not order.held_verdicts and (to_keep or not kept)

    def _may_prepare_va(self, step: Step) -> bool:
        order, whole = self.orders[step.order], bool(step.args[0])
        solde = order.requests.get("solde")
        replaceable = solde == "to_correct" or (solde is None and order.va != ("signed", order.kept))
        return (
            order.state == "validated"
            and replaceable
            and order.free_of_ends
            and self.now <= CLOTURE
            and whole
        )

    def _may_sign_va(self, step: Step) -> bool:
        order, shown = self.orders[step.order], bool(step.args[0])
        return (
            order.state == "validated"
            and order.va == ("prepared", order.kept)
            and order.free_of_ends
            and self.now <= CLOTURE
            and shown
        )

    def _pieces(self, order: Order, bills: dict[int, int]) -> bool:
        return (
            order.va is not None
            and order.va[0] == "signed"
            and order.va[1] == order.kept == frozenset(bills)
            and all(0 < cents <= order.units[essms] for essms, cents in bills.items())
        )

    def is_late(self, order: Order) -> bool:
        """A request for the solde that is kept although it comes after the clôture."""
        return (
            order.state in ("validated", "to_review", "lapsed")
            and self.now > CLOTURE
            and "solde" not in order.requests
        )

    def _may_request_solde(self, step: Step) -> bool:
        order, bills = self.orders[step.order], dict(step.args[0])
        return self.is_late(order) or (
            order.state == "validated"
            and "solde" not in order.requests
            and order.correction is None
            and order.free_of_ends
            and self.now <= CLOTURE
            and self._pieces(order, bills)
        )

    def _may_refile_solde(self, step: Step) -> bool:
        order, bills = self.orders[step.order], dict(step.args[0])
        return (
            order.state == "validated"
            and order.requests.get("solde") == "to_correct"
            and order.free_of_ends
            and self._pieces(order, bills)
        )

    def _may_validate_solde(self, step: Step) -> bool:
        order = self.orders[step.order]
        return (
            order.state == "validated"
            and order.requests.get("solde") == "requested"
            and order.correction is None
            and order.free_of_ends
            and order.pay_state("advance") not in UNPAID
            and self._pieces(order, order.invoiced)
        )

    def _may_cancel(self, step: Step) -> bool:
        order = self.orders[step.order]
        return order.state in OPEN and not order.in_lot and order.free_of_ends

    def _may_join(self, step: Step) -> bool:
        order, side = self.orders[step.order], str(step.args[0])
        return (
            order.state in OPEN
            and not order.in_lot
            and order.cancelling is not None
            and side in order.cancelling.lacks
        )

    def _may_decline(self, step: Step) -> bool:
        order = self.orders[step.order]
        return order.state in OPEN and order.cancelling is not None and order.cancelling.by == "supplier"

    def _may_drop(self, step: Step) -> bool:
        order = self.orders[step.order]
        return order.state in OPEN and order.cancelling is not None and order.cancelling.by == step.args[0]

    def _may_settle_cancellation(self, step: Step) -> bool:
        order, decision = self.orders[step.order], step.args[0]
        asked = order.cancelling
        if order.state not in OPEN or order.in_lot or asked is None or asked.by != "og":
            return False
        return self.now - asked.at > SURELY_ANSWERED and (decision == "refuse" or "og" not in asked.lacks)

    def unsure(self, step: Step) -> bool:
        """Whether the model cannot tell: the working days of an answer may be over, or not."""
        if step.name != "settle_cancellation":
            return False
        asked = self.orders[step.order].cancelling
        return asked is not None and SURELY_WAITING <= self.now - asked.at <= SURELY_ANSWERED

    def _amendable(self, order: Order) -> bool:
        return (
            order.state in AMENDABLE
            and order.pay_state("advance") not in UNPAID
            and "solde" not in order.requests
        )

    def _may_propose(self, step: Step) -> bool:
        order, removed = self.orders[step.order], frozenset(step.args[1])
        return self._amendable(order) and order.free_of_ends and bool(removed) and removed < order.kept

    def _may_answer_amendment(self, step: Step) -> bool:
        order, (side, answer) = self.orders[step.order], step.args
        if order.amendment is None:
            return False
        own = order.amendment[0] == side
        if answer == "agree":
            return not own and self._amendable(order) and order.amendment[1] < order.kept
        return own is (answer == "withdraw")

    def _payable(self, number: int, kind: str, state: str) -> bool:
        order = self.orders[number]
        if order.pay_state(kind) != state or order.state != "validated":
            return False
        return state == "returned" or order.cancelling is None

    def _may_prepare_lot(self, step: Step) -> bool:
        return any(self._payable(number, kind, "due") for number, kind in step.args)

    def _may_approve_lot(self, step: Step) -> bool:
        lot = self.lots[step.order]
        return (
            lot.state == "prepared"
            and step.args == ("second",)
            and all(self._payable(number, kind, "in_lot") for number, kind in lot.lines)
        )

    def _may_drop_lot(self, step: Step) -> bool:
        return self.lots[step.order].state == "prepared"

    def _may_bank(self, step: Step) -> bool:
        """Each line is (place in the lot, outcome)."""
        lot = self.lots[step.order]
        if lot.state != "approved":
            return False
        for place, outcome in step.args:
            number, kind = lot.lines[place]
            said = lot.outcome.get((number, kind))
            if outcome != "returned":
                if said is not None:
                    return False
            elif (
                said is None
                or said[0] != "paid"
                or self.orders[number].pay_state(kind) != "paid"
                or self.orders[number].paid_at[kind] != said[1]
            ):
                return False
        return True

    def _may_represent(self, step: Step) -> bool:
        return self._payable(step.order, str(step.args[0]), "returned")

    def _may_issue(self, step: Step) -> bool:
        pay = self.orders[step.order].pays.get(str(step.args[0]))
        return pay is not None and pay.recovery is not None and pay.recovery[0] == "opened"

    def _may_repay(self, step: Step) -> bool:
        kind, off = step.args
        pay = self.orders[step.order].pays.get(str(kind))
        return pay is not None and pay.recovery is not None and pay.recovery[0] == "issued" and off == 0

    # -- what it does

    def apply(self, step: Step) -> None:
        getattr(self, f"_do_{step.name}")(step)

    def _do_deposit(self, step: Step) -> None:
        editor, pairs, held = step.args
        units: dict[int, int] = dict(pairs)
        order = Order(str(editor), units, "submitted", claims=set(units))
        order.conditional = editor == "C" and not self.referenced(order)
        if held:
            order.state, order.held_verdicts = "to_review", True
        elif order.conditional:
            order.state = "waiting_referencing"
        advance = sum(map(advance_of, units.values()))
        if advance:
            order.pays["advance"] = Pay(advance)
        order.pays["solde"] = Pay(sum(units.values()) - advance)
        self.orders.append(order)

    def _do_clock(self, step: Step) -> None:
        """The deadlines of each order, oldest first: the delay of the file, then the clôture."""
        for number, order in enumerate(self.orders):
            if self.now > FILE_LIMIT_AT and order.conditional and self._fires(number, "file"):
                over = max(day(self.now), FILE_LIMIT + timedelta(days=1))
                if order.state == "waiting_referencing" and self.delay_failed(order, over):
                    self._end(order, "lapsed")
            if self.now > CLOTURE and self._fires(number, "cloture"):
                self._cloture(order)

    def _fires(self, number: int, what: str) -> bool:
        first = (number, what) not in self.fired
        self.fired.add((number, what))
        return first

    def _cloture(self, order: Order) -> None:
        if order.state not in OPEN or "solde" in order.requests:
            return
        performed = order.va is not None and order.va[0] == "signed"
        if performed and order.state == "validated" and order.pay_state("advance") in ("paid", "to_recover"):
            order.state = "to_review"
        else:
            self._end(order, "lapsed")

    def _do_again(self, step: Step) -> None:
        """A file that was read already does nothing."""

    def _do_learn(self, step: Step) -> None:
        """`args`: the day of the file and the first day of the referencing; `order` is not used."""
        self.complete_on, self.referenced_from = step.args

    def follow(self, number: int) -> None:
        """What the list just learnt does to one order; the orders come as the programme takes them."""
        order = self.orders[number]
        if order.editor != "C":
            return
        if order.state == "lapsed" and self._may_reopen(order):
            if any(self.holder(essms) is not None for essms in order.kept):
                return
            order.claims = set(order.kept)
            order.state = "waiting_referencing"
        if (
            order.state == "waiting_referencing"
            and self.referenced(order)
            and not self.delay_failed(order, day(self.now))
        ):
            order.state = "submitted"

    def _may_reopen(self, order: Order) -> bool:
        known = self.complete_on or self.referenced_from
        return (
            order.conditional
            and self.now <= CLOTURE
            and all(pay.state == "planned" for pay in order.pays.values())
            and known is not None
            and known <= FILE_LIMIT
        )

    def _do_request_advance(self, step: Step) -> None:
        order = self.orders[step.order]
        order.received["advance"] = self.now
        if self.now <= FERMETURE:
            order.requests["advance"] = "requested"

    def _do_validate_advance(self, step: Step) -> None:
        order = self.orders[step.order]
        order.requests["advance"], order.state = "validated", "validated"
        order.planned = {essms: order.units[essms] for essms in order.kept}
        due = sum(advance_of(order.units[essms]) for essms in order.kept)
        if due:
            order.pays["advance"].state, order.pays["advance"].due = "due", due

    def _do_refuse_request(self, step: Step) -> None:
        order, kind = self.orders[step.order], str(step.args[0])
        del order.requests[kind]
        if order.correction == kind:
            order.correction = None
        if kind == "solde" and (step.order, "cloture") in self.fired:
            if order.pay_state("advance") == "paid":
                order.state = "to_review"
            else:
                self._end(order, "lapsed")

    def _do_ask_correction(self, step: Step) -> None:
        order, about = self.orders[step.order], str(step.args[0])
        order.correction = about
        if about == "order":
            order.state = "to_correct"
        else:
            order.requests[about] = "to_correct"

    def _do_answer_correction(self, step: Step) -> None:
        order = self.orders[step.order]
        if order.correction == "order":
            order.state = "submitted"
        else:
            order.requests[str(order.correction)] = "requested"
        order.correction = None

    def _do_settle_review(self, step: Step) -> None:
        order = self.orders[step.order]
        order.held_verdicts = False
        if step.args == ("upheld",):
            order.state = "rejected"
            order.claims.clear()
        elif order.conditional and not self.referenced(order):
            order.state = "waiting_referencing"
        else:
            order.state = "submitted"

    def _do_settle_advance(self, step: Step) -> None:
        order = self.orders[step.order]
        if step.args == (False,):
            self._end(order, "lapsed")
            return
        order.state = "settled"
        order.planned = {
            essms: advance_of(order.units[essms]) for essms in order.kept if advance_of(order.units[essms])
        }
        excess = order.received_cents - sum(order.planned.values())
        if excess > 0:  # the advance of what was taken out of the perimeter
            self._reclaim(order.pays["advance"], excess)

    def _do_prepare_va(self, step: Step) -> None:
        order = self.orders[step.order]
        order.va, order.vas = ("prepared", order.kept), order.vas + 1

    def _do_sign_va(self, step: Step) -> None:
        order = self.orders[step.order]
        order.va = ("signed", order.kept)

    def _do_request_solde(self, step: Step) -> None:
        order = self.orders[step.order]
        order.received["solde"] = self.now
        if not self.is_late(order):
            order.requests["solde"], order.solde_va = "requested", order.vas
            order.invoiced = dict(step.args[0])

    def _do_refile_solde(self, step: Step) -> None:
        order = self.orders[step.order]
        order.requests["solde"], order.correction = "requested", None
        order.solde_va = order.vas
        order.invoiced = dict(step.args[0])

    def _do_validate_solde(self, step: Step) -> None:
        order = self.orders[step.order]
        order.requests["solde"] = "validated"
        order.planned = dict(order.invoiced)
        left = sum(order.planned.values()) - order.received_cents
        if left > 0:
            order.pays["solde"].state, order.pays["solde"].due = "due", left
            return
        order.state = "settled"
        if left < 0:
            self._reclaim(order.pays["advance"], -left)

    @staticmethod
    def _reclaim(pay: Pay, amount: int) -> None:
        pay.state, pay.recovery = "to_recover", ("opened", amount)

    def _end(self, order: Order, state: str) -> None:
        money_out = any(pay.state in ("in_lot", "paid", "to_recover") for pay in order.pays.values())
        order.state = state
        order.requests = {kind: now for kind, now in order.requests.items() if now == "paid"}
        order.correction = None
        order.planned = {}
        for pay in order.pays.values():
            if pay.state in ("due", "returned"):
                pay.state, pay.due = "planned", None
            elif pay.state == "paid":
                assert pay.due is not None
                self._reclaim(pay, pay.due)
        if not money_out:
            order.claims.clear()

    @staticmethod
    def _free(order: Order) -> None:
        """The ESSMS of an order that ended, once no money of it is out without an ordre de recouvrement."""
        out = any(
            pay.state in ("in_lot", "paid") or (pay.recovery is not None and pay.recovery[0] == "opened")
            for pay in order.pays.values()
        )
        if order.state in ENDED and not out:
            order.claims.clear()

    def _do_cancel(self, step: Step) -> None:
        order, (side, motive) = self.orders[step.order], step.args
        if motive == "supplier_error":
            self._end(order, "cancelled")
            return
        lacks = {"og"} if side == "supplier" else {"og", "supplier"}
        order.cancelling = Cancelling(str(side), self.now, lacks)

    def _do_join(self, step: Step) -> None:
        order = self.orders[step.order]
        assert order.cancelling is not None
        order.cancelling.lacks.discard(str(step.args[0]))
        if not order.cancelling.lacks:
            order.cancelling = None
            self._end(order, "cancelled")

    def _do_decline(self, step: Step) -> None:
        self.orders[step.order].cancelling = None

    _do_drop = _do_decline

    def _do_settle_cancellation(self, step: Step) -> None:
        order = self.orders[step.order]
        order.cancelling = None
        if step.args == ("carry_out",):
            self._end(order, "cancelled")

    def _do_propose(self, step: Step) -> None:
        side, removed = step.args
        self.orders[step.order].amendment = (str(side), frozenset(removed))

    def _do_answer_amendment(self, step: Step) -> None:
        order = self.orders[step.order]
        assert order.amendment is not None
        if step.args[1] == "agree":
            order.removed |= order.amendment[1]
            order.claims -= order.amendment[1]
            order.planned = {essms: cents for essms, cents in order.planned.items() if essms in order.kept}
        order.amendment = None

    def _do_prepare_lot(self, step: Step) -> None:
        wanted: list[tuple[int, str]] = list(dict.fromkeys(step.args))
        lines = [(number, kind) for number, kind in wanted if self._payable(number, kind, "due")]
        for number, kind in lines:
            self.orders[number].pays[kind].state = "in_lot"
        self.lots.append(Lot(lines))

    def _do_approve_lot(self, step: Step) -> None:
        self.lots[step.order].state, self.lots[step.order].approved_at = "approved", self.now

    def _do_drop_lot(self, step: Step) -> None:
        lot = self.lots[step.order]
        lot.state = "dropped"
        for number, kind in lot.lines:
            self._withdraw(self.orders[number], kind)

    def _withdraw(self, order: Order, kind: str) -> None:
        pay = order.pays[kind]
        pay.state = "due"
        if order.state in ENDED:
            pay.state, pay.due = "planned", None
        self._free(order)

    def _do_bank(self, step: Step) -> None:
        lot = self.lots[step.order]
        for place, outcome in step.args:
            number, kind = lot.lines[place]
            order, pay = self.orders[number], self.orders[number].pays[kind]
            if outcome == "returned":
                pay.state = "returned"
                order.requests[kind] = "validated"
                if order.state == "settled":
                    order.state = "validated"
                continue
            lot.outcome[number, kind] = (outcome, self.now)
            if outcome == "rejected":
                self._withdraw(order, kind)
                continue
            pay.state, order.paid_at[kind] = "paid", self.now
            if order.requests.get(kind) == "validated":
                order.requests[kind] = "paid"
            if order.state in ENDED:
                assert pay.due is not None
                self._reclaim(pay, pay.due)
        for number in {lot.lines[place][0] for place, outcome in step.args if outcome == "paid"}:
            order = self.orders[number]
            asked = order.requests.get("solde") in ("validated", "paid")
            left = any(pay.state in UNPAID for pay in order.pays.values())
            if order.state == "validated" and asked and not left:
                order.state = "settled"

    def _do_represent(self, step: Step) -> None:
        self.orders[step.order].pays[str(step.args[0])].state = "due"

    def _do_issue(self, step: Step) -> None:
        order = self.orders[step.order]
        pay = order.pays[str(step.args[0])]
        assert pay.recovery is not None
        pay.recovery = ("issued", pay.recovery[1])
        self._free(order)

    def _do_repay(self, step: Step) -> None:
        pay = self.orders[step.order].pays[str(step.args[0])]
        assert pay.recovery is not None
        pay.state, pay.recovery = "recovered", ("recovered", pay.recovery[1])
