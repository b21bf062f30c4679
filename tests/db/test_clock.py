"""Two clocks: a sandbox keeps its instant in a row, a real instance reads the machine's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import asyncpg
import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations.actors import ANONYMOUS, LOCAL_ADMIN, SCHEDULER
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.clock import (
    SANDBOX_STARTS_AT,
    Advanced,
    advance_to,
    business_instant,
    declare,
    state,
)
from tests.databases import Database
from tests.factories import an_actor

WEST = timezone(timedelta(hours=-10))
pytestmark = pytest.mark.usefixtures("database")


async def now() -> datetime:
    async with transaction(ANONYMOUS.context, read_only=True) as con:
        return await business_instant(con)


async def test_a_sandbox_starts_on_the_first_of_march_2023_at_ten_in_paris() -> None:
    await declare(LOCAL_ADMIN, "sandbox")
    assert await now() == SANDBOX_STARTS_AT == datetime(2023, 3, 1, 9, 0, tzinfo=UTC)
    assert (await now()).tzinfo is UTC
    await declare(LOCAL_ADMIN, "sandbox")
    assert await now() == SANDBOX_STARTS_AT


async def test_any_other_instance_reads_the_machines_clock() -> None:
    for mode in ("undeclared", "real"):
        if mode == "real":
            await declare(LOCAL_ADMIN, "real")
        assert abs(await now() - datetime.now(UTC)) < timedelta(seconds=5)
        assert (await state()).mode == mode
        refused = await advance_to(LOCAL_ADMIN, datetime.now(UTC) + timedelta(days=1))
        assert isinstance(refused, Refused)
        assert "horloge" in refused.reasons[0].message
    async with transaction(LOCAL_ADMIN.context) as con:
        told = await con.fetch("select object_id from journal where action = 'instance.advance_refused'")
    assert [row["object_id"] for row in told] == ["undeclared", "real"]


async def test_the_clock_of_a_sandbox_advances_and_never_goes_back(database: Database) -> None:
    await declare(LOCAL_ADMIN, "sandbox")
    later = SANDBOX_STARTS_AT + timedelta(days=30)
    assert await advance_to(LOCAL_ADMIN, later) == Advanced(SANDBOX_STARTS_AT, later, (), 0, 0)
    assert await now() == later
    with pytest.raises(SonsError, match="ne recule pas"):
        await advance_to(LOCAL_ADMIN, later - timedelta(microseconds=1))
    for impossible in (
        later.replace(year=later.year + 10, day=2, month=4),
        datetime.max.replace(tzinfo=WEST),
    ):
        with pytest.raises(SonsError, match="10 ans"):
            await advance_to(LOCAL_ADMIN, impossible)
    with pytest.raises(SonsError, match="décalage"):
        await advance_to(LOCAL_ADMIN, datetime(2024, 1, 1))  # noqa: DTZ001 - what a person may type
    owner = await database.connect_superuser()
    for change in (
        "clock_at = clock_at - interval '1 s'",
        "mode = 'real', clock_at = null",
        "mode = 'undeclared'",
    ):
        with pytest.raises(asyncpg.PostgresError) as caught:
            await owner.execute(f"update sons.instance set {change}")
        assert caught.value.sqlstate == "SN011"
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute("insert into sons.instance values (false, 'real', null)")
    await owner.close()
    async with transaction(LOCAL_ADMIN.context) as con:
        told = await con.fetch("select action, at from journal order by id")
    assert [(row["action"], row["at"]) for row in told] == [
        ("instance.declared", SANDBOX_STARTS_AT),
        ("instance.clock_advanced", later),
    ]


async def test_what_an_instance_is_never_changes() -> None:
    await declare(LOCAL_ADMIN, "real")
    with pytest.raises(SonsError, match="réelle"):
        await declare(LOCAL_ADMIN, "sandbox")


async def test_only_an_administrator_declares_and_advances() -> None:
    for actor in (ANONYMOUS, SCHEDULER, await an_actor("reviewer")):
        with pytest.raises(SonsError) as caught:
            await declare(actor, "sandbox")
        assert caught.value.code is ErrorCode.FORBIDDEN
        with pytest.raises(SonsError) as caught:
            await advance_to(actor, SANDBOX_STARTS_AT)
        assert caught.value.code is ErrorCode.FORBIDDEN
