"""Random lives of orders on the real operations, held after each step against the model of money_model.py.

A `RuleBasedStateMachine` of hypothesis: its rules draw a step and do it in the programme and in the model;
I1 (no ESSMS twice), I2 (paid never exceeds due) and I3 (the ledger sums to the expected cent) are looked at
after each. A failure shrinks, and is printed as the steps that lead to it, to be pasted into `FOUND`.

hypothesis does not await: one event loop, owned by this module, runs each step to its end.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sons_tracker.db import engine
from tests.databases import Server
from tests.properties import money_steps as draws
from tests.properties.money_life import Cast, Life, a_cast
from tests.properties.money_model import ENDED, Step

T = TypeVar("T")
FULL = os.environ.get("TIER") == "full"
STEPS = int(os.environ.get("MONEY_STEPS") or (50_000 if FULL else 2_000))
SEED = int(os.environ.get("MONEY_SEED") or 13)
LENGTH, LIVES = 50, 10
"""Steps of a life, its clôture among them; lives of a seed: more would be near copies of these."""
BOUNDED = settings(
    max_examples=LIVES,
    stateful_step_count=LENGTH,
    database=None,  # each run has a seed: what failed once fails again
    deadline=None,  # a step is some statements on a real database
    phases=(Phase.generate, Phase.shrink),
    # a life takes most of a second, and one that cannot begin is given up
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
ORDER_STATES = {
    "submitted", "waiting_referencing", "to_review", "to_correct", "validated", "settled", "rejected", *ENDED,
}  # fmt: skip
PAYMENT_STATES = {"planned", "due", "in_lot", "paid", "returned", "to_recover", "recovered"}


@dataclass(slots=True)
class Stage:
    """The loop of this module, its database with the cast in it, and what its lives came to."""

    loop: asyncio.AbstractEventLoop
    cast: Cast
    lives: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    orders: set[str] = field(default_factory=set)
    payments: set[str] = field(default_factory=set)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)


@pytest.fixture(scope="module")
def stage(server: Server, template: str) -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    open_things = AsyncExitStack()

    async def begin() -> Cast:
        made = await open_things.enter_async_context(server.clone(template))
        await engine.start(made.app_dsn, role=made.app_role)
        open_things.push_async_callback(engine.stop)
        return await a_cast()

    try:
        yield Stage(loop, loop.run_until_complete(begin()))
    finally:
        loop.run_until_complete(open_things.aclose())
        loop.close()


class MoneyMachine(RuleBasedStateMachine):
    """One life. hypothesis draws its rules evenly, and leaves some out of each life.

    So that orders come to be paid, what disturbs them has every second step at most; and a life without `act`
    cannot begin: it is given up at once.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.being = stage.run(Life.begin(stage.cast))
        stage.lives += 1

    @property
    def disturbed(self) -> bool:
        """Whether it is the turn of what brings no order on; always, when nothing else is possible."""
        return bool(self.being.orders) and (self.being.lived % 2 == 1 or not self.can(draws.ONWARD))

    def can(self, names: Mapping[str, int]) -> bool:
        return bool(draws.lawful(self.being, names))

    @property
    def dying(self) -> bool:
        """Whether a third of the orders is over, or may soon be: most are to be paid."""
        orders = self.being.model.orders
        return 3 * sum(order.state in ENDED or not order.free_of_ends for order in orders) >= len(orders)

    def live(self, step: Step) -> None:
        accepted = self.stage.run(self.being.live(step))
        if accepted is not None:
            (self.stage.accepted if accepted else self.stage.refused)[step.name] += 1

    @rule(step=draws.steps(draws.ONWARD))
    def act(self, step: Step) -> None:
        """From the deposit to the last payment, then the clôture. First by name: failures shrink to it."""
        self.live(step)

    @precondition(lambda self: self.disturbed and self.can(draws.DOUBTS))
    @rule(step=draws.steps(draws.DOUBTS))
    def doubt(self, step: Step) -> None:
        """A reviewer or a payer sends something back."""
        self.live(step)

    @precondition(lambda self: self.disturbed and self.can(draws.ENDINGS) and not self.dying)
    @rule(step=draws.steps(draws.ENDINGS))
    def end(self, step: Step) -> None:
        """A party gives up an order, or a part of it."""
        self.live(step)

    @precondition(lambda self: self.disturbed and self.can(draws.ANSWERS))
    @rule(step=draws.steps(draws.ANSWERS))
    def answer(self, step: Step) -> None:
        """Another answers to that."""
        self.live(step)

    @precondition(lambda self: self.disturbed)
    @rule(step=draws.steps(draws.TIME))
    def wait(self, step: Step) -> None:
        """Days pass, the list of the ANS is read."""
        self.live(step)

    @precondition(lambda self: self.disturbed)
    @rule(step=draws.careless_steps())
    def err(self, step: Step) -> None:
        """Somebody does something that is most often refused."""
        self.live(step)

    @invariant()
    def the_database_is_what_the_model_says(self) -> None:
        self.stage.run(self.being.compare())
        for order in self.being.model.orders:
            self.stage.orders.add(order.state)
            self.stage.payments.update(pay.state for pay in order.pays.values())


