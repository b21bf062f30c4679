"""What is kept about a person is given whole, without a secret; corrected, and the journal names nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from sons_tracker.errors import ErrorCode, SonsError
from sons_tracker.operations import actors, privacy
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.databases import Database
from tests.factories import AT, Account, an_account
from tests.factories_orders import prepare_instance
from tests.factories_suppliers import an_enrolled_supplier, change_asked

NAME, EMAIL = "Odile Privée", "odile.privee@agence.example"


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> AsyncIterator[asyncpg.Connection]:
    await prepare_instance()
    con = await module_database.connect_superuser()
    yield con
    await con.close()


async def a_person(name: str = NAME, email: str | None = None) -> Account:
    """A reviewer with an address of their own."""
    person, organisation = await actors.enrol(
        LOCAL_ADMIN, at=AT, kind="agency", organisation="Agence", person=name, role="reviewer",
        email=email or f"{uuid4().hex}@agence.example",
    )  # fmt: skip
    made = await actors.create_token(
        LOCAL_ADMIN, at=AT, person_id=person, organisation_id=organisation, role="reviewer"
    )
    actor = await actors.authenticate(made.secret)
    assert actor is not None
    return Account(actor, made.secret, None, None)


async def test_all_that_names_a_person_is_given(owner: asyncpg.Connection) -> None:
    supplier = await an_enrolled_supplier()
    await change_asked(supplier.account, at=AT)
    person_id = supplier.actor.person_id
    assert person_id is not None
    kept = (await privacy.export(LOCAL_ADMIN, AT, person_id)).rows
    assert [row["id"] for row in kept["person.id"]] == [str(person_id)]
    assert kept["membership.person_id"][0]["role"] == "editor"
    assert kept["access_token.person_id"]
    assert {row["person_id"] for row in kept["journal.person_id"]} == {str(person_id)}
    assert {"enrolment.submitted_by", "bank_account_change.requested_by"} <= set(kept)
    # Nothing is forgotten: whatever row of the database holds this identifier in a column is there.
    held = await _rows_that_hold(owner, str(person_id))
    assert {name for name, count in held.items() if count} <= set(kept)


async def _rows_that_hold(owner: asyncpg.Connection, value: str) -> dict[str, int]:
    columns = await owner.fetch(
        "select c.relname as tab, a.attname as col from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'sons'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0"
        " and not a.attisdropped and a.atttypid = 'uuid'::regtype"
    )
    return {
        f"{one['tab']}.{one['col']}": await owner.fetchval(
            f"select count(*) from sons.{one['tab']} where {one['col']} = $1::text::uuid", value
        )
        for one in columns
    }


async def test_no_secret_is_given(owner: asyncpg.Connection) -> None:
    account = await a_person()
    assert account.actor.person_id is not None
    kept = await privacy.export(LOCAL_ADMIN, AT, account.actor.person_id)
    text = json.dumps(kept.rows)
    digest = await owner.fetchval(
        "select encode(sha256, 'hex') from sons.access_token where person_id = $1", account.actor.person_id
    )
    assert account.token not in text
    assert digest not in text
    assert not {"sha256", "password_hash", "sealed", "secret"} & {
        key for rows in kept.rows.values() for row in rows for key in row
    }


async def test_a_rectification_is_told_without_its_values(owner: asyncpg.Connection) -> None:
    account = await a_person("Odile Privee", EMAIL)
    person_id = account.actor.person_id
    assert person_id is not None
    fixed = "odile.privee@ailleurs.example"
    changed = await privacy.rectify(
        LOCAL_ADMIN, AT, person_id, name="  Odile   Privée ", email="Odile.Privee@ailleurs.example"
    )
    assert changed == ("name", "email")
    row = await owner.fetchrow("select name, email from sons.person where id = $1", person_id)
    assert tuple(row) == (NAME, fixed)
    assert await privacy.find(LOCAL_ADMIN, fixed) == person_id
    told = await owner.fetch(
        "select action, facts, to_jsonb(j)::text as row from sons.journal j where object_id = $1",
        str(person_id),
    )
    assert [one["action"] for one in told if one["action"].startswith("person.")] == ["person.rectified"]
    assert "rivée" not in " ".join(one["row"] for one in told)
    assert "privee" not in " ".join(one["row"] for one in told).lower()
    assert await privacy.rectify(LOCAL_ADMIN, AT, person_id, name=NAME) == ()
    assert (await actors.authenticate(account.token)) is not None, (
        "a token stands for the person, not the name"
    )


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({}, ["name"]),
        ({"name": " "}, ["name"]),
        ({"name": "x" * 201}, ["name"]),
        ({"name": "a\x00b"}, ["name"]),
        ({"email": "pas une adresse"}, ["email"]),
        ({"name": "", "email": "@"}, ["name", "email"]),
    ],
)
async def test_a_rectification_that_is_none_is_refused(
    owner: asyncpg.Connection, changes: dict[str, str], where: list[str]
) -> None:
    account = await a_person()
    assert account.actor.person_id is not None
    with pytest.raises(SonsError) as caught:
        await privacy.rectify(LOCAL_ADMIN, AT, account.actor.person_id, **changes)
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert [fault.where for fault in caught.value.faults] == where


async def test_the_address_of_another_is_refused_and_not_repeated(owner: asyncpg.Connection) -> None:
    first, second = await a_person(email="prise@agence.example"), await a_person()
    assert second.actor.person_id is not None
    with pytest.raises(SonsError) as caught:
        await privacy.rectify(LOCAL_ADMIN, AT, second.actor.person_id, email="prise@agence.example")
    assert caught.value.code is ErrorCode.CONFLICT
    assert "prise@" not in caught.value.detail
    assert first.actor.person_id != second.actor.person_id


@pytest.mark.parametrize("role", ["editor", "og", "reviewer", "pilot", "payer"])
async def test_only_an_administrator_may(owner: asyncpg.Connection, role: str) -> None:
    actor = (await an_account(role)).actor
    assert actor.person_id is not None
    for work in (
        privacy.export(actor, AT, actor.person_id),
        privacy.rectify(actor, AT, actor.person_id, name="Autre"),
        privacy.find(actor, EMAIL),
    ):
        with pytest.raises(SonsError) as caught:
            await work
        assert caught.value.code is ErrorCode.FORBIDDEN


async def test_an_unknown_person_is_unknown(owner: asyncpg.Connection) -> None:
    for work in (
        privacy.export(LOCAL_ADMIN, AT, uuid4()),
        privacy.rectify(LOCAL_ADMIN, AT, uuid4(), name="Autre"),
        privacy.find(LOCAL_ADMIN, "inconnue@agence.example"),
    ):
        with pytest.raises(SonsError) as caught:
            await work
        assert caught.value.code is ErrorCode.NOT_FOUND
