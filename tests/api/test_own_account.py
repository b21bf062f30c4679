"""One's own password and second factor changed over HTTP; a person's sessions ended by who is called."""

from __future__ import annotations

import hashlib
from typing import Any

import asyncpg
import httpx
import pytest

from tests.api.test_accounts import (
    PASSWORD,
    Browser,
    Person,
    a_key,
    browser,
    enrolled,
    http,
    signed_in,
)
from tests.databases import Database
from tests.factories import an_account

__all__ = ["http"]  # the fixture
OTHER = "douze lettres en plus"
WRONG = {"password": "un autre mot", "code": "000000"}


async def rows(database: Database, sql: str, *args: Any) -> list[asyncpg.Record]:
    owner = await database.connect_superuser()
    try:
        return list(await owner.fetch(sql, *args))
    finally:
        await owner.close()


async def rested(database: Database, person: Person) -> None:
    """The codes of the minute serve again: no person needs four of them in one, a test does."""
    owner = await database.connect_superuser()
    try:
        async with owner.transaction():
            await owner.execute("alter table sons.second_factor disable trigger second_factor_serves_once")
            await owner.execute("update sons.second_factor set last_step = 1")
            await owner.execute("alter table sons.second_factor enable trigger second_factor_serves_once")
    finally:
        await owner.close()
    person.step = 0


async def changed(page: Browser, person: Person, password: str = OTHER, **given: str) -> httpx.Response:
    body = {"current_password": PASSWORD, "code": person.code(), "password": password, **given}
    return await page.send("POST", "/api/v1/account/password", body)


async def drawn(page: Browser, person: Person, **given: str) -> httpx.Response:
    body = {"current_password": PASSWORD, "code": person.code(), **given}
    return await page.send("POST", "/api/v1/account/second-factor", body)


async def confirmed(page: Browser, code: str) -> httpx.Response:
    return await page.send("POST", "/api/v1/account/second-factor/confirmation", {"code": code})


async def test_another_password_opens_the_account_and_ends_the_other_sessions(
    http: httpx.AsyncClient, database: Database
) -> None:
    person = await enrolled(http, await an_account("og"))
    stolen, mine = await signed_in(http, person), await signed_in(http, person)
    await rested(database, person)
    answer = await changed(mine, person)
    assert (answer.status_code, answer.json()) == (200, {"sessions_closed": 1}), answer.text
    assert (await stolen.get("/api/v1/session")).status_code == 401
    assert (await mine.get("/api/v1/session")).status_code == 200
    await rested(database, person)
    assert (await http.post("/api/v1/session", json=person.sign_in())).status_code == 401
    person.step -= 1  # refused, the code has not served
    assert (await http.post("/api/v1/session", json=person.sign_in(password=OTHER))).status_code == 201
    [told] = await rows(
        database, "select object_kind, facts from sons.journal where action = 'account.password_changed'"
    )
    assert (told["object_kind"], len(told["facts"]["sessions"])) == ("person", 1)
    assert [row["kind"] for row in await rows(database, "select kind from sons.letter")] == [
        "password_changed"
    ]


@pytest.mark.parametrize("wrong", [{"current_password": "un autre mot"}, {"code": "000000"}], ids=str)
async def test_without_both_proofs_nothing_changes_and_the_answer_is_the_same(
    http: httpx.AsyncClient, database: Database, wrong: dict[str, str]
) -> None:
    person = await enrolled(http, await an_account("og"))
    page = await signed_in(http, person)
    await rested(database, person)
    for answer in (await changed(page, person, **wrong), await drawn(page, person, **wrong)):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["detail"] == "Le mot de passe actuel ou le code ne conviennent pas."
    assert await rows(database, "select from sons.letter") == []
    person.step = 0
    assert (await http.post("/api/v1/session", json=person.sign_in())).status_code == 201


@pytest.mark.parametrize(
    ("chosen", "said"), [("court", "compte de 12"), (PASSWORD, "est l'actuel"), ("a" * 20, "se devine")]
)
async def test_a_password_that_may_not_be_chosen_changes_nothing(
    http: httpx.AsyncClient, chosen: str, said: str
) -> None:
    person = await enrolled(http, await an_account("og"))
    page = await signed_in(http, person)
    answer = await changed(page, person, chosen)
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert (fault["path"], said in fault["message"]) == ("$.password", True)
    assert chosen not in answer.text


async def test_a_code_that_opened_the_session_does_not_change_the_account(http: httpx.AsyncClient) -> None:
    person = await enrolled(http, await an_account("og"))
    asked = person.sign_in()
    page = browser(http, await http.post("/api/v1/session", json=asked))
    assert (await changed(page, person, code=asked["code"])).status_code == 422
    assert (await drawn(page, person, code=asked["code"])).status_code == 422


async def test_a_stolen_session_guesses_no_password(http: httpx.AsyncClient) -> None:
    """The guesses are counted with those of the sign-in, by account and address."""
    person = await enrolled(http, await an_account("og"))
    page = await signed_in(http, person)
    body = {"current_password": "un mot au hasard", "code": "000000", "password": OTHER}
    statuses = [(await page.send("POST", "/api/v1/account/password", body)).status_code for _ in range(10)]
    assert statuses == [422] * 9 + [429]
    assert (await drawn(page, person)).status_code == 429
    assert (await confirmed(page, "000000")).status_code == 429


