"""Each guard of delegations and of capacities is attacked alone; loosened, it lets the attack through."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from sons_tracker.rules.declarations import RENUNCIATION_CONSENT, STATEMENT_CONSENT
from sons_tracker.rules.signatories import ACT_WORDS
from sons_tracker.rules.va_statement import VA_CONSENT
from tests import factories_delegations as delegated
from tests import factories_endings as endings
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.databases import Database
from tests.db.attack import Attack, World, act_as, guards_of, refuses_alone, succeeds_without, undone
from tests.db.delegation_attacks import ADDED, ATTACKS, NOT_ATTACKED, TABLES
from tests.factories import AT, Account, an_account
from tests.factories_life import Life, a_deposited_order

_REVOCATION = ("revoked_at", "revoked_by", "revoked_role", "revoked_because")
_INVITATION = """
insert into sons.invitation (id, sha256, kind, organisation_id, organisation_kind, role, email, created_at,
  expires_at) values (gen_random_uuid(), sha256('x'), 'join', $1, 'og', 'og', 'x@example.org',
  now() - interval '1 h', now() + interval '1 d')
"""


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await make.prepare_instance()
    order = await solde.a_paid_advance(owner, 1)
    await solde.prepare(order)
    director, stranger = order.og, await an_account("og")
    member, other = await delegated.a_member(director), await delegated.a_member(director)
    over = await delegated.given(director, member, until_on=date(2023, 3, 10))
    revoked = await delegated.given(director, member, from_on=date(2023, 3, 11))
    await delegated.revoke(director, revoked.id)
    held = await delegated.given(director, member, from_on=date(2023, 3, 11))
    elsewhere = await delegated.given(director, member, acts=("renunciation",))
    renouncing, proposing, agreeing = [await a_deposited_order(owner, 2) for _ in range(3)]
    await endings.ask(renouncing, "renunciation", by=renouncing.og)
    await endings.propose(agreeing, agreeing.essms[:1])
    await owner.execute(_INVITATION, director.actor.organisation_id)
    persons = {
        "director": director, "member": member, "other": other, "stranger": stranger,
        "agreeing": agreeing.og,
    }  # fmt: skip
    rows: dict[str, dict[str, Any]] = {
        f"person {name}": {"id": str(account.actor.person_id)} for name, account in persons.items()
    }
    for name, found in {"held": held, "revoked": revoked, "over": over, "renunciation": elsewhere}.items():
        rows[f"delegation {name}"] = await _row(owner, "delegation", "id = $1", found.id)
    rows["delegation granted"] = _without(rows["delegation held"], *_REVOCATION) | {
        "receiver_id": str(other.actor.person_id), "from_on": "2023-06-01", "until_on": "2023-06-30",
    }  # fmt: skip
    of_og = ("organisation_id = $1", director.actor.organisation_id)
    rows["invitation open"] = await _row(owner, "invitation", *of_og)
    rows["invitation granted"] = _without(rows["invitation open"], "accepted_at", "revoked_at")
    rows["va_signature ready"] = await _va_signature(owner, order)
    rows["cancellation_piece ready"] = await _piece(owner, renouncing, renouncing.og)
    rows["cancellation_piece statement"] = await _piece(owner, renouncing, renouncing.editor)
    rows["amendment open"] = await _row(owner, "amendment", "order_id = $1", agreeing.order_id)
    rows["amendment ready"] = _proposal(rows["amendment open"], proposing)
    contexts = {
        "director": director.actor.context, "member": member.actor.context,
        "stranger": stranger.actor.context, "renouncing": renouncing.og.actor.context,
        "renouncing_supplier": renouncing.editor.actor.context, "proposing": proposing.og.actor.context,
        "agreeing": agreeing.og.actor.context,
    }  # fmt: skip
    yield World(owner, rows, contexts)
    await owner.close()


async def _row(owner: asyncpg.Connection, table: str, where: str, *arguments: object) -> dict[str, Any]:
    [found] = await owner.fetch(f"select to_jsonb(t) from sons.{table} t where {where}", *arguments)
    return dict(found[0])


def _without(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in columns}


async def _va_signature(owner: asyncpg.Connection, order: Life) -> dict[str, Any]:
    """The signature that the director could give."""
    va = await _row(owner, "va", "order_id = $1", order.order_id)
    parties = {name: va[name] for name in ("order_id", "supplier_id", "og_id", "statement_sha256")}
    return {
        "va_id": va["id"], **parties, "kind": "eidas_simple", "consent": VA_CONSENT, "signer_name": "A",
        "signer_function": "B", "signed_at": solde.LATER.isoformat(),
        "person_id": str(order.og.actor.person_id), "role": "og", "auth_level": "token", "verdicts": [],
        "law_digest": va["law_digest"], "known_on": va["known_on"], "capacity": "responsible",
        "delegation_id": None,
    }  # fmt: skip


async def _piece(owner: asyncpg.Connection, order: Life, by: Account) -> dict[str, Any]:
    """The piece that a party could join to the cancellation that its OG asked for."""
    asked = await _row(owner, "cancellation", "order_id = $1", order.order_id)
    of_og = by.actor.role == "og"
    text = asked["document"] if of_og else "Déclaration."
    parties = {name: asked[name] for name in ("order_id", "supplier_id", "og_id")}
    return {
        "cancellation_id": asked["id"], **parties, "kind": "renunciation" if of_og else "statement",
        "text": text, "sha256": "\\x" + hashlib.sha256(text.encode()).hexdigest(),
        "consent": RENUNCIATION_CONSENT if of_og else STATEMENT_CONSENT, "given_at": AT.isoformat(),
        "person_id": str(by.actor.person_id), "organisation_id": str(by.actor.organisation_id),
        "role": by.actor.role, "auth_level": "token", "signer_name": "A", "signer_function": "B",
        "capacity": "responsible" if of_og else None, "delegation_id": None,
    }  # fmt: skip


def _proposal(like: dict[str, Any], order: Life) -> dict[str, Any]:
    """An amendment that the OG of an order could propose."""
    answer = ("closed_", "signed_", "signer_", "consent", "refusal")
    return {name: value for name, value in like.items() if not name.startswith(answer)} | {
        "id": str(uuid4()), "order_id": str(order.order_id),
        "supplier_id": str(order.editor.actor.organisation_id),
        "og_id": str(order.og.actor.organisation_id), "proposed_by": str(order.og.actor.person_id),
        "proposed_for": str(order.og.actor.organisation_id), "proposed_role": "og",
        "proposed_capacity": "responsible",
    }  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_these_tables_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES) | set().union(*ADDED.values())
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked == set(NOT_ATTACKED), "a guard without an attack"
    assert attacked <= guards
    for table, added in ADDED.items():
        assert added <= await guards_of(world.owner, (table,)), table


async def test_the_acts_are_the_same_in_the_rules_and_in_the_database(world: World) -> None:
    said = await world.owner.fetchval(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'delegation_acts_known'"
    )
    assert {act for act in ACT_WORDS if f"'{act}'" in said} == set(ACT_WORDS)
    assert said.count("ANY (acts)") == len(ACT_WORDS)


@pytest.mark.parametrize("right", ["delete", "truncate", "references", "trigger"])
async def test_the_application_only_ever_gives_and_revokes(world: World, right: str) -> None:
    allowed = await world.owner.fetchval(
        "select has_table_privilege('sons_app', 'sons.delegation', $1)", right
    )
    assert not allowed
    async with undone(world.owner):
        await act_as(world.owner, world.contexts["director"])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.owner.execute("update sons.delegation set until_on = until_on + 1")
