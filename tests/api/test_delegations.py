"""A director delegates the signature of the VA over HTTP, and the delegate signs until it is revoked."""

from __future__ import annotations

import itertools
from typing import Any

import httpx

from sons_tracker.rules.delegations import DELEGATION_CONSENT
from sons_tracker.rules.va_statement import VA_CONSENT
from tests import factories_delegations as delegated
from tests import factories_orders as make
from tests import factories_solde as solde
from tests.factories import Account, an_account

_keys = itertools.count(1)
ALL = "/api/v1/delegations"


async def sent(http: httpx.AsyncClient, by: Account, path: str, body: Any = None) -> httpx.Response:
    headers = {**by.headers, "Idempotency-Key": f"delegation-{next(_keys)}"}
    return await http.post(path, headers=headers, **({} if body is None else {"json": body}))


async def read(http: httpx.AsyncClient, by: Account, path: str, **query: str) -> httpx.Response:
    return await http.get(path, headers=by.headers, params=query)


async def test_from_the_text_to_the_signature_and_its_revocation(client: httpx.AsyncClient) -> None:
    await make.prepare_instance()
    owner = make.Everything()
    order = await solde.a_paid_advance(owner, 1)
    await solde.prepare(order)
    await owner.execute("update sons.instance set clock_at = $1", solde.LATER)
    director, member, stranger = order.og, await delegated.a_member(order.og), await an_account("og")
    person = str(delegated.person_of(member))
    terms = {"from_on": "2023-03-31", "until_on": "2023-04-30"}
    shown = await read(client, director, f"{ALL}/text/{person}", acts="va,amendment", **terms)
    assert shown.status_code == 200, shown.text
    assert "DÉLÉGATION DE SIGNATURE" in shown.json()["text"]
    refused = await read(client, member, f"{ALL}/text/{person}", acts="va", **terms)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    body = {
        "receiver_id": person, "acts": ["va", "amendment"], **terms,
        "text_sha256": shown.json()["text_sha256"], "consent": DELEGATION_CONSENT,
        "signer_name": "Camille Exemple", "signer_function": "Directrice générale",
    }  # fmt: skip
    va = f"/api/v1/orders/{order.order_id}/va"
    statement = (await read(client, member, va)).json()
    signing = next(one for one in statement["actions"] if one["code"] == "sign_va")
    assert (signing["possible"], signing["reasons"][0]["rule"]) == (False, "R17")
    signature = {
        "statement_sha256": statement["statement_sha256"], "consent": VA_CONSENT,
        "signer_name": "Dominique Exemple", "signer_function": "Chef de service",
    }  # fmt: skip
    early = await sent(client, member, f"{va}/signature", signature)
    assert (early.status_code, early.json()["code"]) == (409, "action_refused")
    given = await sent(client, director, ALL, body)
    assert given.status_code == 201, given.text
    held = given.json()
    assert (held["state"], held["state_label"], held["acts"]) == (
        "in_force",
        "en vigueur",
        ["amendment", "va"],
    )
    twice = await sent(client, director, ALL, body)
    assert (twice.status_code, twice.json()["code"]) == (409, "action_refused")
    wrong = await sent(client, director, ALL, body | {"consent": "D'accord."})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "$.consent")
    listed = (await read(client, director, "/api/v1/members")).json()["members"]
    shown_as = {one["person_id"]: (one["responsible"], len(one["delegations"])) for one in listed}
    assert shown_as == {person: (False, 1), str(delegated.person_of(director)): (True, 0)}
    signed = await sent(client, member, f"{va}/signature", signature)
    assert signed.status_code == 201, signed.text
    kept = signed.json()["signature"]
    assert (kept["capacity"], kept["delegation_id"]) == ("delegation", held["id"])
    assert (await read(client, stranger, ALL)).json() == {"delegations": []}
    foreign = await sent(client, stranger, f"{ALL}/{held['id']}/revocation")
    unknown = await sent(client, stranger, f"{ALL}/00000000-0000-4000-8000-000000000001/revocation")
    assert (foreign.status_code, foreign.json()["detail"]) == (404, unknown.json()["detail"])
    revoked = await sent(client, director, f"{ALL}/{held['id']}/revocation")
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")


async def test_an_invitation_makes_responsible_only_by_who_is(client: httpx.AsyncClient) -> None:
    await make.prepare_instance()
    director = await an_account("og")
    member, admin = await delegated.a_member(director), await an_account("admin")
    path = "/api/v1/invitations"
    asked = {"email": "nouvelle@example.org", "responsible": True}
    assert (await sent(client, member, path, asked)).status_code == 403
    made = await sent(client, director, path, asked)
    assert (made.status_code, made.json()["responsible"]) == (201, True)
    plain = await sent(client, member, path, {"email": "autre@example.org"})
    assert (plain.status_code, plain.json()["responsible"]) == (201, False)
    elsewhere = await sent(
        client, admin, path,
        {"email": "a@example.org", "role": "og", "organisation_id": str(director.actor.organisation_id)},
    )  # fmt: skip
    assert elsewhere.json()["responsible"] is False  # this OG has members already
    named = {"person_id": str(delegated.person_of(member)), "responsible": True}
    assert (await sent(client, member, "/api/v1/members/responsibility", named)).status_code == 409
    told = await sent(client, director, "/api/v1/members/responsibility", named)
    assert (told.status_code, told.json()["responsible"]) == (200, True)
