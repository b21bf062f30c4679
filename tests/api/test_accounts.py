"""Local accounts over HTTP: invited, enrolled, signed in; and what every kind of thief is answered."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pyotp
import pytest

from sons_tracker.api.security import COOKIE
from sons_tracker.app import create_app
from sons_tracker.operations import actors, invitations, proofs
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests.databases import Database
from tests.factories import AT, Account, an_account
from tests.factories_orders import prepare_instance

PASSWORD = "cheval agrafe pile 7"
_keys = itertools.count(1)
_people = itertools.count(1)


@dataclass
class Browser:
    """A person's browser: its cookie and what its page knows."""

    http: httpx.AsyncClient
    cookie: str
    csrf: str

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers={"cookie": f"{COOKIE}={self.cookie}", **headers})

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"cookie": f"{COOKIE}={self.cookie}", "x-csrf-token": self.csrf, **a_key(), **headers}
        return await self.http.request(method, path, json=body, headers=sent)


@dataclass
class Person:
    """Someone with an account: what only they know, and an authenticator that never gives a code twice."""

    email: str
    secret: str
    step: int = 0

    def code(self) -> str:
        self.step = max(self.step + 1, int(time.time()) // proofs.STEP - 1)
        return pyotp.TOTP(self.secret).at(self.step * proofs.STEP)

    def sign_in(self, **changes: Any) -> dict[str, Any]:
        return {"email": self.email, "password": PASSWORD, "code": self.code(), **changes}


def a_key() -> dict[str, str]:
    return {"Idempotency-Key": f"compte-{next(_keys)}"}


def an_email() -> str:
    return f"p{next(_people)}@example.org"


@pytest.fixture
async def http(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    await prepare_instance()
    yield client
    client.cookies.clear()


async def invited(http: httpx.AsyncClient, by: Account, email: str, **changes: Any) -> dict[str, Any]:
    answer = await http.post(
        "/api/v1/invitations", json={"email": email, **changes}, headers={**by.headers, **a_key()}
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def accepted(http: httpx.AsyncClient, secret: str, **changes: Any) -> httpx.Response:
    body = {"invitation": secret, "name": "Personne fictive", "password": PASSWORD, **changes}
    return await http.post("/api/v1/invitations/acceptance", json=body)


async def confirmed(http: httpx.AsyncClient, secret: str, code: str) -> httpx.Response:
    return await http.post("/api/v1/invitations/confirmation", json={"invitation": secret, "code": code})


async def enrolled(http: httpx.AsyncClient, by: Account, **changes: Any) -> Person:
    """A person with an account in the organisation of `by`."""
    email = an_email()
    secret = (await invited(http, by, email, **changes))["secret"]
    answer = await accepted(http, secret)
    assert answer.status_code == 200, answer.text
    person = Person(email, answer.json()["secret"])
    done = await confirmed(http, secret, person.code())
    assert (done.status_code, done.json()) == (200, {"done": True})
    return person


async def signed_in(http: httpx.AsyncClient, person: Person, **changes: Any) -> Browser:
    answer = await http.post("/api/v1/session", json=person.sign_in(**changes))
    assert answer.status_code == 201, answer.text
    return browser(http, answer)


def browser(http: httpx.AsyncClient, answer: httpx.Response) -> Browser:
    cookie = answer.headers["set-cookie"].partition(";")[0].removeprefix(f"{COOKIE}=")
    http.cookies.clear()
    return Browser(http, cookie, answer.json()["csrf_token"])


async def test_a_person_is_invited_enrolled_signed_in_and_acts(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    person = await enrolled(http, og)
    answer = await http.post("/api/v1/session", json=person.sign_in())
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "secure", "samesite=lax", "path=/"} <= attributes
    assert not any(part.startswith("domain") for part in attributes)
    page = browser(http, answer)
    assert page.cookie not in answer.text
    me = (await page.get("/api/v1/session")).json()
    assert (me["organisation_id"], me["role"]) == (str(og.actor.organisation_id), "og")
    assert (me["auth_level"], me["csrf_token"]) == ("password_totp", page.csrf)
    assert (await page.get("/api/v1/orders")).status_code == 200
    made = await page.send("POST", "/api/v1/calendar/feeds")
    assert made.status_code == 201, made.text
    assert (await page.get("/api/v1/lots")).status_code == 403


@pytest.mark.parametrize(
    "changes", [{"password": "x" * 20}, {"code": "000000"}, {"email": "personne@example.net"}]
)
async def test_whatever_is_wrong_the_answer_is_the_same(
    http: httpx.AsyncClient, changes: dict[str, str]
) -> None:
    person = await enrolled(http, await an_account("og"))
    answer = await http.post("/api/v1/session", json=person.sign_in(**changes))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.json()["detail"] == "L'adresse, le mot de passe ou le code ne conviennent pas."
    assert "set-cookie" not in answer.headers


async def test_an_unknown_account_takes_as_long_as_a_known_one(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await enrolled(http, await an_account("og"))
    verified: list[bool] = []
    verify = proofs._verify
    monkeypatch.setattr(
        proofs, "_verify", lambda kept, password: verified.append(kept is None) or verify(kept, password)
    )
    for email in (person.email, "inconnu@example.org"):
        wrong = person.sign_in(email=email, password="y" * 20)
        assert (await http.post("/api/v1/session", json=wrong)).status_code == 401
    assert verified == [False, True]


async def test_a_code_serves_once(http: httpx.AsyncClient) -> None:
    person = await enrolled(http, await an_account("og"))
    asked = person.sign_in()
    assert (await http.post("/api/v1/session", json=asked)).status_code == 201
    http.cookies.clear()
    assert (await http.post("/api/v1/session", json=asked)).status_code == 401


async def test_guessing_is_slowed_and_the_holder_is_not_shut_out(http: httpx.AsyncClient) -> None:
    person = await enrolled(http, await an_account("og"))
    wrong = {"email": person.email, "password": "z" * 20, "code": "000000"}
    statuses = [(await http.post("/api/v1/session", json=wrong)).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    elsewhere = httpx.ASGITransport(app=http._transport.app, client=("192.0.2.7", 1))  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://sons.test") as other:
        assert (await other.post("/api/v1/session", json=person.sign_in())).status_code == 201


async def test_the_wait_that_is_said_is_the_wait(http: httpx.AsyncClient, database: Database) -> None:
    wrong = {"email": an_email(), "password": "z" * 20, "code": "000000"}
    assert (await http.post("/api/v1/session", json=wrong)).status_code == 401
    owner = await database.connect_superuser()
    try:
        await owner.execute(
            "update sons.sign_in_attempt set attempts = 10, since = now() - interval '9 minutes'"
        )
        refused = await http.post("/api/v1/session", json=wrong)
        assert refused.status_code == 429
        wait = int(refused.headers["retry-after"])
        assert 60 < wait <= 360, "six minutes are left of the quarter of an hour"
        assert f"dans {wait} s" in refused.json()["detail"]
        await owner.execute(f"update sons.sign_in_attempt set since = since - interval '{wait} seconds'")
        assert (await http.post("/api/v1/session", json=wrong)).status_code == 401, "waiting is enough"
    finally:
        await owner.close()


async def test_one_host_of_ipv6_is_one_address(http: httpx.AsyncClient, database: Database) -> None:
    """As the rates count them: whoever has a whole /64 has not 2^64 times ten attempts."""
    wrong = {"email": an_email(), "password": "z" * 20, "code": "000000"}
    for client in ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1", "::ffff:192.0.2.9", "192.0.2.9"):
        transport = httpx.ASGITransport(app=http._transport.app, client=(client, 1))  # type: ignore[attr-defined]
        async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as other:
            assert (await other.post("/api/v1/session", json=wrong)).status_code == 401
    owner = await database.connect_superuser()
    try:
        counted = await owner.fetch("select attempts from sons.sign_in_attempt order by attempts")
    finally:
        await owner.close()
    assert [row["attempts"] for row in counted] == [1, 2, 2]


async def test_an_invitation_by_email_shows_no_secret(http: httpx.AsyncClient, database: Database) -> None:
    og = await an_account("og")
    asked = {"email": an_email(), "deliver": "email"}
    sent = {**og.headers, **a_key()}
    refused = await http.post("/api/v1/invitations", json=asked, headers=sent)
    assert (refused.status_code, refused.json()["code"]) == (409, "action_refused")
    mailing = dataclasses.replace(
        database.settings, smtp_url="smtp://127.0.0.1:1", mail_from="sons@example.org"
    )
    transport = httpx.ASGITransport(app=create_app(mailing, connect=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as other:
        made = await other.post("/api/v1/invitations", json=asked, headers={**og.headers, **a_key()})
    assert (made.status_code, made.json()["secret"]) == (201, None)


async def test_a_planted_session_is_not_taken_over_at_the_sign_in(http: httpx.AsyncClient) -> None:
    person = await enrolled(http, await an_account("og"))
    planted = "A" * 43
    answer = await http.post(
        "/api/v1/session", json=person.sign_in(), headers={"cookie": f"{COOKIE}={planted}"}
    )
    assert answer.status_code == 201
    page = browser(http, answer)
    assert page.cookie != planted
    assert (await Browser(http, planted, "").get("/api/v1/session")).status_code == 401


async def test_a_session_ends_at_the_sign_out_and_is_over_for_good(http: httpx.AsyncClient) -> None:
    page = await signed_in(http, await enrolled(http, await an_account("og")))
    answer = await page.send("DELETE", "/api/v1/session")
    assert answer.status_code == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    http.cookies.clear()
    assert (await page.get("/api/v1/session")).status_code == 401


async def test_a_stolen_session_is_listed_and_revoked_from_another(http: httpx.AsyncClient) -> None:
    person = await enrolled(http, await an_account("og"))
    stolen, mine = await signed_in(http, person), await signed_in(http, person)
    listed = (await mine.get("/api/v1/sessions")).json()["sessions"]
    assert len(listed) == 2
    assert stolen.cookie not in str(listed)
    revoked = f"/api/v1/sessions/{listed[1]['id']}/revoke"
    assert (await mine.send("POST", revoked)).status_code == 204
    assert (await stolen.get("/api/v1/session")).status_code == 401
    assert (await mine.send("POST", revoked)).status_code == 404


async def test_the_session_of_a_colleague_answers_as_an_unknown_one(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    mine = await signed_in(http, await enrolled(http, og))
    theirs = await signed_in(http, await enrolled(http, og))
    session = (await theirs.get("/api/v1/sessions")).json()["sessions"][0]["id"]
    foreign = await mine.send("POST", f"/api/v1/sessions/{session}/revoke")
    unknown = await mine.send("POST", "/api/v1/sessions/00000000-0000-4000-8000-0000000000ff/revoke")
    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert (await theirs.get("/api/v1/session")).status_code == 200


@pytest.mark.parametrize(
    "moved",
    ["last_seen_at = last_seen_at - interval '31 minutes'", "expires_at = now() - interval '1 second'"],
)
async def test_an_idle_or_expired_session_is_over(
    http: httpx.AsyncClient, database: Database, moved: str
) -> None:
    page = await signed_in(http, await enrolled(http, await an_account("og")))
    owner = await database.connect_superuser()
    await owner.execute("update sons.session set created_at = now() - interval '2 h'")
    await owner.execute("alter table sons.session drop constraint session_seen_during_its_life")
    await owner.execute(f"update sons.session set {moved}")
    await owner.close()
    assert (await page.get("/api/v1/session")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"x-csrf-token": ""},
        {"x-csrf-token": "0" * 64},
        {"x-csrf-token": "é"},
        {"origin": "https://ailleurs.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
async def test_a_write_from_another_site_is_refused(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    page = await signed_in(http, await enrolled(http, await an_account("og")))
    sent = {"cookie": f"{COOKIE}={page.cookie}", "x-csrf-token": page.csrf, **a_key(), **headers}
    raw = {name: value.encode("latin-1") for name, value in sent.items()}
    answer = await http.post("/api/v1/calendar/feeds", headers=raw)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    ours = await page.send("POST", "/api/v1/calendar/feeds", origin="http://sons.test")
    assert ours.status_code == 201


async def test_the_csrf_token_of_another_session_does_not_serve(http: httpx.AsyncClient) -> None:
    person = await enrolled(http, await an_account("og"))
    first, second = await signed_in(http, person), await signed_in(http, person)
    crossed = Browser(http, first.cookie, second.csrf)
    assert (await crossed.send("POST", "/api/v1/calendar/feeds")).status_code == 403


async def test_a_cookie_and_a_token_together_or_two_cookies_are_nobody(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    page = await signed_in(http, await enrolled(http, og))
    assert (await page.get("/api/v1/session", **og.headers)).status_code == 401
    twice = {"cookie": f"{COOKIE}={page.cookie}; {COOKIE}={page.cookie}"}
    assert (await http.get("/api/v1/session", headers=twice)).status_code == 401


async def test_another_role_takes_a_new_secret_and_ends_the_old_one(http: httpx.AsyncClient) -> None:
    first, second = await an_account("og"), await an_account("editor")
    person = await enrolled(http, first)
    page = await signed_in(http, person)
    secret = (await invited(http, second, person.email))["secret"]
    joined = await page.send("POST", "/api/v1/invitations/joining", {"invitation": secret})
    assert joined.status_code == 200, joined.text
    wanted = {"organisation_id": str(second.actor.organisation_id), "role": "editor"}
    answer = await page.send("POST", "/api/v1/session/role", wanted)
    assert answer.status_code == 200, answer.text
    other = browser(http, answer)
    assert other.cookie != page.cookie
    assert (await page.get("/api/v1/session")).status_code == 401
    assert (await other.get("/api/v1/session")).json()["role"] == "editor"
    escalated = {"organisation_id": str(second.actor.organisation_id), "role": "admin"}
    assert (await other.send("POST", "/api/v1/session/role", escalated)).status_code == 404


async def test_a_role_in_the_body_gives_nothing(http: httpx.AsyncClient) -> None:
    person = await enrolled(http, await an_account("og"))
    for role in ("admin", "payer", "editor"):
        answer = await http.post("/api/v1/session", json=person.sign_in(role=role))
        assert answer.status_code == 401
        person.step -= 1  # refused, the code has not served


async def test_who_is_removed_is_out_at_once_with_tokens_and_sessions(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    person = await enrolled(http, og)
    page = await signed_in(http, person)
    me = (await page.get("/api/v1/session")).json()["person_id"]
    made = await page.send("POST", "/api/v1/tokens", {"scopes": ["read"]})
    token = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await http.get("/api/v1/orders", headers=token)).status_code == 200
    removed = await http.post(
        "/api/v1/members/removal", json={"person_id": me}, headers={**og.headers, **a_key()}
    )
    assert removed.status_code == 200, removed.text
    assert (await page.get("/api/v1/session")).status_code == 401
    assert (await http.get("/api/v1/orders", headers=token)).status_code == 401
    assert (await http.post("/api/v1/session", json=person.sign_in())).status_code == 401
    listed = (await http.get("/api/v1/members", headers=og.headers)).json()["members"]
    assert [one["removed_at"] is None for one in listed if one["person_id"] == me] == [False]


async def test_a_member_of_another_organisation_is_not_removed(http: httpx.AsyncClient) -> None:
    mine, other = await an_account("og"), await an_account("og")
    body = {"person_id": str(other.actor.person_id)}
    answer = await http.post("/api/v1/members/removal", json=body, headers={**mine.headers, **a_key()})
    assert answer.status_code == 404
    body["organisation_id"] = str(other.actor.organisation_id)
    answer = await http.post("/api/v1/members/removal", json=body, headers={**mine.headers, **a_key()})
    assert answer.status_code == 403
    assert (await http.get("/api/v1/session", headers=other.headers)).status_code == 200


async def test_the_last_administrator_stays(http: httpx.AsyncClient) -> None:
    admin = await an_account("admin")
    body = {"person_id": str(admin.actor.person_id)}
    answer = await http.post("/api/v1/members/removal", json=body, headers={**admin.headers, **a_key()})
    assert (answer.status_code, answer.json()["code"]) == (409, "action_refused")


async def test_an_invitation_takes_over_no_account(http: httpx.AsyncClient) -> None:
    """Whoever invites holds the secret: it must not open what is somebody else's."""
    victim = await enrolled(http, await an_account("og"))
    thief = await an_account("editor")
    secret = (await invited(http, thief, victim.email))["secret"]
    assert (await accepted(http, secret, password="le mot du voleur 1")).status_code == 403
    assert (await confirmed(http, secret, "000000")).status_code == 422
    page = await signed_in(http, await enrolled(http, thief))
    joined = await page.send("POST", "/api/v1/invitations/joining", {"invitation": secret})
    assert joined.status_code == 404
    assert (await http.post("/api/v1/session", json=victim.sign_in())).status_code == 201


async def test_an_administrator_who_invites_chooses_no_new_password_for_who_has_an_account(
    http: httpx.AsyncClient,
) -> None:
    person, admin = await enrolled(http, await an_account("og")), await an_account("admin")
    secret = (await invited(http, admin, person.email))["secret"]
    assert (await accepted(http, secret)).status_code == 403
    assert (await http.post("/api/v1/session", json=person.sign_in())).status_code == 201


async def test_who_is_known_without_an_account_gets_one_from_an_administrator_alone(
    http: httpx.AsyncClient,
) -> None:
    """An editor who invites the address of a reviewer must not become that reviewer."""
    email, thief, admin = an_email(), await an_account("editor"), await an_account("admin")
    reviewer, agency = await actors.enrol(
        LOCAL_ADMIN, at=AT, kind="agency", organisation="A", person="Connue", role="reviewer", email=email
    )
    secret = (await invited(http, thief, email))["secret"]
    assert (await accepted(http, secret)).status_code == 403
    asked = {"organisation_id": str(agency), "role": "reviewer"}
    secret = (await invited(http, admin, email, **asked))["secret"]
    person = Person(email, (await accepted(http, secret)).json()["secret"])
    assert (await confirmed(http, secret, person.code())).status_code == 200
    page = await signed_in(http, person)
    me = (await page.get("/api/v1/session")).json()
    assert (me["person_id"], me["role"]) == (str(reviewer), "reviewer")


async def test_an_administrator_ends_its_own_sessions_only(http: httpx.AsyncClient) -> None:
    theirs = await signed_in(http, await enrolled(http, await an_account("og")))
    session = (await theirs.get("/api/v1/sessions")).json()["sessions"][0]["id"]
    admin = await an_account("admin")
    answer = await http.post(f"/api/v1/sessions/{session}/revoke", headers=admin.headers)
    assert answer.status_code == 404
    assert (await theirs.get("/api/v1/session")).status_code == 200


@pytest.mark.parametrize(
    ("role", "changes"),
    [
        ("og", {"role": "admin"}),
        ("og", {"kind": "reset"}),
        ("reviewer", {}),
        ("payer", {}),
        ("pilot", {"role": "admin"}),
    ],
)
async def test_nobody_invites_beyond_oneself(
    http: httpx.AsyncClient, role: str, changes: dict[str, str]
) -> None:
    account = await an_account(role)
    answer = await http.post(
        "/api/v1/invitations",
        json={"email": an_email(), **changes},
        headers={**account.headers, **a_key()},
    )
    assert answer.status_code == 403, answer.text


async def test_an_invitation_serves_once_and_not_after_it_was_taken_back(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    email = an_email()
    first = await invited(http, og, email)
    person = Person(email, (await accepted(http, first["secret"])).json()["secret"])
    assert (await confirmed(http, first["secret"], person.code())).status_code == 200
    assert (await accepted(http, first["secret"])).status_code == 404
    second = await invited(http, og, an_email())
    path = f"/api/v1/invitations/{second['id']}/revoke"
    assert (await http.post(path, headers={**og.headers, **a_key()})).status_code == 200
    assert (await http.post(path, headers={**og.headers, **a_key()})).status_code == 409
    assert (await accepted(http, second["secret"])).status_code == 404
    listed = (await http.get("/api/v1/invitations", headers=og.headers)).text
    assert first["secret"] not in listed


async def test_a_replayed_invitation_does_not_show_its_secret(http: httpx.AsyncClient) -> None:
    og, key = await an_account("og"), a_key()
    body = {"email": an_email()}
    first, again = [
        await http.post("/api/v1/invitations", json=body, headers={**og.headers, **key}) for _ in range(2)
    ]
    assert first.json()["secret"]
    assert (again.json()["secret"], again.json()["id"]) == (None, first.json()["id"])


@pytest.mark.parametrize("password", ["court", "x" * 129, "aaaaaaaaaaaaaaaa", "{email}-2023 toujours"])
async def test_a_password_that_is_guessed_is_refused_and_not_repeated(
    http: httpx.AsyncClient, password: str
) -> None:
    email = f"martine{next(_people)}@example.org"
    secret = (await invited(http, await an_account("og"), email))["secret"]
    chosen = password.format(email=email.partition("@")[0])
    answer = await accepted(http, secret, password=chosen)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert chosen not in answer.text


async def test_an_administrator_reopens_an_account_and_the_old_sessions_are_over(
    http: httpx.AsyncClient,
) -> None:
    og, admin = await an_account("og"), await an_account("admin")
    person = await enrolled(http, og)
    page = await signed_in(http, person)
    asked = {"organisation_id": str(og.actor.organisation_id), "role": "og", "kind": "reset"}
    secret = (await invited(http, admin, person.email, **asked))["secret"]
    answer = await accepted(http, secret, password="un autre mot bien 8")
    assert answer.status_code == 200, answer.text
    assert (await page.get("/api/v1/session")).status_code == 401
    anew = Person(person.email, answer.json()["secret"])
    assert (await confirmed(http, secret, anew.code())).status_code == 200
    assert (await http.post("/api/v1/session", json=person.sign_in())).status_code == 401
    asked = anew.sign_in(password="un autre mot bien 8")
    assert (await http.post("/api/v1/session", json=asked)).status_code == 201


async def test_the_first_administrator_comes_from_the_terminal(http: httpx.AsyncClient) -> None:
    email = an_email()
    secret = await invitations.invite_first("Agence fictive", email, AT)
    person = Person(email, (await accepted(http, secret)).json()["secret"])
    assert (await confirmed(http, secret, person.code())).status_code == 200
    page = await signed_in(http, person)
    assert (await page.get("/api/v1/session")).json()["role"] == "admin"


async def test_nothing_of_a_sign_in_is_kept_in_clear(http: httpx.AsyncClient, database: Database) -> None:
    person = await enrolled(http, await an_account("og"))
    page = await signed_in(http, person)
    owner = await database.connect_superuser()
    kept = ""
    for table in ("credential", "second_factor", "session", "invitation", "sign_in_attempt", "journal"):
        kept += str([row[0] for row in await owner.fetch(f"select t::text from sons.{table} t")])
    await owner.close()
    assert "argon2id" in kept
    for secret in (PASSWORD, person.secret, page.cookie, page.csrf):
        assert secret not in kept
        assert secret.encode().hex() not in kept


SCOPES = {
    ("read",): (200, 200, 403),
    ("write",): (403, 403, 201),
    ("read:orders",): (200, 403, 403),
    ("write:calendar",): (403, 403, 201),
    ("read", "write:orders"): (200, 200, 403),
    ("read", "write"): (200, 200, 201),
}


@pytest.mark.parametrize("scopes", SCOPES, ids=" ".join)
async def test_a_token_does_what_its_scopes_say(http: httpx.AsyncClient, scopes: tuple[str, ...]) -> None:
    og = await an_account("og")
    made = await http.post("/api/v1/tokens", json={"scopes": scopes}, headers={**og.headers, **a_key()})
    assert made.status_code == 201, made.text
    token = {"Authorization": f"Bearer {made.json()['token']}"}
    answers = (
        await http.get("/api/v1/orders", headers=token),
        await http.get("/api/v1/payments", headers=token),
        await http.post("/api/v1/calendar/feeds", headers={**token, **a_key()}),
    )
    assert tuple(answer.status_code for answer in answers) == SCOPES[scopes]


async def test_a_token_makes_none_that_may_more(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    narrow = await http.post(
        "/api/v1/tokens", json={"scopes": ["write:tokens", "read"]}, headers={**og.headers, **a_key()}
    )
    token = {"Authorization": f"Bearer {narrow.json()['token']}"}
    for scopes, status in ((["write"], 403), (["read", "write:orders"], 403), (["read:orders"], 201)):
        answer = await http.post("/api/v1/tokens", json={"scopes": scopes}, headers={**token, **a_key()})
        assert answer.status_code == status, scopes
    wide = f"/api/v1/tokens/{og.actor.token_id}/rotate"
    assert (await http.post(wide, headers={**token, **a_key()})).status_code == 403
    assert (await http.get("/api/v1/orders", headers=og.headers)).status_code == 200


async def test_a_rotated_token_is_refused_within_one_request(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    path = f"/api/v1/tokens/{og.actor.token_id}/rotate"
    made = await http.post(path, headers={**og.headers, **a_key()})
    assert made.status_code == 201, made.text
    assert (await http.get("/api/v1/orders", headers=og.headers)).status_code == 401
    token = {"Authorization": f"Bearer {made.json()['token']}"}
    listed = (await http.get("/api/v1/tokens", headers=token)).json()["tokens"]
    assert [one["revoked_at"] is None for one in listed] == [True, False]
    assert listed[0]["last_used_at"] is not None
    revoke = f"/api/v1/tokens/{made.json()['id']}/revoke"
    assert (await http.post(revoke, headers={**token, **a_key()})).status_code == 200
    assert (await http.get("/api/v1/orders", headers=token)).status_code == 401


async def test_the_token_of_another_organisation_answers_as_an_unknown_one(http: httpx.AsyncClient) -> None:
    mine, other = await an_account("og"), await an_account("og")
    for act in ("rotate", "revoke"):
        foreign = await http.post(
            f"/api/v1/tokens/{other.actor.token_id}/{act}", headers={**mine.headers, **a_key()}
        )
        unknown = await http.post(
            f"/api/v1/tokens/00000000-0000-4000-8000-0000000000ff/{act}",
            headers={**mine.headers, **a_key()},
        )
        assert (foreign.status_code, foreign.json()) == (404, unknown.json())


async def test_a_token_signs_out_of_nothing(http: httpx.AsyncClient) -> None:
    og = await an_account("og")
    assert (await http.delete("/api/v1/session", headers=og.headers)).status_code == 403
    assert (await http.get("/api/v1/session", headers=og.headers)).json()["csrf_token"] is None
