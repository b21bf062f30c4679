"""Each guard of the tables of the outbox is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.operations import actors, deliveries, feeds, webhooks
from sons_tracker.operations.actors import LOCAL_ADMIN
from sons_tracker.operations.deliveries import SENDER
from tests.databases import Database
from tests.db.attack import (
    Attack,
    World,
    act_as,
    guards_of,
    refuses_alone,
    succeeds_without,
    undone,
)
from tests.db.outbox_attacks import ATTACKS, NOT_ATTACKED, TABLES
from tests.factories import AT, an_account
from tests.factories_outbox import DOOR, a_key, a_webhook, announced, kept

# What the application may write of a row, and no more.
_INSERTED = {
    "webhook_endpoint": ("id", "organisation_id", "url", "events", "created_at"),
    "webhook_secret": ("id", "endpoint_id", "organisation_id", "sealed", "created_at"),
    "delivery": ("outbox_id", "organisation_id", "endpoint_id", "state", "attempts", "created_at", "next_at"),
    "calendar_feed": ("id", "organisation_id", "secret_sha256", "created_at", "created_by"),
}


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    og, other, stranger = [await an_account("og") for _ in range(3)]
    assert og.finess_juridique is not None
    await actors.enrol(
        LOCAL_ADMIN, at=AT, kind="og", organisation="OG (fictif)", person="Destinataire", role="og",
        finess_juridique=og.finess_juridique, email="destinataire@example.org",
    )  # fmt: skip
    ids: dict[str, Any] = {}
    for name, account in (("own", og), ("disabled", og), ("other", other)):
        hook = await a_webhook(account.actor, "https://example.org/", "payment.paid")
        ids[f"webhook_endpoint {name}"] = hook.id
    await webhooks.disable(og.actor, AT, a_key(), ids["webhook_endpoint disabled"], kept)
    ids["webhook_secret ending"] = await owner.fetchval(
        "select id from sons.webhook_secret where endpoint_id = $1", ids["webhook_endpoint own"]
    )
    await webhooks.rotate(
        og.actor, AT, a_key(), ids["webhook_endpoint own"], timedelta(days=1), kept, door=DOOR
    )
    ids["webhook_secret current"] = await owner.fetchval(
        "select id from sons.webhook_secret where endpoint_id = $1 and expires_at is null",
        ids["webhook_endpoint own"],
    )
    ids["webhook_endpoint spare"] = uuid4()
    await owner.execute(
        "insert into sons.webhook_endpoint (id, organisation_id, url, events, created_at)"
        " values ($1, $2, 'https://example.org/', '{order.lapsed}', now())",
        ids["webhook_endpoint spare"],
        og.actor.organisation_id,
    )
    await announced(og.actor)  # claimed, and ended
    job = next(job for job in await deliveries.claim(9, []) if job.endpoint_id is not None)
    await deliveries.conclude(job, deliveries.Outcome("delivered", 200))
    ids["delivery ended"] = job.delivery_id
    await announced(og.actor)
    job = next(job for job in await deliveries.claim(9, []) if job.endpoint_id is not None)
    ids["delivery claimed"] = job.delivery_id
    told = await announced(og.actor)
    ids["outbox told"] = await owner.fetchval("select id from sons.outbox where object_id = $1", told)
    for name, column in (("endpoint", "endpoint_id"), ("person", "person_id")):
        ids[f"delivery {name}"] = await owner.fetchval(
            f"select id from sons.delivery where outbox_id = $1 and {column} is not null", ids["outbox told"]
        )
    for name in ("own", "revoked"):
        shown = await feeds.create(og.actor, AT, a_key(), kept)
        ids[f"calendar_feed {name}"] = UUID(msgspec.json.decode(shown.answer.body)["id"])
    await feeds.revoke(og.actor, AT, a_key(), ids["calendar_feed revoked"], kept)
    rows: dict[str, dict[str, Any]] = {"person stranger": {"id": str(stranger.actor.person_id)}}
    for name, key in ids.items():
        table = name.split()[0]
        rows[name] = await owner.fetchval(f"select to_jsonb(t) from sons.{table} t where id = $1", key)
    rows["outbox number"] = {"number": rows["outbox told"].pop("number")}
    for table, columns in _INSERTED.items():
        like = {"webhook_secret": "current", "delivery": "endpoint"}.get(table, "own")
        rows[f"{table} new"] = {name: rows[f"{table} {like}"][name] for name in columns}
    rows["webhook_secret new"]["endpoint_id"] = rows["webhook_endpoint spare"]["id"]
    rows["delivery new"]["round"] = 2
    contexts = {
        "own": og.actor.context,
        "other": other.actor.context,
        "sender": SENDER.context,
        "admin": LOCAL_ADMIN.context,
        "scheduler": RowContext(None, "scheduler"),
        "reviewer": (await an_account("reviewer")).actor.context,
        "anonymous": RowContext(None, "anonymous"),
    }
    yield World(owner, rows, contexts)
    await owner.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_the_guard_refuses_by_its_name_and_alone(world: World, attack: Attack) -> None:
    await refuses_alone(world, attack)


@pytest.mark.scoreboard(12)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_without_the_guard_the_attack_succeeds(world: World, attack: Attack) -> None:
    await succeeds_without(world, attack)


async def test_every_guard_of_the_tables_of_the_outbox_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, TABLES)
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked - set(NOT_ATTACKED) == set(), "a guard without an attack"
    assert set(NOT_ATTACKED) <= guards - attacked, "an exception that excuses nothing"
    assert attacked - guards == {"person_mailed"}


@pytest.mark.scoreboard(10)
@pytest.mark.parametrize("table", TABLES)
async def test_who_reads_what_was_announced_to_an_organisation(world: World, table: str) -> None:
    readers = {
        "webhook_endpoint": {"own", "sender", "admin"},
        "webhook_secret": {"own", "sender"},
        "outbox": {"own", "sender", "admin"},
        "delivery": {"own", "sender", "admin"},
        "calendar_feed": {"own", "admin"},
    }[table]
    organisation = world.rows["webhook_endpoint own"]["organisation_id"]
    for viewer, context in world.contexts.items():
        async with undone(world.owner):
            await act_as(world.owner, context)
            seen = await world.owner.fetchval(
                f"select count(id) from sons.{table} where organisation_id::text = $1", organisation
            )
            assert (seen > 0) is (viewer in readers), viewer


@pytest.mark.parametrize(
    ("table", "column"),
    [("webhook_secret", "secret"), ("webhook_secret", "sealed"), ("calendar_feed", "secret_sha256")],
)
async def test_no_secret_can_be_selected(world: World, table: str, column: str) -> None:
    for context in world.contexts.values():
        async with undone(world.owner):
            await act_as(world.owner, context)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await world.owner.fetch(f"select {column} from sons.{table}")


@pytest.mark.parametrize("table", TABLES)
async def test_the_application_may_not_remove_nor_truncate(world: World, table: str) -> None:
    for right in ("delete", "truncate", "references", "trigger", "update"):
        allowed = await world.owner.fetchval(
            "select has_table_privilege('sons_app', $1, $2)", f"sons.{table}", right
        )
        assert not allowed, right


async def test_only_the_sender_is_given_secrets_and_only_live_ones(world: World) -> None:
    asked = f"select count(*) from sons.signing_secrets('{world.rows['webhook_endpoint own']['id']}')"
    for viewer, context in world.contexts.items():
        async with undone(world.owner):
            await act_as(world.owner, context)
            assert await world.owner.fetchval(asked) == (2 if viewer == "sender" else 0)
    async with undone(world.owner):
        await world.owner.execute(
            "update sons.webhook_secret set expires_at = created_at where expires_at is not null"
        )
        await act_as(world.owner, world.contexts["sender"])
        assert await world.owner.fetchval(asked) == 1


async def test_a_member_without_an_address_and_a_filter_that_does_not_match_get_nothing(world: World) -> None:
    ways = await world.owner.fetch(
        "select endpoint_id, person_id from sons.delivery where outbox_id = $1",
        UUID(world.rows["outbox told"]["id"]),
    )
    assert sorted("endpoint" if way["endpoint_id"] else "person" for way in ways) == ["endpoint", "person"], (
        "neither the spare endpoint nor the member without an address"
    )
