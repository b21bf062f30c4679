"""Actors for tests: valid by default, each with an organisation and numbers of its own.

They go through the operations, so that a test's actor is what `authenticate` would have given. The engine
must be started (fixture `database`, `module_database` or `client`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime

from sons_tracker.operations import actors
from sons_tracker.operations.actors import LOCAL_ADMIN, ROLES_BY_KIND, Actor
from sons_tracker.rules.identifiers import luhn_ok

AT = datetime(2023, 3, 1, 9, 0, tzinfo=UTC)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Account:
    """An actor and the bearer token that stands for it."""

    actor: Actor
    token: str
    siren: str | None
    finess_juridique: str | None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def with_key(stem: str) -> str:
    """The digits of `stem` followed by their Luhn key."""
    return next(number for digit in "0123456789" if luhn_ok(number := stem + digit))


def a_siren() -> str:
    """A SIREN that no other test has."""
    return with_key(f"8{next(_numbers):07d}")


def a_finess(departement: str = "99") -> str:
    """A FINESS number that no other test has, in a department that does not exist by default."""
    return with_key(f"{departement}{next(_numbers):06d}")


def kind_of(role: str) -> actors.OrganisationKind:
    """The first kind of organisation that has this role."""
    kinds: tuple[actors.OrganisationKind, ...] = ("editor", "distributor", "og", "ars", "agency", "state")
    return next(kind for kind in kinds if role in ROLES_BY_KIND[kind])


async def an_account(
    role: str = "editor",
    *,
    kind: actors.OrganisationKind | None = None,
    organisation: str | None = None,
    siren: str | None = None,
    finess_juridique: str | None = None,
) -> Account:
    """A person with that role in an organisation, by default a new one, and a token."""
    kind = kind or kind_of(role)
    number = next(_numbers)
    if kind == "og":
        finess_juridique = finess_juridique or a_finess()
    else:
        siren = siren or a_siren()
    person_id, organisation_id = await actors.enrol(
        LOCAL_ADMIN,
        at=AT,
        kind=kind,
        organisation=organisation or f"Organisation {number} (fictive)",
        person=f"Personne {number}",
        role=role,
        siren=siren,
        finess_juridique=finess_juridique,
    )
    made = await actors.create_token(
        LOCAL_ADMIN, at=AT, person_id=person_id, organisation_id=organisation_id, role=role
    )
    actor = await actors.authenticate(made.secret)
    assert actor is not None
    return Account(actor, made.secret, siren, finess_juridique)


async def an_actor(role: str = "editor") -> Actor:
    """An actor with that role in a new organisation."""
    return (await an_account(role)).actor
