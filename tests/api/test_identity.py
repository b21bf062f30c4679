"""Signing in through a provider of identity: the way of a director, and of everyone who is not one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from sons_tracker.api.identity import VISIT_COOKIE
from sons_tracker.api.security import COOKIE
from sons_tracker.cli.demonstration.openid_provider import ISSUER, Provider, configured
from sons_tracker.db.engine import transaction
from sons_tracker.operations.actors import LOCAL_ADMIN
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.api.openid import Browser, Scene, a_director, a_scene, query_of
from tests.api.test_va import a_signature
from tests.databases import Database
from tests.factories import Account, a_finess, an_account

_numbers = itertools.count(1)
owner = make.Everything()


@pytest.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    await make.prepare_instance()
    async with a_scene(database, Provider(a_director(f"sujet-{next(_numbers)}"))) as found:
        yield found


async def an_invitation(http: httpx.AsyncClient, by: Account, **changes: Any) -> str:
    number = next(_numbers)
    body = {"email": f"directrice{number}@example.org", **changes}
    headers = {**by.headers, "Idempotency-Key": f"identite-{number}"}
    answer = await http.post("/api/v1/invitations", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    secret: str = answer.json()["secret"]
    return secret


async def come_in(scene: Scene, by: Account, **changes: Any) -> Browser:
    """A person invited by an account, who came in through the provider."""
    browser = scene.browser()
    secret = await an_invitation(scene.http, by, **changes)
    answer = await browser.sign_in(invitation=secret)
    assert answer.status_code == 303, answer.text
    return browser


async def test_a_director_comes_in_through_the_provider_and_acts_for_her_og_alone(scene: Scene) -> None:
    order, foreign = await solde.a_paid_advance(owner), await solde.a_paid_advance(owner)
    for one in (order, foreign):
        await solde.prepare(one, solde.a_declaration(*one.essms))
    scene.provider.present = a_director("directrice-og", finess_juridiques=(order.og.finess_juridique,))
    page = scene.browser()
    secret = await an_invitation(scene.http, order.og, responsible=True)
    back = await page.sign_in(invitation=secret, return_to="/commandes")
    assert (back.status_code, back.headers["location"]) == (303, "/commandes")
    assert VISIT_COOKIE not in page.cookies
    me = (await page.ask("GET", "/api/v1/session")).json()
    assert (me["auth_level"], me["role"], me["organisation_id"]) == (
        "oidc", "og", str(order.og.actor.organisation_id),
    )  # fmt: skip
    listed = (await page.ask("GET", "/api/v1/orders")).json()["orders"]
    assert [one["id"] for one in listed] == [str(order.order_id)]
    for path in ("", "/va", "/ledger"):
        assert (await page.ask("GET", f"/api/v1/orders/{foreign.order_id}{path}")).status_code == 404
    shown = (await page.ask("GET", f"/api/v1/orders/{order.order_id}/va")).json()["statement_sha256"]
    not_hers = (await solde.the_va(foreign)).statement_sha256.hex()
    refused = await page.act("POST", f"/api/v1/orders/{foreign.order_id}/va/signature", a_signature(not_hers))
    assert refused.status_code == 404
    signed = await page.act("POST", f"/api/v1/orders/{order.order_id}/va/signature", a_signature(shown))
    assert signed.status_code == 201, signed.text
    assert signed.json()["signature"]["kind"] == "psc"

    seen = f"/api/v1/orders/{order.order_id}/va"
    proof = signed.json()["signature"]["evidence"]
    assert (proof["subject"], proof["finess_check"]) == ("directrice-og", "matches")
    for who, shown_to in ((order.reviewer, True), (order.editor, False)):
        told = (await scene.http.get(seen, headers=who.headers)).json()["signature"]["evidence"]
        assert (told == proof) is shown_to, told

    # the next day she comes back: the provider is enough, and another OG's orders are still not hers
    again = scene.browser()
    assert (await again.sign_in()).status_code == 303
    assert (await again.ask("GET", f"/api/v1/orders/{foreign.order_id}")).status_code == 404

    async with transaction(LOCAL_ADMIN.context) as con:
        kept = await con.fetchrow("select * from va_signature where order_id = $1", order.order_id)
    evidence = kept["evidence"]
    assert None not in {evidence["auth_time"], evidence["jti"]}
    assert {name: evidence[name] for name in ("issuer", "subject", "name_id", "acr", "finess_check")} == {
        "issuer": ISSUER, "subject": "directrice-og", "name_id": "899700000001", "acr": "eidas1",
        "finess_check": "matches",
    }  # fmt: skip
    assert kept["statement_sha256"].hex() == shown


@pytest.mark.parametrize(
    ("numbers", "found"), [("none", "absent"), ("another", "differs"), ("own", "matches")]
)
async def test_the_finess_of_the_provider_is_noted_and_no_condition(
    scene: Scene, numbers: str, found: str
) -> None:
    og = await an_account("og")
    given = {"none": (), "another": (a_finess(),), "own": (a_finess(), og.finess_juridique)}[numbers]
    scene.provider.present = a_director(f"sujet-{next(_numbers)}", finess_juridiques=given)
    await come_in(scene, og)
    async with transaction(LOCAL_ADMIN.context) as con:
        noted = await con.fetchval(
            "select facts ->> 'finess_check' from journal where action = 'session.opened'"
            " and organisation_id = $1",
            og.actor.organisation_id,
        )
    assert noted == found


async def test_whom_nobody_linked_nor_invited_does_not_enter(scene: Scene) -> None:
    stranger = scene.browser()
    answer = await stranger.sign_in()
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert not stranger.signed_in
    assert (await stranger.ask("GET", "/api/v1/session")).status_code == 401


async def test_the_same_name_is_nobody(scene: Scene) -> None:
    """The provider's word on names and numbers links nothing: only the subject that was linked does."""
    await come_in(scene, await an_account("og"))
    scene.provider.present = replace(scene.provider.present, subject="un-autre")
    assert (await scene.browser().sign_in()).status_code == 401