async def test_another_second_factor_waits_for_its_code_then_is_the_only_one(
    http: httpx.AsyncClient, database: Database
) -> None:
    person = await enrolled(http, await an_account("og"))
    other, mine = await signed_in(http, person), await signed_in(http, person)
    assert (await confirmed(mine, "000000")).status_code == 404
    await rested(database, person)
    answer = await drawn(mine, person)
    assert answer.status_code == 200, answer.text
    new = Person(person.email, answer.json()["secret"])
    assert new.secret != person.secret
    assert (await confirmed(mine, "000000")).status_code == 422
    assert (await other.get("/api/v1/session")).status_code == 200, "nothing has changed yet"
    done = await confirmed(mine, new.code())
    assert (done.status_code, done.json()) == (200, {"sessions_closed": 1}), done.text
    assert (await other.get("/api/v1/session")).status_code == 401
    assert (await confirmed(mine, new.code())).status_code == 404
    assert (await http.post("/api/v1/session", json=person.sign_in())).status_code == 401
    assert (await http.post("/api/v1/session", json=new.sign_in())).status_code == 201
    kept = await rows(database, "select pending, sealed from sons.second_factor")
    assert [row["pending"] for row in kept] == [None]
    assert new.secret.encode() not in kept[0]["sealed"]
    actions = await rows(
        database, "select action from sons.journal where action like 'account.second%' order by id"
    )
    assert [row["action"] for row in actions] == [
        "account.second_factor_drawn",
        "account.second_factor_changed",
    ]


async def test_a_token_and_who_signs_in_elsewhere_have_nothing_to_change(
    http: httpx.AsyncClient, database: Database
) -> None:
    og = await an_account("og")
    body = {"current_password": PASSWORD, "code": "000000", "password": OTHER}
    answer = await http.post("/api/v1/account/password", json=body, headers=og.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    secret = "s" * 43
    await rows(
        database,
        "insert into sons.session (id, sha256, person_id, organisation_id, role, auth_level, created_at,"
        " last_seen_at, expires_at, address_sha256) values (gen_random_uuid(), $1, $2, $3, 'og',"
        " 'password_totp', now(), now(), now() + interval '1 h', sha256('a'))",
        hashlib.sha256(secret.encode()).digest(),
        og.actor.person_id,
        og.actor.organisation_id,
    )
    me = (await Browser(http, secret, "").get("/api/v1/session")).json()
    answer = await Browser(http, secret, me["csrf_token"]).send("POST", "/api/v1/account/password", body)
    assert (answer.status_code, "fournisseur d'identité" in answer.json()["remedy"]) == (403, True)


async def test_each_change_of_who_one_is_has_a_session_of_its_own(
    http: httpx.AsyncClient, database: Database
) -> None:
    """A new identifier and a new secret at the sign-in, at the change of role, and after a sign-out."""
    og = await an_account("og")
    person = await enrolled(http, og)
    asked = {"organisation_id": str(og.actor.organisation_id), "role": "og"}
    seen: list[tuple[str, str]] = []
    for _ in range(2):
        await rested(database, person)
        answer = await http.post("/api/v1/session", json=person.sign_in())
        page = browser(http, answer)
        seen.append((answer.json()["session"]["id"], page.cookie))
        moved = await page.send("POST", "/api/v1/session/role", asked)
        other = browser(http, moved)
        seen.append((moved.json()["session"]["id"], other.cookie))
        assert (await page.get("/api/v1/session")).status_code == 401
        assert (await other.send("DELETE", "/api/v1/session")).status_code == 204
        http.cookies.clear()
        assert (await other.get("/api/v1/session")).status_code == 401
    assert len({one for one, _ in seen}) == len({cookie for _, cookie in seen}) == 4


async def test_an_administrator_lists_and_ends_the_sessions_of_a_person(
    http: httpx.AsyncClient, database: Database
) -> None:
    person, admin = await enrolled(http, await an_account("og")), await an_account("admin")
    pages = [await signed_in(http, person) for _ in range(2)]
    me = (await pages[0].get("/api/v1/session")).json()["person_id"]
    path = f"/api/v1/persons/{me}/sessions"
    listed = await http.get(path, headers=admin.headers)
    assert [one["role"] for one in listed.json()["sessions"]] == ["og", "og"]
    assert not any(page.cookie in listed.text for page in pages)
    headers = {**admin.headers, **a_key()}
    for replayed in (False, True):
        answer = await http.post(f"{path}/revoke", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"sessions_closed": 2})
        assert ("idempotent-replayed" in answer.headers) is replayed
    assert [(await page.get("/api/v1/session")).status_code for page in pages] == [401, 401]
    assert (await http.get(path, headers=admin.headers)).json() == {"sessions": []}
    told = await rows(
        database, "select object_id, role from sons.journal where action = 'person.sessions_revoked'"
    )
    assert [(row["object_id"], row["role"]) for row in told] == [(me, "admin")]
