"""Tokens stand for a person, an organisation and a role; the database holds the same table of roles."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import asyncpg
import pytest

from sons_tracker.db.engine import transaction
from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import actors
from sons_tracker.operations.actors import (
    ANONYMOUS,
    LOCAL_ADMIN,
    ROLES_BY_KIND,
    SCHEDULER,
    authenticate,
    create_token,
    enrol,
    revoke_token,
)
from sons_tracker.rules.rights import ACCOUNT_ROLES
from tests.databases import Database
from tests.factories import AT, a_finess, a_siren, an_account, an_actor

pytestmark = pytest.mark.usefixtures("module_database")


@pytest.mark.parametrize("role", ACCOUNT_ROLES)
async def test_a_token_stands_for_a_person_an_organisation_and_a_role(role: str) -> None:
    account = await an_account(role)
    assert re.fullmatch(r"sons_[A-Za-z0-9_-]{43}", account.token)
    actor = await authenticate(account.token)
    assert actor == account.actor
    assert (account.actor.role, account.actor.auth_level) == (role, "token")
    assert None not in (account.actor.person_id, account.actor.organisation_id, account.actor.token_id)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "sons_",
        "sons_unknown",
        "Bearer x",
        "sons_" + "a" * 43,
        "sons_\0",
        "sons_é",
        "sons_" + "a" * 10_000,
    ],
)
async def test_anything_else_stands_for_nobody(token: str) -> None:
    assert await authenticate(token) is None


async def test_a_revoked_token_is_refused_at_once_and_for_good(module_database: Database) -> None:
    account, other = await an_account("editor"), await an_actor("editor")
    assert account.actor.token_id is not None
    with pytest.raises(SonsError) as caught:
        await revoke_token(other, at=AT, token_id=account.actor.token_id)
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert await authenticate(account.token) is not None
    await revoke_token(account.actor, at=AT, token_id=account.actor.token_id)
    assert await authenticate(account.token) is None
    with pytest.raises(SonsError):
        await revoke_token(account.actor, at=AT, token_id=account.actor.token_id)
    owner = await module_database.connect_superuser()
    with pytest.raises(asyncpg.PostgresError) as refused:
        await owner.execute(
            "update sons.access_token set revoked_at = null where id = $1", account.actor.token_id
        )
    assert refused.value.sqlstate == "SN010"
    await owner.close()


async def test_an_expired_token_is_refused_by_the_machines_clock(module_database: Database) -> None:
    account = await an_account("editor")
    owner = await module_database.connect_superuser()
    await owner.execute(
        "update sons.access_token"
        " set created_at = now() - interval '2 h', expires_at = now() - interval '1 s'"
        " where id = $1",
        account.actor.token_id,
    )
    assert await authenticate(account.token) is None
    await owner.execute(
        "update sons.access_token set expires_at = now() + interval '1 h' where id = $1",
        account.actor.token_id,
    )
    assert await authenticate(account.token) == account.actor
    await owner.close()


async def test_only_the_digest_is_kept(module_database: Database) -> None:
    account = await an_account("editor")
    owner = await module_database.connect_superuser()
    rows = await owner.fetch("select t::text from sons.access_token t")
    told = await owner.fetch("select facts::text from sons.journal")
    await owner.close()
    kept = "".join(row[0] for row in [*rows, *told])
    assert account.token not in kept
    assert account.token.encode().hex() not in kept
    assert "secret" not in repr(await create_again(account.actor))


async def create_again(actor: actors.Actor) -> actors.NewToken:
    assert actor.person_id is not None
    assert actor.organisation_id is not None
    return await create_token(
        LOCAL_ADMIN, at=AT, person_id=actor.person_id, organisation_id=actor.organisation_id, role=actor.role
    )


async def test_the_creation_of_a_token_is_journaled_without_names() -> None:
    actor = await an_actor("editor")
    async with transaction(LOCAL_ADMIN.context) as con:
        row = await con.fetchrow(
            "select at, role, action, facts from journal"
            " where object_kind = 'access_token' and object_id = $1",
            str(actor.token_id),
        )
    assert (row["at"], row["role"], row["action"]) == (AT, "admin", "token.created")
    assert row["facts"] == {
        "person_id": str(actor.person_id),
        "organisation_id": str(actor.organisation_id),
        "role": "editor",
    }


@pytest.mark.parametrize(
    "lifetime", [timedelta(0), timedelta(seconds=59), timedelta(days=367), timedelta(days=-1)]
)
async def test_a_lifetime_out_of_bounds_is_refused(lifetime: timedelta) -> None:
    actor = await an_actor("editor")
    assert actor.person_id is not None
    assert actor.organisation_id is not None
    with pytest.raises(SonsError, match="durée"):
        await create_token(
            LOCAL_ADMIN,
            at=AT,
            person_id=actor.person_id,
            organisation_id=actor.organisation_id,
            role="editor",
            lifetime=lifetime,
        )


async def test_a_token_needs_the_membership() -> None:
    actor, other = await an_actor("editor"), await an_actor("editor")
    assert actor.person_id is not None
    assert other.organisation_id is not None
    for role in ("editor", "reviewer", "scheduler", "anonymous"):
        with pytest.raises(SonsError) as caught:
            await create_token(
                LOCAL_ADMIN,
                at=AT,
                person_id=actor.person_id,
                organisation_id=other.organisation_id,
                role=role,
            )
        assert caught.value.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("actor", [ANONYMOUS, SCHEDULER], ids=["anonymous", "scheduler"])
async def test_only_an_administrator_enrols(actor: actors.Actor) -> None:
    with pytest.raises(SonsError) as caught:
        await enrol(actor, at=AT, kind="editor", organisation="Éditeur", person="Ada", role="editor")
    assert caught.value.code is ErrorCode.FORBIDDEN
    with pytest.raises(SonsError):
        await enrol(
            await an_actor("reviewer"),
            at=AT,
            kind="editor",
            organisation="Éditeur",
            person="Ada",
            role="editor",
        )


async def test_enrolling_the_same_again_makes_nothing_new() -> None:
    siren = a_siren()

    async def once() -> object:
        return await enrol(
            LOCAL_ADMIN,
            at=AT,
            kind="editor",
            organisation="Éditeur",
            person="Ada",
            role="editor",
            siren=siren,
        )

    assert len(set(await asyncio.gather(*(once() for _ in range(8))))) == 1
    # one company, two desks: the same SIREN as a distributor is another organisation
    other = await enrol(
        LOCAL_ADMIN,
        at=AT,
        kind="distributor",
        organisation="Éditeur",
        person="Ada",
        role="distributor",
        siren=siren,
    )
    assert other != await once()


async def test_an_og_is_named_by_its_finess_juridique_and_nobody_else_is() -> None:
    for kind, role, finess in (("og", "og", None), ("editor", "editor", a_finess())):
        with pytest.raises(SonsError, match="FINESS juridique"):
            await enrol(
                LOCAL_ADMIN,
                at=AT,
                kind=kind,  # type: ignore[arg-type]
                organisation="X",
                person="Ada",
                role=role,
                finess_juridique=finess,
            )


async def test_code_and_database_agree_on_the_roles_of_each_kind(module_database: Database) -> None:
    owner = await module_database.connect_superuser()
    definition = await owner.fetchval(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'membership_role_fits_kind'"
    )
    await owner.close()
    pairs = set(re.findall(r"organisation_kind = '(\w+)'::text\) AND \(role = '(\w+)'", definition))
    assert pairs == {(kind, role) for kind, fitting in ROLES_BY_KIND.items() for role in fitting}
    assert {role for _, role in pairs} == set(ACCOUNT_ROLES)
    for kind, fitting in ROLES_BY_KIND.items():
        unfit = next(role for role in ACCOUNT_ROLES if role not in fitting)
        with pytest.raises(SonsError, match="n'a pas le rôle"):
            await enrol(LOCAL_ADMIN, at=AT, kind=kind, organisation="X", person="Ada", role=unfit)  # type: ignore[arg-type]