async def test_a_return_serves_the_browser_that_left_alone(scene: Scene) -> None:
    og = await an_account("og")
    await come_in(scene, og)
    left, other = scene.browser(), scene.browser()
    path = await left.leave()
    assert (await other.ask("GET", path)).status_code == 401
    theirs = await other.leave()
    assert query_of(theirs)["state"] != query_of(path)["state"]
    assert (await other.ask("GET", path)).status_code == 401  # its own visit, another's return
    assert not other.signed_in
    assert (await left.ask("GET", path)).status_code == 303
    assert (await left.ask("GET", path)).status_code == 401  # twice: the visit is over


async def test_a_code_serves_once_even_with_the_cookie_kept(scene: Scene) -> None:
    await come_in(scene, await an_account("og"))
    browser = scene.browser()
    path = await browser.leave()
    kept = dict(browser.cookies)
    assert (await browser.ask("GET", path)).status_code == 303
    thief = scene.browser()
    thief.cookies = kept
    assert (await thief.ask("GET", path)).status_code == 401
    assert not thief.signed_in


@pytest.mark.parametrize(
    "change",
    [
        {"state": "autre"},
        {"state": None},
        {"code": None},
        {"code": "inconnu"},
        {"error": "access_denied", "code": None},
        {"error": "access_denied"},
        {"iss": "https://autre.example.org"},
        {"iss": None},
    ],
)
async def test_a_return_that_was_tampered_with_opens_nothing(
    scene: Scene, change: dict[str, str | None]
) -> None:
    await come_in(scene, await an_account("og"))
    browser = scene.browser()
    path = await browser.leave()
    given = {**query_of(path), **change}
    query = {name: value for name, value in given.items() if value is not None}
    answer = await browser.ask("GET", str(httpx.URL("/api/v1/session/oidc/callback", params=query)))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert not browser.signed_in


async def test_what_else_a_provider_adds_to_the_return_is_left_alone(scene: Scene) -> None:
    await come_in(scene, await an_account("og"))
    browser = scene.browser()
    assert (await browser.ask("GET", f"{await browser.leave()}&session_state=x")).status_code == 303


async def test_a_visit_is_forgotten_in_time_and_by_another_key(scene: Scene) -> None:
    browser = scene.browser()
    path = await browser.leave()
    for forged in ("", "x", Fernet(Fernet.generate_key()).encrypt(b"{}").decode()):
        browser.cookies[VISIT_COOKIE] = forged
        assert (await browser.ask("GET", path)).status_code == 401
    key = Fernet(scene.app.state.settings.account_key)
    browser.cookies[VISIT_COOKIE] = key.encrypt_at_time(b"{}", 1_600_000_000).decode()
    answer = await browser.ask("GET", path)
    assert (answer.status_code, "dix minutes" in answer.json()["detail"]) == (401, True)


@pytest.mark.parametrize(
    "path",
    ["//mal.example", "/\\mal.example", "https://mal.example", "commandes", "/x\r\ny: z", "/x y", "", "/é"],
)
async def test_nobody_is_sent_elsewhere_after_signing_in(scene: Scene, path: str) -> None:
    answer = await scene.browser().ask("POST", "/api/v1/session/oidc", {"provider": "psc", "return_to": path})
    assert answer.status_code == 422


