"""Reproducible samples: the same seed on the same population gives the same sample, on any machine.

Strata are served in proportion (largest remainders); within one, things come in the order of the SHA-256 of
the seed and their name, which nobody chooses.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sons_tracker.errors import ErrorCode, Fault, SonsError

Stratum = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that may be drawn: its name, its stratum, the money that it received, in cents TTC."""

    name: str
    stratum: Stratum
    received_cents: int


def digest_of(population: Iterable[Unit]) -> bytes:
    """The SHA-256 of a population: names, strata and amounts, whatever the order in which they come."""
    lines = sorted(f"{one.name}\t{'|'.join(one.stratum)}\t{one.received_cents}\n" for one in population)
    return hashlib.sha256("".join(lines).encode()).digest()


def allocate(counts: Mapping[Stratum, int], size: int, *, at_least_one: bool) -> dict[Stratum, int]:
    """How many of each stratum make a sample of `size`, or of everything when there is less.

    In proportion, by largest remainders; equal remainders go to the first stratum in the order of its words.
    With `at_least_one` each stratum has one first, and the rest is in proportion to what it has left.

    Raises:
        SonsError: `INVALID_REQUEST` when `size` is below the number of strata that must have one each.
    """
    size = min(size, sum(counts.values()))
    strata = sorted(stratum for stratum, count in counts.items() if count)
    first = 1 if at_least_one else 0
    if first * len(strata) > size:
        problem = (
            f"Il y a {len(strata)} strates : un échantillon d'au moins une unité par strate en compte autant."
        )
        raise SonsError(ErrorCode.INVALID_REQUEST, problem, (Fault("$.size", problem),))
    left = {stratum: counts[stratum] - first for stratum in strata}
    whole = sum(left.values())
    rest = size - first * len(strata)
    if not whole:
        return dict.fromkeys(strata, first)
    shares = {stratum: divmod(rest * left[stratum], whole) for stratum in strata}
    given = {stratum: first + share for stratum, (share, _) in shares.items()}
    missing = size - sum(given.values())
    for stratum in sorted(strata, key=lambda one: (-shares[one][1], one))[:missing]:
        given[stratum] += 1
    return given


def draw(population: Sequence[Unit], seed: str, size: int, *, at_least_one: bool) -> tuple[Unit, ...]:
    """A stratified sample, by stratum then in the order of the draw.

    Raises:
        SonsError: as `allocate`.
    """
    given = allocate(Counter(one.stratum for one in population), size, at_least_one=at_least_one)
    drawn: dict[Stratum, list[tuple[bytes, str, Unit]]] = {stratum: [] for stratum in given}
    for one in population:
        # the name ends the key: two things of one name are not expected, and would not compare otherwise
        drawn[one.stratum].append((_ticket(seed, one.name), one.name, one))
    return tuple(
        unit
        for stratum, count in given.items()
        for _, _, unit in sorted(drawn[stratum], key=lambda ticket: ticket[:2])[:count]
    )


def _ticket(seed: str, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\t{name}".encode()).digest()
