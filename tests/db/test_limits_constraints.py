"""Each guard of the buckets, and each policy of retention and rectification, attacked alone and loosened."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sons_tracker.db.engine import RowContext
from tests.databases import Database
from tests.db.attack import CHECK, UNIQUE, Attack, World, guards_of, refuses_alone, succeeds_without
from tests.factories import an_account
from tests.factories_orders import prepare_instance

TABLES = ("rate_bucket",)
# Policies that this migration gave to tables of others. Those that show what ended to the scheduler hide
# nothing that the policies of `forgotten` do not keep from being forgotten.
LENT = {"access_token_forgotten", "session_forgotten", "person_rectified"}
BUCKET = "insert into sons.rate_bucket values ('{kind}', '{subject}', now())"
ATTACKS = [
    Attack(
        "rate_bucket_pkey", UNIQUE, None, statements=(BUCKET.format(kind="account", subject="a"),)
    ),
    Attack(
        "rate_bucket_kind_known", CHECK, None, statements=(BUCKET.format(kind="token", subject="b"),)
    ),
    Attack(
        "rate_bucket_subject_length", CHECK, None, statements=(BUCKET.format(kind="account", subject=""),)
    ),
    Attack(
        "rate_bucket_subject_length",
        CHECK,
        None,
        statements=(BUCKET.format(kind="account", subject="x" * 65),),
        note="long",
    ),
    Attack("rate_bucket_full_seen", None, "admin", statements=("select count(*) from sons.rate_bucket",)),
    Attack(
        "rate_bucket_forgotten",
        None,
        "scheduler",
        statements=("delete from sons.rate_bucket where subject = 'later'",),
        note="not full",
    ),
    Attack(
        "access_token_forgotten",
        None,
        "scheduler",
        statements=("delete from sons.access_token where role = 'og'",),
        note="a token that is valid",
    ),
    Attack(
        "access_token_forgotten",
        None,
        "admin",
        statements=("delete from sons.access_token where role = 'ars'",),
        note="by an administrator",
    ),
    Attack(
        "session_forgotten",
        None,
        "scheduler",
        statements=("delete from sons.session where role = 'og'",),
        note="a session that is open",
    ),
    Attack(
        "person_rectified",
        None,
        "og",
        statements=("update sons.person set name = 'Autre' where name = 'Ada'",),
        lifted=("person_seen",),
        note="by oneself",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    await prepare_instance()
    og, ars = await an_account("og"), await an_account("ars")
    await owner.execute(
        "insert into sons.rate_bucket values ('account', 'a', now()),"
        " ('account', 'later', now() + interval '1 hour')"
    )
    await owner.execute("update sons.access_token set revoked_at = now() where id = $1", ars.actor.token_id)
    await owner.execute("insert into sons.person (name) values ('Ada')")
    await owner.execute(
        "insert into sons.session (id, sha256, person_id, organisation_id, role, auth_level, created_at,"
        " last_seen_at, expires_at, address_sha256) values (gen_random_uuid(), sha256('s'), $1, $2, 'og',"
        " 'password_totp', now(), now(), now() + interval '1 hour', sha256('a'))",
        og.actor.person_id,
        og.actor.organisation_id,
    )
    contexts = {
        "admin": RowContext(None, "admin"),
        "scheduler": RowContext(None, "scheduler"),
        "og": RowContext(og.actor.organisation_id, "og"),
    }
    yield World(owner, {}, contexts)
    await owner.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_a_guard_refuses_by_its_name(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_loosened_it_lets_the_attack_through(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_has_its_attack(world: World) -> None:
    # `rate_bucket_spent` opens the table to the owner of one function; it guards nothing.
    guards = await guards_of(world.owner, TABLES) - {"rate_bucket_spent"}
    assert guards | LENT == {one.guard for one in ATTACKS}
