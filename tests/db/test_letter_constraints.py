"""Each guard of the letters is attacked alone; loosened, it lets the same attack through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from sons_tracker.db.engine import RowContext
from sons_tracker.operations.actors import SCHEDULER
from sons_tracker.operations.deliveries import SENDER
from tests.databases import Database
from tests.db.attack import (
    CHECK,
    FOREIGN,
    HIDDEN,
    UNIQUE,
    Attack,
    Of,
    World,
    act_as,
    guards_of,
    refuses_alone,
    succeeds_without,
    undone,
)
from tests.factories import an_account

TABLE = "letter"
NEW, NOBODY = str(UUID(int=7)), str(UUID(int=1))
TOLD, INVITED, ENDED = "letter told", "letter invited", "letter ended"
LATER = "2099-01-01T00:00:00Z"
ELSEWHERE = {"person_written_to"}
OPENINGS = {"letter_written": "read by write_invitation(), which asks for its identifier and the sender"}


def _row(guard: str, sqlstate: str, like: str = TOLD, by: str | None = None, **changes: Any) -> Attack:
    note = f"{by or 'owner'}_{'_'.join(changes)}"
    return Attack(guard, sqlstate, by, like, {"id": NEW, **changes}, note=note)


def _said(guard: str, sqlstate: str | None, by: str | None, statement: str, *lifted: str) -> Attack:
    return Attack(guard, sqlstate, by, statements=(statement,), lifted=lifted, note=by or "owner")


ATTACKS: tuple[Attack, ...] = (
    _row("letter_pkey", UNIQUE, id=Of(TOLD, "id")),
    _row("letter_invitation_fkey", FOREIGN, INVITED, invitation_id=NOBODY),
    _row("letter_person_fkey", FOREIGN, person_id=NOBODY),
    _row("letter_once_per_invitation", UNIQUE, INVITED),
    _row("letter_kind_known", CHECK, kind="advertisement"),
    _row("letter_to_whom_its_kind_says", CHECK, kind="invitation"),
    _row("letter_to_whom_its_kind_says", CHECK, person_id=None),
    _row("letter_attempts_positive", CHECK, attempts=-1),
    Attack(
        "letter_state_known", CHECK, None, TOLD,
        {"id": NEW, "state": "lost", "next_at": None, "ended_at": LATER},
    ),
    _row("letter_waits_or_ended", CHECK, next_at=None),
    _row("letter_waits_or_ended", CHECK, state="dead"),
    _said(
        "letter_goes_forward", "SN280", "sender",
        "update sons.letter set attempts = 9 where id = {letter ended}",
    ),
    _said(
        "letter_goes_forward", "SN280", None,
        "update sons.letter set kind = 'second_factor_changed' where id = {letter told}",
    ),
    _said("letter_never_truncated", "SN010", None, "truncate sons.letter"),
    _said("letter_seen", None, "colleague", "select count(*) from sons.letter where id = {letter told}"),
    _row("letter_asked", HIDDEN, "letter asked", "colleague", person_id=Of(TOLD, "person_id")),
    _row("letter_asked", HIDDEN, "letter asked", "ada", attempts=1),
    _said(
        "letter_sent", None, "ada",
        "update sons.letter set next_at = now() where id = {letter told}",
    ),
    _said("letter_forgotten", None, "admin", "delete from sons.letter where id = {letter ended}"),
    _said("letter_forgotten", None, "scheduler", "delete from sons.letter where id = {letter told}"),
    _said(
        "person_written_to", None, "sender", "select count(id) from sons.person where id = {person zoe}"
    ),
)  # fmt: skip

ROWS = """
set local search_path = sons;
update person set email = 'ada@example.org' where id = '{ada}';
insert into invitation (id, sha256, kind, organisation_id, organisation_kind, role, email, created_at,
  expires_at)
values ('{invitation}', sha256('i'), 'join', '{home}', 'editor', 'editor', 'x@example.org', now(),
  now() + interval '1 d');
