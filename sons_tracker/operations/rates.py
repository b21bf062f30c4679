"""How many requests a caller may make: token buckets in PostgreSQL, the same for every process."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from typing import Literal

from sons_tracker.db.engine import ask
from sons_tracker.operations.actors import Actor
from sons_tracker.safeguards import Rate

Kind = Literal["account", "address"]
_LONGEST_SUBJECT = 64
_V6_OF_ONE_HOST = 64


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request cost: whether it may pass, how many more may at once, and the seconds to wait for one,
    or for all, rounded up."""

    granted: bool
    limit: int
    remaining: int
    retry_after: int
    reset: int


async def spend(kind: Kind, subject: str, rate: Rate) -> Spent:
    """Takes one request of the caller's bucket, in one statement of its own: what the request does later,
    fails to do or does again is counted once.

    Raises:
        SonsError: `UNAVAILABLE` when no connection comes in time.
    """
    row = await ask(
        "select granted, remaining, wait_seconds, full_seconds from spend($1, $2, $3, $4)",
        kind,
        subject,
        rate.requests,
        rate.seconds,
    )
    if row is None:  # two first requests at once, of a bucket that holds one
        return Spent(False, rate.requests, 0, 1, rate.seconds)
    return Spent(
        row["granted"],
        rate.requests,
        row["remaining"],
        max(1, math.ceil(row["wait_seconds"])),
        math.ceil(row["full_seconds"]),
    )


def account_of(actor: Actor) -> str | None:
    """The account: the person, whatever the token or the session; None without one."""
    return None if actor.person_id is None else str(actor.person_id)


def address_of(host: str | None) -> str:
    """The address as it is counted. One host owns a whole /64 of IPv6."""
    try:
        found = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return (host or "local")[:_LONGEST_SUBJECT]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.ip_network((found, _V6_OF_ONE_HOST), strict=False))
        found = found.ipv4_mapped
    return str(found)
