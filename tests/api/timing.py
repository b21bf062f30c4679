"""Whether two kinds of request take the same time, told by pairs taken in turn on a machine never quiet.

The two are apart when a fifth of each is quicker than marks a tenth or more away, and the ranks say
the same (Mann and Whitney's statistic, normal for such sizes). A noisy neighbour does both now and then,
but not four times in a row with the same sign: a measure that looks apart is taken again.
"""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Ask = Callable[[], Awaitable[object]]
APART = 0.10
"""Share of the mark by which two marks must differ."""
SURE, TIMES = 2.0, 4
"""Standard deviations of the rank statistic, so many times in a row: once in two million by chance."""
WARMING = 3


@dataclass(frozen=True, slots=True)
class Measure:
    """Marks in milliseconds; `z` above zero: the first kind is slower than the second."""

    first: float
    second: float
    z: float

    @property
    def sign(self) -> int:
        """1 or -1 where the two are apart, 0 where nothing says so."""
        gap = self.first - self.second
        if abs(self.z) < SURE or abs(gap) < APART * min(self.first, self.second) or gap * self.z < 0:
            return 0
        return 1 if gap > 0 else -1

    def __str__(self) -> str:
        return f"{self.first:.2f} ms and {self.second:.2f} ms (z = {self.z:+.1f})"


async def apart(first: Ask, second: Ask, rounds: int) -> tuple[bool, list[Measure]]:
    """Whether the two take times that are apart, and each measure that was needed to say so."""
    taken: list[Measure] = []
    while len(taken) < TIMES:
        taken.append(measured(*await _times(first, second, rounds)))
        if not taken[-1].sign or taken[-1].sign != taken[0].sign:
            return False, taken
    return True, taken


def measured(first: list[float], second: list[float]) -> Measure:
    """What the times of both kinds say."""
    ranks = {value: rank for rank, value in enumerate(sorted(first + second), start=1)}
    n, m = len(first), len(second)
    u = sum(ranks[value] for value in first) - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return Measure(sorted(first)[n // 5], sorted(second)[m // 5], z)


async def _times(first: Ask, second: Ask, rounds: int) -> tuple[list[float], list[float]]:
    chance = random.Random(rounds)
    times: tuple[list[float], list[float]] = ([], [])
    gc.disable()  # it would fall on whichever request fills its quota
    try:
        for number in range(rounds + WARMING):
            turn = [(first, times[0]), (second, times[1])]
            chance.shuffle(turn)
            for ask, kept in turn:
                began = time.perf_counter()
                await ask()
                if number >= WARMING:
                    kept.append((time.perf_counter() - began) * 1000)
    finally:
        gc.enable()
    return times
