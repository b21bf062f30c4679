"""The steps of a life as hypothesis draws them: what the model accepts just now, or anything at all.

Each step is first one of a short list, `proposed`, simplest first; what has many values (who orders what,
what is invoiced, which lines a bank answers) is then varied. Failures thus shrink to few orders of few cents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any

from hypothesis import strategies as st

from sons_tracker.rules.invoice import vat_cents
from tests.properties.money_life import ESSMS, Life
from tests.properties.money_model import (
    CLOTURE,
    FERMETURE,
    FILE_LIMIT,
    FILE_LIMIT_AT,
    SURELY_ANSWERED,
    Model,
    Order,
    Step,
    day,
)

LIVING = 38
"""Steps of a life before its clôture."""
AT_ONCE = 3
"""Orders that hold something at the same time, and leave room for the next."""
MOST_ORDERS = 8
UNIT_CENTS = 123_200

# What makes an order go on is drawn more often than what ends it: most lives come to be paid.
ONWARD = {
    "deposit": 9, "request_advance": 9, "validate_advance": 12, "prepare_lot": 12, "approve_lot": 12,
    "bank": 14, "prepare_va": 9, "sign_va": 10, "request_solde": 4, "validate_solde": 9,
    "answer_correction": 4, "refile_solde": 8, "settle_review": 4, "represent": 8, "settle_cancellation": 14,
    "settle_advance": 9, "issue": 5, "repay": 7,
}  # fmt: skip
DOUBTS = {
    "ask_correction": 3, "refuse_request": 1, "drop_lot": 1, "prepare_va": 1, "request_solde": 1, "again": 1,
}  # fmt: skip
ENDINGS = {"cancel": 2, "propose": 2}
ANSWERS = {"join": 2, "decline": 2, "drop": 1, "answer_amendment": 4}
TIME = {"clock": 2, "learn": 3}
ANY = {name: 1 for names in (ONWARD, DOUBTS, ENDINGS, ANSWERS, TIME, {"trespass": 1}) for name in names}

_KINDS = (("advance",), ("solde",))
_SIDES = (("supplier",), ("og",))
_ARGUMENTS: Mapping[str, tuple[tuple[Any, ...], ...]] = {
    "refuse_request": _KINDS,
    "ask_correction": (("order",), *_KINDS, ("solde",)),
    "settle_review": (("lifted",), ("lifted",), ("upheld",)),
    "settle_advance": ((True,), (False,)),
    "prepare_va": ((True,), (False,)),
    "sign_va": ((True,), (False,)),
    "cancel": (
        ("supplier", "agreement"),
        ("og", "renunciation"),
        ("supplier", "agreement"),
        ("og", "renunciation"),
        ("supplier", "supplier_error"),
    ),
    "join": _SIDES,
    "drop": _SIDES,
    "settle_cancellation": (("carry_out",), ("refuse",)),
    "answer_amendment": tuple(
        (side, answer) for answer in ("agree", "agree", "refuse", "withdraw") for side in ("og", "supplier")
    ),
    "represent": _KINDS,
    "issue": _KINDS,
    "repay": tuple((kind, off) for off in (0, 1, -1) for kind in ("advance", "solde")),
    "trespass": (("stranger",), ("reviewer",)),
    "approve_lot": (("second",), ("first",)),
}


def lawful(being: Life, names: Mapping[str, int]) -> dict[str, list[Step]]:
    """The steps of these names that the model accepts, by name; `ONWARD` does nothing again, nor too late."""
    found = {}
    for name in names:
        if name not in being.offered:
            being.offered[name] = [step for step in proposed(being, name) if being.model.allows(step)]
        possible = being.offered[name]
        if names is ONWARD:
            possible = [step for step in possible if not _in_vain(being.model, step)]
        if possible:
            found[name] = possible
    return found


def _in_vain(model: Model, step: Step) -> bool:
    """Whether the step is accepted and brings nothing on: a second VA, a solde asked for too late."""
    if step.name == "prepare_va":
        order = model.orders[step.order]
        return order.va is not None and order.va[1] == order.kept
    return step.name == "request_solde" and model.is_late(model.orders[step.order])


def proposed(being: Life, name: str) -> list[Step]:
    """The steps of that name that speak of what is there, whether or not they are accepted."""
    special = _PROPOSED.get(name)
    if special is not None:
        return special(being)
    if name in ("approve_lot", "drop_lot"):
        places = range(len(being.lots))
    elif name == "again":
        return [Step(name, place) for place in sorted(being.files)]
    else:
        places = range(len(being.orders))
    steps = [Step(name, place, args) for place in places for args in _ARGUMENTS.get(name, ((),))]
    return [step for step in steps if name.endswith("_lot") or not being.lacks(step)]


@st.composite
def steps(draw: st.DrawFn, weights: Mapping[str, int]) -> Step:
    """A step with one of these names, that the model of the machine accepts; an hour passes where none is."""
    being: Life = draw(st.runner()).being
    if weights is ONWARD and being.lived >= LIVING and being.model.now < CLOTURE:
        return Step("clock", minutes=minutes_to(CLOTURE, being.model.now))
    possible = lawful(being, weights)
    if not possible:
        return Step("clock", minutes=60)
    name = draw(st.sampled_from([name for name in possible for _ in range(weights[name])]))
    return _varied(draw, being, draw(st.sampled_from(possible[name])), careless=False)


@st.composite
def careless_steps(draw: st.DrawFn) -> Step:
    """Any step about what is there: most often one that must be refused."""
    being: Life = draw(st.runner()).being
    possible = {name: found for name in ANY if (found := proposed(being, name))}
    name = draw(st.sampled_from(list(possible)))
    return _varied(draw, being, draw(st.sampled_from(possible[name])), careless=True)


def minutes_to(target: datetime, now: datetime) -> int:
    """Whole minutes that end after that instant."""
    return ceil((target - now) / timedelta(minutes=1)) + 1


# -- what is proposed of the steps that have many values


def _deposits(being: Life) -> list[Step]:
    model = being.model
    free = [essms for essms in range(ESSMS) if model.holder(essms) is None]
    crowded = sum(bool(order.claims) for order in model.orders) > AT_ONCE or len(being.orders) > MOST_ORDERS
    if not free or crowded or model.now > FERMETURE - timedelta(days=2):
        return []
    return [Step("deposit", args=("A", ((free[0], 11),), False))]


def _learnings(being: Life) -> list[Step]:
    """None where two lapsed orders of C want the same ESSMS: who comes first is drawn with their identifiers,
    and a life must be the same when hypothesis lives it again."""
    model = being.model
    lapsed = [order.kept for order in model.orders if order.editor == "C" and order.state == "lapsed"]
    rivals = len(frozenset().union(*lapsed)) < sum(map(len, lapsed))
    if rivals or model.referenced_from is not None or _day_of_step(being) <= being.learnt:
        return []
    return [Step("learn", args=(None, None))]


def _day_of_step(being: Life) -> date:
    return day(being.model.now + timedelta(minutes=5))


def _lots(being: Life) -> list[Step]:
    every = [(n, kind) for n, order in enumerate(being.model.orders) for kind in order.pays]
    due = [(n, kind) for n, kind in every if being.model.orders[n].pays[kind].state == "due"]
    return [Step("prepare_lot", args=tuple(some)) for some in (due, every) if some]


def _answers_of_the_bank(being: Life) -> list[Step]:
    """One file per line of each lot: paid, and returned where it was."""
    return [
        Step("bank", place, ((n, "returned" if one in lot.outcome else "paid"),))
        for place, lot in enumerate(being.model.lots)
        for n, one in enumerate(lot.lines)
    ]


def _billed(name: str) -> Callable[[Life], list[Step]]:
    return lambda being: [
        Step(name, place, (_as_ordered(order),)) for place, order in enumerate(being.model.orders)
    ]


def _as_ordered(order: Order) -> tuple[tuple[int, int], ...]:
    return tuple((essms, order.units[essms]) for essms in sorted(order.kept))


def _proposals(being: Life) -> list[Step]:
    return [
        Step("propose", place, (side, (min(order.kept),)))
        for place, order in enumerate(being.model.orders)
        for side in ("og", "supplier")
    ]


_PROPOSED: Mapping[str, Callable[[Life], list[Step]]] = {
    "deposit": _deposits,
    "clock": lambda _: [Step("clock", minutes=60 * 7)],
    "learn": _learnings,
    "prepare_lot": _lots,
    "bank": _answers_of_the_bank,
    "request_solde": _billed("request_solde"),
    "refile_solde": _billed("refile_solde"),
    "propose": _proposals,
}


# -- and how they vary


def _varied(draw: st.DrawFn, being: Life, step: Step, *, careless: bool) -> Step:
    """The step, or another of its name; a careless one may no longer be accepted."""
    vary = _VARIED.get(step.name)
    return step if vary is None else vary(draw, being, step, careless)


def _vary_deposit(draw: st.DrawFn, being: Life, step: Step, careless: bool) -> Step:
    wanted = [essms for essms in range(ESSMS) if careless or being.model.holder(essms) is None]
    chosen = draw(st.lists(st.sampled_from(wanted), min_size=1, max_size=min(4, len(wanted)), unique=True))
    units = tuple((essms, draw(prices(UNIT_CENTS))) for essms in sorted(chosen))
    made = replace(step, args=(draw(st.sampled_from("AABBC")), units, draw(st.sampled_from(_RARELY))))
    return made if careless or being.model.allows(made) else replace(made, args=("A", *made.args[1:]))


_RARELY = (False, False, False, False, False, False, True)


def prices(most: int) -> st.SearchStrategy[int]:
    """Cents TTC that some amount without VAT makes, up to `most`; sometimes some cents only."""
    top = (5 * most + 5) // 6
    while top + vat_cents(top, 20) > most:
        top -= 1
    least, wide = st.integers(1, min(top, 8)), st.integers(1, top)
    return st.one_of(wide, wide, wide, least).map(lambda ht: ht + vat_cents(ht, 20))


_DAYS = (0.3, 1.3, 6, 20)
_UNANSWERED = (0.3, 6, SURELY_ANSWERED.days + 1, SURELY_ANSWERED.days + 1)


def _vary_clock(draw: st.DrawFn, being: Life, step: Step, careless: bool) -> Step:
    now = being.model.now
    target = draw(st.sampled_from((*(None,) * 8, FILE_LIMIT_AT, FERMETURE)))
    if target is not None and target >= now:
        return replace(step, minutes=minutes_to(target, now))
    waits = any(order.cancelling and order.cancelling.by == "og" for order in being.model.orders)
    days = _UNANSWERED if waits else _DAYS
    return replace(step, minutes=round(60 * 24 * draw(st.sampled_from(days))))


def _vary_learn(draw: st.DrawFn, being: Life, step: Step, careless: bool) -> Step:
    today = _day_of_step(being)
    complete_on = being.model.complete_on or draw(st.sampled_from((today, min(today, FILE_LIMIT), None)))
    return replace(step, args=(complete_on, draw(st.sampled_from((today, None)))))


def _vary_lot(draw: st.DrawFn, being: Life, step: Step, careless: bool) -> Step:
    kept = draw(st.lists(st.sampled_from(step.args), min_size=1, unique=True))
    made = replace(step, args=tuple(sorted(kept)))
    return made if careless or being.model.allows(made) else step


def _vary_bank(draw: st.DrawFn, being: Life, step: Step, careless: bool) -> Step:
    """Other lines of the same lot with it, each with an outcome of its own."""
    lot, lines = being.model.lots[step.order], []
    for n, one in enumerate(lot.lines):
        outcome = (
            "returned" if one in lot.outcome else draw(st.sampled_from(("paid", "paid", "paid", "rejected")))
        )
        named = n == step.args[0][0]
        line = replace(step, args=((n, outcome),))
        if named or (draw(st.booleans()) and (careless or being.model.allows(line))):
            lines.append((n, outcome))
    return replace(step, args=tuple(lines))


def _vary_bills(draw: st.DrawFn, being: Life, step: Step, careless: bool) -> Step:
    """As ordered, less, or less than the advance; carelessly some cents too much, or an ESSMS short."""
    bills = dict(step.args[0])
    how = draw(st.sampled_from(("ordered", "ordered", "less", "little")))
    if how == "less":
        bills = {essms: draw(st.just(unit) | prices(unit)) for essms, unit in bills.items()}
    elif how == "little":
        bills = {essms: draw(prices(max(1, unit // 8))) for essms, unit in bills.items()}
    if careless:
        essms = min(bills)
        if len(bills) > 1 and draw(st.booleans()):
            del bills[essms]
        else:
            bills[essms] = being.model.orders[step.order].units[essms] + 6  # five cents, and their VAT
    return replace(step, args=(tuple(bills.items()),))


def _vary_proposal(draw: st.DrawFn, being: Life, step: Step, careless: bool) -> Step:
    order = being.model.orders[step.order]
    among = sorted(order.units if careless else order.kept)
    most = len(among) if careless else len(among) - 1
    removed = draw(st.lists(st.sampled_from(among), min_size=1, max_size=most, unique=True))
    return replace(step, args=(step.args[0], tuple(sorted(removed))))


_VARIED: Mapping[str, Callable[[st.DrawFn, Life, Step, bool], Step]] = {
    "deposit": _vary_deposit,
    "clock": _vary_clock,
    "learn": _vary_learn,
    "prepare_lot": _vary_lot,
    "bank": _vary_bank,
    "request_solde": _vary_bills,
    "refile_solde": _vary_bills,
    "propose": _vary_proposal,
}