@pytest.mark.scoreboard(13)
def test_any_life_of_orders_is_what_the_model_says(stage: Stage) -> None:
    """I1, I2, I3 and the traces of every act, after each of the steps; every step and state is met."""

    def begin() -> MoneyMachine:
        return MoneyMachine(stage)

    for number in range(max(1, STEPS // (LENGTH * LIVES))):
        print(f"MONEY_SEED={SEED + number}")
        run_state_machine_as_test(seed(SEED + number)(begin), settings=BOUNDED)
    done = stage.accepted.total() + stage.refused.total()
    print(f"{done} steps, {stage.lives} lives: {dict(stage.accepted)}; refused: {dict(stage.refused)}")
    assert done >= STEPS * 0.95
    if STEPS >= 2_000 and not os.environ.get("MONEY_SEED"):  # another seed may leave out what is rare
        never = {name for name in draws.ANY if name != "trespass" and not stage.accepted[name]}
        assert not never, f"never accepted: {never}"
        assert stage.orders >= ORDER_STATES, ORDER_STATES - stage.orders
        assert stage.payments >= PAYMENT_STATES, PAYMENT_STATES - stage.payments
        assert stage.refused.total() >= STEPS // 20


_ONE = (Step("deposit", args=("A", ((0, 11), (1, 70_001)), False)), Step("request_advance", 0))
_SIGNED = (
    *_ONE, Step("validate_advance", 0), Step("prepare_lot", args=((0, "advance"),)),
    Step("approve_lot", 0, ("second",)), Step("bank", 0, ((0, "paid"),)), Step("prepare_va", 0, (True,)),
    Step("sign_va", 0, (True,)),
)  # fmt: skip
_SENT_BACK = (
    *_SIGNED, Step("request_solde", 0, (((0, 11), (1, 65_123)),)), Step("ask_correction", 0, ("solde",)),
)  # fmt: skip
_TO_CLOTURE = Step("clock", minutes=60 * 24 * 400)
FOUND = {
    "answered although its VA was replaced": (
        *_SENT_BACK, Step("prepare_va", 0, (True,)), Step("answer_correction", 0),
    ),
    "billed no more than its advance, which is returned and paid again": (
        Step("deposit", args=("A", ((0, 12), (1, 12)), False)), *_SIGNED[1:],
        Step("request_solde", 0, (((0, 1), (1, 5)),)), Step("validate_solde", 0),
        Step("bank", 0, ((0, "returned"),)), Step("represent", 0, ("advance",)),
        Step("prepare_lot", args=((0, "advance"),)), Step("approve_lot", 1, ("second",)),
        Step("bank", 1, ((0, "paid"),)),
    ),
    "billed anew the day after": (
        *_SENT_BACK, Step("refile_solde", 0, (((0, 11), (1, 70_001)),), 60 * 30), Step("validate_solde", 0),
    ),
    "given back while it was to review": (
        *_SIGNED, _TO_CLOTURE, Step("bank", 0, ((0, "returned"),)), Step("settle_advance", 0, (True,)),
        Step("settle_advance", 0, (False,)),
    ),
    "kept without the ESSMS that was removed": (
        *_SIGNED[:-2], Step("propose", 0, ("og", (0,))), Step("answer_amendment", 0, ("supplier", "agree")),
        *_SIGNED[-2:], _TO_CLOTURE, Step("settle_advance", 0, (True,)), Step("issue", 0, ("advance",)),
        Step("repay", 0, ("advance", 0)),
    ),
    "repaid a cent too little, then a cent too much, then right": (
        *_SIGNED[:-3], _TO_CLOTURE, Step("bank", 0, ((0, "paid"),)), Step("issue", 0, ("advance",)),
        Step("repay", 0, ("advance", -1)), Step("repay", 0, ("advance", 1)), Step("repay", 0, ("advance", 0)),
    ),
    "lapsed while its payment was with the bank": (
        *_SIGNED[:-3], _TO_CLOTURE, Step("bank", 0, ((0, "paid"),)), Step("issue", 0, ("advance",)),
        Step("repay", 0, ("advance", 0)),
    ),
}  # fmt: skip
"""Lives that the machine found wrong once, or that money makes delicate."""


@pytest.mark.parametrize("steps", FOUND.values(), ids=FOUND)
def test_what_was_found_once_stays_right(stage: Stage, steps: tuple[Step, ...]) -> None:
    stage.run(a_life(stage.cast, steps))


async def a_life(cast: Cast, steps: Sequence[Step]) -> None:
    """Lives these steps in a new life, held against the model after each."""
    being = await Life.begin(cast)
    for step in steps:
        await being.live(step)
        await being.compare()
