"""Members of an OG, and the delegations of signature among them, through the operations; valid by default."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sons_tracker.operations import actors, delegations
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.delegations import Asked, DelegationView
from sons_tracker.operations.signatures import Signer
from sons_tracker.rules.delegations import DELEGATION_CONSENT, DelegationTerms
from sons_tracker.rules.french import PARIS
from tests import factories_orders as make
from tests.factories import AT, Account
from tests.factories_life import Told

DIRECTOR = Signer("Camille Exemple", "Directrice générale", DELEGATION_CONSENT)
FROM_ON, UNTIL_ON = date(2023, 3, 1), date(2023, 4, 30)
_numbers = itertools.count(1)
ALL_ACTS = ("amendment", "renunciation", "va")


async def a_member(og: Account, *, responsible: bool | None = None, name: str | None = None) -> Account:
    """One more person of an OG, with a token; responsible for it only when it is said."""
    person_id, organisation_id = await actors.enrol(
        LOCAL_ADMIN, at=AT, kind="og", organisation="x", person=name or f"Membre {next(_numbers)}", role="og",
        finess_juridique=og.finess_juridique, responsible=responsible,
    )  # fmt: skip
    made = await actors.create_token(
        LOCAL_ADMIN, at=AT, person_id=person_id, organisation_id=organisation_id, role="og"
    )
    actor = await actors.authenticate(made.secret)
    assert actor is not None
    return replace(og, actor=actor, token=made.secret)


def person_of(account: Account) -> UUID:
    """Who an account is."""
    assert account.actor.person_id is not None
    return account.actor.person_id


def asked(receiver: Account, **changes: Any) -> Asked:
    """A delegation of the VA for March and April 2023, but for what `changes` says of its terms."""
    terms = {"acts": ("va",), "from_on": FROM_ON, "until_on": UNTIL_ON, **changes}
    return Asked(person_of(receiver), DelegationTerms(**terms))


async def give(
    giver: Account, receiver: Account, at: datetime = AT, *, shown: bytes | None = None, **changes: Any
) -> Told:
    """Gives a delegation on the text that is shown; what was told."""
    wanted, told = asked(receiver, **changes), Told()
    if shown is None:
        shown = (await delegations.propose_text(giver.actor, wanted, at)).text_sha256
    await delegations.give(giver.actor, wanted, shown, DIRECTOR, at, make.a_key(), told)
    return told


async def given(giver: Account, receiver: Account, at: datetime = AT, **changes: Any) -> DelegationView:
    """A delegation that was given."""
    outcome = (await give(giver, receiver, at, **changes)).outcome
    assert isinstance(outcome, DelegationView), outcome
    return outcome


async def revoke(by: Account, delegation_id: UUID, at: datetime = AT) -> Told:
    """Revokes a delegation; what was told."""
    told = Told()
    await delegations.revoke(by.actor, delegation_id, at, make.a_key(), told)
    return told


def paris(text: str) -> datetime:
    """An instant as Paris reads it, e.g. `2023-03-31T23:59:59.999999`."""
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)