async def test_an_unknown_provider_is_not_found(scene: Scene) -> None:
    answer = await scene.browser().ask("POST", "/api/v1/session/oidc", {"provider": "autre"})
    assert answer.status_code == 404
    listed = (await scene.http.get("/api/v1/identity-providers")).json()["providers"]
    assert [(one["name"], one["roles"]) for one in listed] == [("psc", ["og"])]


async def test_a_provider_opens_only_the_roles_that_it_is_trusted_for(scene: Scene) -> None:
    editor, browser = await an_account("editor"), scene.browser()
    answer = await browser.sign_in(invitation=await an_invitation(scene.http, editor))
    assert (answer.status_code, browser.signed_in) == (403, False)
    og = await an_account("og")
    page = await come_in(scene, og)
    me = (await page.ask("GET", "/api/v1/session")).json()
    async with transaction(LOCAL_ADMIN.context) as con:
        await con.execute(
            "insert into membership (person_id, organisation_id, organisation_kind, role)"
            " values ($1, $2, 'editor', 'editor')",
            me["person_id"],
            editor.actor.organisation_id,
        )
    wanted = {"organisation_id": str(editor.actor.organisation_id), "role": "editor"}
    assert (await page.act("POST", "/api/v1/session/role", wanted)).status_code == 404
    assert (await scene.browser().sign_in(**wanted)).status_code == 403
    assert (await page.ask("GET", "/api/v1/orders")).status_code == 200


async def test_another_role_keeps_the_proof(scene: Scene) -> None:
    first, second = await an_account("og"), await an_account("og")
    page = await come_in(scene, first)
    secret = await an_invitation(scene.http, second, email=await _email(await _person(page)))
    joined = await page.act("POST", "/api/v1/invitations/joining", {"invitation": secret})
    assert joined.status_code == 200, joined.text
    before = page.cookies[COOKIE]
    wanted = {"organisation_id": str(second.actor.organisation_id), "role": "og"}
    changed = await page.act("POST", "/api/v1/session/role", wanted)
    assert changed.status_code == 200, changed.text
    assert page.cookies[COOKIE] != before
    person = await _person(page)
    async with transaction(LOCAL_ADMIN.context) as con:
        proofs = await con.fetch(
            "select subject, organisation_id from session_proof where person_id = $1", person
        )
    assert {row["organisation_id"] for row in proofs} == {
        first.actor.organisation_id, second.actor.organisation_id,
    }  # fmt: skip
    assert len({row["subject"] for row in proofs}) == 1


@pytest.mark.parametrize("kind", ["used", "unknown", "revoked"])
async def test_an_invitation_that_does_not_stand_opens_nothing(scene: Scene, kind: str) -> None:
    og, browser = await an_account("og"), scene.browser()
    secret = await an_invitation(scene.http, og)
    if kind == "used":
        other = scene.browser()
        assert (await other.sign_in(invitation=secret)).status_code == 303
        scene.provider.present = a_director(f"sujet-{next(_numbers)}")
    elif kind == "unknown":
        secret = "a" * 43
    else:
        listed = (await scene.http.get("/api/v1/invitations", headers=og.headers)).json()["invitations"]
        await scene.http.post(
            f"/api/v1/invitations/{listed[0]['id']}/revoke",
            headers={**og.headers, "Idempotency-Key": secret},
        )
    answer = await browser.sign_in(invitation=secret)
    assert (answer.status_code, browser.signed_in) == (404, False)


async def test_an_invitation_never_opens_the_account_of_another(scene: Scene) -> None:
    """The address of somebody who has an account: who holds the secret links no identity to it."""
    og = await an_account("og")
    page = await come_in(scene, og)
    email = await _email(await _person(page))
    other, admin = await an_account("og"), await an_account("admin")
    named = {"organisation_id": str(other.actor.organisation_id), "role": "og"}
    by_admin = await an_invitation(scene.http, admin, email=email, **named)
    secret = await an_invitation(scene.http, other, email=email)
    scene.provider.present = a_director("un-voleur")
    for held in (secret, by_admin):
        thief = scene.browser()
        answer = await thief.sign_in(invitation=held)
        assert (answer.status_code, thief.signed_in) == (403, False)
    scene.provider.present = a_director(f"sujet-{next(_numbers)}")
    await come_in(scene, await an_account("og"))
    known_elsewhere = await scene.browser().sign_in(invitation=secret)
    assert known_elsewhere.status_code == 404


