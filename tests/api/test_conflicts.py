"""A reviewer's path over HTTP, from the queue to an executed decision; what each party saw at each step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sons_tracker.app import create_app
from tests import factories_disputes as disputes
from tests import factories_life as lives
from tests import factories_orders as make
from tests import factories_solde as soldes
from tests.databases import Database
from tests.factories import Account, an_account

owner = make.Everything()
CONFLICTS, ORDERS = "/api/v1/conflicts", "/api/v1/orders"


@pytest.fixture(scope="module")
async def http(module_database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The application on a sandbox, for the whole module."""
    await make.prepare_instance()
    app = create_app(module_database.settings, connect=False)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sons.test") as client:
        yield client


async def post(http: httpx.AsyncClient, path: str, who: Account, body: Any = None) -> httpx.Response:
    content = {} if body is None else {"json": body}
    return await http.post(path, headers={**who.headers, "Idempotency-Key": str(uuid4())}, **content)


async def read(http: httpx.AsyncClient, path: str, who: Account) -> dict[str, Any]:
    answer = await http.get(path, headers=who.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def notices_of(http: httpx.AsyncClient, who: Account) -> list[str]:
    return [one["event"] for one in (await read(http, "/api/v1/notices", who))["notices"]]


def possible(body: dict[str, Any]) -> set[str]:
    return {action["code"] for action in body["actions"] if action["possible"]}


async def test_from_the_queue_to_an_executed_decision(http: httpx.AsyncClient) -> None:
    holder = await soldes.a_paid_advance(owner, 4)
    refused = await disputes.a_refused_order(owner, holder)
    og, reviewer, second = holder.og, await an_account("reviewer"), await an_account("reviewer")
    payer = await an_account("payer")

    # the editor that was refused contests: it learns that a case is open, not with whom
    contested = await post(
        http, f"{ORDERS}/{refused.order_id}/contest", refused.editor, {"reason": "Le client a résilié."}
    )
    assert contested.status_code == 201, contested.text
    told = contested.json()
    case = f"{CONFLICTS}/{told['id']}"
    assert (told["state"], told["at_stake_ttc"], told["findings"], told["actions"]) == ("open", None, [], [])
    assert [side["order"] for side in told["sides"]] == [refused.number]
    assert holder.number not in contested.text
    assert "conflict.opened" in await notices_of(http, holder.editor)
    assert "conflict.opened" in await notices_of(http, og)

    # the reviewer finds it in the queue, with what is at stake and why it is risky, and takes it
    line = next(
        one for one in (await read(http, "/api/v1/queue", reviewer))["cases"] if one["id"] == told["id"]
    )
    assert (line["at_stake_ttc"], line["paid_ttc"]) == ("11680.00", "3504.00")
    assert line["risk"]["score"] > 0
    assert line["risk"]["reasons"]
    assert line["assigned"] is None
    person = str(reviewer.actor.person_id)
    assert (await post(http, f"{case}/assignment", reviewer, {"person_id": person})).status_code == 200
    mine = (await read(http, "/api/v1/queue?assigned=me", reviewer))["cases"]
    assert told["id"] in {one["id"] for one in mine}

    # it reads both sides, the finding and its source; the client reads the same, and may not act
    seen = await read(http, case, reviewer)
    assert [(side["order"], side["order_state"]) for side in seen["sides"]] == [
        (holder.number, "validated"),
        (refused.number, "rejected"),
    ]
    assert seen["findings"][0]["rule"] == "R05"
    assert "S0:1525" in seen["findings"][0]["source"]
    assert {"ask_precisions", "ask_choice", "propose_decision"} <= possible(seen)
    by_client = await read(http, case, og)
    assert (by_client["sides"], by_client["at_stake_ttc"]) == (seen["sides"], "11680.00")
    assert by_client["actions"] == []

    # nobody loses unheard
    decision = {
        "outcome": "one_refused", "refused": [1], "template": "client_choice",
        "motivation": "Le client confirme par écrit avoir résilié la première commande.",
        "version": seen["version"],
    }  # fmt: skip
    early = await post(http, f"{case}/decision", reviewer, decision)
    assert early.status_code == 409
    assert "n'a pas été invité" in early.json()["detail"]
    asked = await post(http, f"{case}/precisions", reviewer, {"text": "Que voulait le client ?"})
    assert asked.json()["state"] == "precisions_asked"

    # each supplier reads its own question, and answers it; the other's stays unknown to it
    for life, position in ((holder, "maintained"), (refused, "maintained")):
        view = await read(http, case, life.editor)
        assert [question["kind"] for question in view["questions"]] == ["precisions"]
        assert view["questions"][0]["answer_due_at"] == "2023-03-15T23:59:59+01:00"
        question = f"{case}/questions/{view['questions'][0]['id']}/answer"
        body = {"text": "Le client nous a choisis.", "position": position}
        assert (await post(http, question, life.editor, body)).status_code == 200
        assert (await post(http, question, life.editor, body)).status_code == 409, "answered once"
        other = refused if life is holder else holder
        assert (await post(http, question, other.editor, body)).status_code == 404

    # the client signed twice: it chooses, and what it chooses is on file
    assert (
        await post(http, f"{case}/choice", reviewer, {"text": "Laquelle gardez-vous ?"})
    ).status_code == 200
    view = await read(http, case, og)
    choice = next(question for question in view["questions"] if question["kind"] == "choice")
    answer = await post(
        http, f"{case}/questions/{choice['id']}/answer", og, {"text": "La seconde.", "chosen_side": 2}
    )
    assert answer.status_code == 200, answer.text

    # decided on what was read, by two persons above the threshold
    stale = await post(http, f"{case}/decision", reviewer, decision)
    assert stale.status_code == 409
    assert "a changé" in stale.json()["detail"]
    fresh = decision | {"version": (await read(http, case, reviewer))["version"]}
    assert (await post(http, f"{case}/decision", reviewer, fresh | {"motivation": " "})).status_code == 422
    assert (await post(http, f"{case}/decision", holder.editor, fresh)).status_code == 403
    assert (await post(http, f"{case}/decision", og, fresh)).status_code == 403
    proposed = await post(http, f"{case}/decision", reviewer, fresh)
    assert (proposed.json()["state"], proposed.json()["decisions"][0]["four_eyes"]) == ("og_choice", True)
    assert (await read(http, case, refused.editor))["decisions"] == [], "not told before it is approved"
    assert (await post(http, f"{case}/approval", reviewer)).status_code == 409
    approved = await post(http, f"{case}/approval", second)
    assert approved.json()["state"] == "decided"
    assert possible(approved.json()) == {"assign", "withdraw_decision", "execute"}

    # executed in one go: the ESSMS change hands, the advance is to recover
    done = await post(http, f"{case}/execution", reviewer)
    assert done.json()["state"] == "executed", done.text
    lost = await read(http, f"{ORDERS}/{holder.order_id}", holder.editor)
    won = await read(http, f"{ORDERS}/{refused.order_id}", refused.editor)
    assert (lost["state"], won["state"]) == ("rejected", "submitted")
    recoveries = (await read(http, "/api/v1/recoveries", payer))["recoveries"]
    owed = [(one["order"], one["amount_ttc"], one["reason"]) for one in recoveries]
    assert owed == [(holder.number, "3504.00", "decided")]
    assert await disputes.live_claims(owner, refused) == sorted(refused.essms)

    # each party reads what was decided of it, and not the other's name nor the motivation
    for life, theirs in ((holder, [1]), (refused, [])):
        other = refused if life is holder else holder
        text = (await http.get(case, headers=life.editor.headers)).text
        view = await read(http, case, life.editor)
        (last,) = view["decisions"]
        assert (last["refused"], last["motivation"], last["outcome"]) == (theirs, None, "decided")
        assert last["notice"]
        assert other.number not in text
        assert "résilié" not in text
        events = await notices_of(http, life.editor)
        assert {"conflict.asked", "conflict.decided", "conflict.executed"} <= set(events)
    assert "order.rejected" in await notices_of(http, holder.editor)
    assert "order.retained" in await notices_of(http, refused.editor)
    assert "résilié" in (await read(http, case, og))["decisions"][0]["motivation"]

    closed = await post(http, f"{case}/closing", reviewer)
    assert closed.json()["state"] == "closed"
    steps = [event["event"] for event in closed.json()["events"]]
    assert steps == [
        "contested", "assigned", "precisions_asked", "answered", "answered", "choice_asked", "answered",
        "decision_proposed", "decided", "executed", "closed",
    ]  # fmt: skip


async def test_a_stranger_and_nobody_are_told_the_same(http: httpx.AsyncClient) -> None:
    dispute = await disputes.a_dispute(owner)
    for role in ("editor", "distributor", "og", "ars"):
        stranger = await an_account(role)
        foreign = await http.get(f"{CONFLICTS}/{dispute.conflict_id}", headers=stranger.headers)
        unknown = await http.get(f"{CONFLICTS}/{uuid4()}", headers=stranger.headers)
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.json()["detail"] == unknown.json()["detail"]
        assert (await read(http, CONFLICTS, stranger))["conflicts"] == []
    assert (await http.get(CONFLICTS)).status_code == 401


async def test_the_same_act_under_the_same_key_has_one_effect(http: httpx.AsyncClient) -> None:
    holder = await lives.a_deposited_order(owner)
    refused = await disputes.a_refused_order(owner, holder)
    headers = {**refused.editor.headers, "Idempotency-Key": str(uuid4())}
    path, body = f"{ORDERS}/{refused.order_id}/contest", {"reason": "Le client a résilié."}
    first = await http.post(path, json=body, headers=headers)
    again = await http.post(path, json=body, headers=headers)
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    events = await owner.fetchval(
        "select count(*) from conflict_event where conflict_id = $1", first.json()["id"]
    )
    assert events == 1