insert into letter (id, kind, invitation_id, person_id, state, attempts, created_at, next_at, ended_at) values
  (gen_random_uuid(), 'password_changed', null, '{ada}', 'waiting', 1, now(), now(), null),
  (gen_random_uuid(), 'invitation', '{invitation}', null, 'waiting', 0, now(), now(), null),
  (gen_random_uuid(), 'password_changed', null, '{zoe}', 'dead', 1, now(), null, now());
"""
_NAMED = {
    TOLD: "person_id is not null and state = 'waiting'",
    INVITED: "invitation_id is not null",
    ENDED: "state = 'dead'",
}


@pytest.fixture(scope="module")
async def world(module_database: Database) -> AsyncIterator[World]:
    owner = await module_database.connect_superuser()
    ada, zoe, admin = [(await an_account(role)).actor for role in ("editor", "editor", "admin")]
    assert ada.organisation_id is not None
    invitation = UUID(int=99)
    await owner.execute(
        ROWS.format(ada=ada.person_id, zoe=zoe.person_id, home=ada.organisation_id, invitation=invitation)
    )
    rows: dict[str, dict[str, Any]] = {
        name: await owner.fetchval(f"select to_jsonb(l) from sons.letter l where {condition}")
        for name, condition in _NAMED.items()
    }
    granted = ("id", "kind", "invitation_id", "person_id", "state", "attempts", "created_at", "next_at")
    rows["letter asked"] = {name: rows[TOLD][name] for name in granted} | {"attempts": 0}
    rows["person zoe"] = {"id": str(zoe.person_id)}
    rows["invitation open"] = {"id": str(invitation)}
    contexts = {
        "ada": ada.context,
        "colleague": RowContext(ada.organisation_id, "editor", zoe.person_id),
        "stranger": zoe.context,
        "admin": admin.context,
        "sender": SENDER.context,
        "scheduler": SCHEDULER.context,
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


async def test_every_guard_of_the_letters_is_attacked(world: World) -> None:
    guards = await guards_of(world.owner, (TABLE,))
    attacked = {attack.guard for attack in ATTACKS}
    assert guards - attacked == set(OPENINGS), "a guard without an attack"
    assert attacked - guards == ELSEWHERE


@pytest.mark.parametrize("viewer", ["ada", "stranger", "admin", "scheduler", "sender"])
async def test_the_secret_of_an_invitation_is_drawn_by_the_sender_alone(world: World, viewer: str) -> None:
    async with undone(world.owner):
        await act_as(world.owner, world.contexts[viewer])
        drawn = await world.owner.fetch(
            "select * from sons.write_invitation($1, sha256('s'))", UUID(world.rows[INVITED]["id"])
        )
        assert len(drawn) == (1 if viewer == "sender" else 0)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.owner.execute("update sons.invitation set sha256 = sha256('s')")


@pytest.mark.parametrize("viewer", ["ada", "colleague", "admin", "sender", "scheduler"])
async def test_what_is_sealed_is_shown_to_the_sender_alone(world: World, viewer: str) -> None:
    async with undone(world.owner):
        await world.owner.execute(
            "insert into sons.second_factor (person_id, sealed) values ($1, 's')",
            UUID(world.rows[TOLD]["person_id"]),
        )
        await act_as(world.owner, world.contexts[viewer])
        shown = await world.owner.fetchval("select count(*) from sons.seals()")
        assert shown == (1 if viewer == "sender" else 0)


@pytest.mark.parametrize("viewer", ["ada", "colleague", "admin", "sender", "scheduler"])
async def test_the_proofs_of_a_person_are_given_to_that_person_alone(world: World, viewer: str) -> None:
    async with undone(world.owner):
        await world.owner.execute(
            "insert into sons.credential values ($1, '$argon2id$fictif', now());",
            UUID(world.rows[TOLD]["person_id"]),
        )
        await world.owner.execute(
            "insert into sons.second_factor (person_id, sealed, confirmed_at, last_step)"
            " values ($1, 's', now(), 1)",
            UUID(world.rows[TOLD]["person_id"]),
        )
        await act_as(world.owner, world.contexts[viewer])
        shown = await world.owner.fetchval("select count(*) from sons.own_proofs()")
        assert shown == (1 if viewer == "ada" else 0)