async def test_one_links_another_identity_and_unlinks_the_first(scene: Scene) -> None:
    og = await an_account("og")
    page = await come_in(scene, og)
    first = scene.provider.present
    scene.provider.present = a_director(f"second-{next(_numbers)}")
    for _ in range(2):  # twice changes nothing
        linked = await page.ask("GET", await page.leave("/api/v1/account/identities"))
        assert linked.status_code == 303, linked.text
    found = (await page.ask("GET", "/api/v1/account/identities")).json()["identities"]
    assert len(found) == 2
    other = scene.browser()
    assert (await other.sign_in()).status_code == 303
    mine = next(one["id"] for one in found if one["subject"] == first.subject)
    done = await other.act("POST", f"/api/v1/account/identities/{mine}/unlinking")
    assert (done.status_code, done.json()) == (200, {"done": True})
    assert (await page.ask("GET", "/api/v1/session")).status_code == 401  # opened by the identity that left
    scene.provider.present = first
    assert (await scene.browser().sign_in()).status_code == 401
    last = next(one["id"] for one in found if one["id"] != mine)
    kept = await other.act("POST", f"/api/v1/account/identities/{last}/unlinking")
    assert (kept.status_code, kept.json()["code"]) == (409, "action_refused")


async def test_an_identity_is_one_person(scene: Scene) -> None:
    page = await come_in(scene, await an_account("og"))
    taken = scene.provider.present
    scene.provider.present = a_director(f"autre-{next(_numbers)}")
    other = await come_in(scene, await an_account("og"))
    scene.provider.present = taken
    answer = await other.ask("GET", await other.leave("/api/v1/account/identities"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    foreign = (await page.ask("GET", "/api/v1/account/identities")).json()["identities"][0]["id"]
    assert (await other.act("POST", f"/api/v1/account/identities/{foreign}/unlinking")).status_code == 404


async def test_of_two_who_link_one_identity_at_once_one_has_it(scene: Scene) -> None:
    pages = []
    for _ in range(2):
        scene.provider.present = a_director(f"sujet-{next(_numbers)}")
        pages.append(await come_in(scene, await an_account("og")))
    for _ in range(5):
        scene.provider.present = a_director(f"disputee-{next(_numbers)}")
        returns = [await page.leave("/api/v1/account/identities") for page in pages]
        answers = await asyncio.gather(
            *(page.ask("GET", path) for page, path in zip(pages, returns, strict=True))
        )
        assert sorted(answer.status_code for answer in answers) == [303, 409]
        assert (await scene.browser().sign_in()).status_code == 303


async def test_a_link_needs_the_session_that_asked_for_it(scene: Scene) -> None:
    page = await come_in(scene, await an_account("og"))
    scene.provider.present = a_director(f"autre-{next(_numbers)}")
    path = await page.leave("/api/v1/account/identities")
    page.cookies.pop(COOKIE)
    assert (await page.ask("GET", path)).status_code == 401
    token = await an_account("og")
    answer = await scene.http.post(
        "/api/v1/account/identities", json={"provider": "psc"}, headers=token.headers
    )
    assert answer.status_code == 403


async def test_a_provider_that_is_not_trusted_any_more_opens_no_role(
    scene: Scene, database: Database
) -> None:
    page = await come_in(scene, await an_account("og"))
    async with a_scene(database, trusted=(replace(configured(), name="autre"),)) as without:
        moved = Browser(without.http, without.at_provider, dict(page.cookies))
        me = (await moved.ask("GET", "/api/v1/session")).json()
        wanted = {"organisation_id": me["organisation_id"], "role": "og"}
        assert (await moved.act("POST", "/api/v1/session/role", wanted)).status_code == 404


async def test_a_session_of_a_provider_ends_as_the_others(scene: Scene) -> None:
    og = await an_account("og")
    page = await come_in(scene, og)
    person = await _person(page)
    removal = {"person_id": person}
    gone = await scene.http.post(
        "/api/v1/members/removal", json=removal, headers={**og.headers, "Idempotency-Key": person}
    )
    assert gone.status_code == 200, gone.text
    assert (await page.ask("GET", "/api/v1/session")).status_code == 401
    assert (await scene.browser().sign_in()).status_code == 403


async def _person(page: Browser) -> str:
    found: str = (await page.ask("GET", "/api/v1/session")).json()["person_id"]
    return found


async def _email(person_id: str) -> str:
    async with transaction(LOCAL_ADMIN.context, read_only=True) as con:
        found: str = await con.fetchval("select email from person where id = $1", person_id)
    return found
