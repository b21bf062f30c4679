"""Forty clients at once on the same ESSMS: reserved, ordered, cancelled, contested, decided, executed."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sons_tracker.rules.declarations import STATEMENT_CONSENT
from tests import factories_orders as make
from tests.api.http_orders import ORDERS, Offer, an_offer, key
from tests.databases import Database
from tests.factories import Account, an_account
from tests.faults.service import serving
from tests.load.test_contention import a_known_og, connected, shuffled

FULL = os.environ.get("TIER") == "full"
CLIENTS, EDITORS, REVIEWERS, ESSMS = 40, 10, 4, 12
ACTS = 20_000 if FULL else 1_000
SECONDS = 3_600 if FULL else 150
RESERVATIONS, CONFLICTS = "/api/v1/reservations", "/api/v1/conflicts"
DENIED = {400, 401, 403, 404, 422}
"""A client of this test asks for what exists, in its own name, and rightly written."""


@dataclass(slots=True)
class Crowd:
    """The clients, and what they were told."""

    chance: random.Random
    told: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left: int = ACTS

    async def ask(
        self, http: httpx.AsyncClient, act: str, method: str, path: str, account: Account, body: Any = None
    ) -> Any:
        """One request; its body when it was accepted, None when it was refused."""
        headers = {**account.headers, "idempotency-key": key()}
        answer = await http.request(method, path, json=body, headers=headers)
        if method == "POST":
            self.left -= 1
            self.told[act, answer.status_code] += 1
        if answer.status_code >= 500 or answer.status_code in DENIED:
            self.wrong.append(f"{act} {answer.status_code} {answer.text[:400]}")
        return answer.json() if answer.status_code < 400 else None


async def an_editor(crowd: Crowd, http: httpx.AsyncClient, offer: Offer) -> None:
    """Reserves, orders, cancels its orders, contests its refusals and answers what it is asked."""
    account = offer.editor
    held: list[str] = []
    refused: list[str] = []
    while crowd.left > 0:
        chosen = sorted(crowd.chance.sample(offer.numbers, crowd.chance.randint(1, 3)))
        act = crowd.chance.choice(("reserve", "order", "order", "cancel", "contest", "answer"))
        if act == "reserve":
            body = {
                "dispositif": "MS1-V1", "og": str(offer.og), "essms": [str(n) for n in chosen],
                "solution_version": offer.solution.version,
            }  # fmt: skip
            await crowd.ask(http, act, "POST", RESERVATIONS, account, body)
        elif act == "order":
            headers = {**account.headers, "idempotency-key": key()}
            answer = await http.post(ORDERS, json=offer.body(*chosen), headers=headers)
            crowd.left -= 1
            crowd.told[act, answer.status_code] += 1
            told = answer.json()
            if answer.status_code == 201:
                held.append(told["id"])
            elif answer.status_code == 409:
                refused.append(told["order"]["id"])
            else:
                crowd.wrong.append(f"order {answer.status_code} {answer.text[:400]}")
        elif act == "cancel" and held:
            order = held.pop(crowd.chance.randrange(len(held)))
            statement = {
                "text": "Commande déposée par erreur.", "consent": STATEMENT_CONSENT,
                "signer_name": "Camille Exemple", "signer_function": "Directrice",
            }  # fmt: skip
            body = {"motive": "supplier_error", "for_acquisition": False, "statement": statement}
            await crowd.ask(http, act, "POST", f"{ORDERS}/{order}/cancellation", account, body)
        elif act == "contest" and refused:
            order = refused.pop(crowd.chance.randrange(len(refused)))
            body = {"reason": "Le client nous a choisis."}
            await crowd.ask(http, act, "POST", f"{ORDERS}/{order}/contest", account, body)
        elif act == "answer":
            page = await crowd.ask(http, "list", "GET", f"{CONFLICTS}?state=precisions_asked", account)
            for line in page["conflicts"][:2]:
                case = await crowd.ask(http, "read", "GET", f"{CONFLICTS}/{line['id']}", account)
                for question in case["questions"]:
                    if question["answered_at"] is None and question["withdrawn_at"] is None:
                        path = f"{CONFLICTS}/{line['id']}/questions/{question['id']}/answer"
                        body = {"text": "Le client nous a choisis.", "position": "maintained"}
                        await crowd.ask(http, act, "POST", path, account, body)


async def a_reviewer(crowd: Crowd, http: httpx.AsyncClient, account: Account) -> None:
    """Takes a case a step further, whichever step it waits for."""
    while crowd.left > 0:
        page = await crowd.ask(http, "list", "GET", f"{CONFLICTS}?limit=200", account)
        alive = [line for line in page["conflicts"] if line["state"] != "closed"]
        if not alive:
            await asyncio.sleep(0.05)
            continue
        path = f"{CONFLICTS}/{crowd.chance.choice(alive)['id']}"
        case = await crowd.ask(http, "read", "GET", path, account)
        if case["state"] == "open":
            body: Any = {"text": "Quelle commande le client a-t-il voulue ?"}
            await crowd.ask(http, "precisions", "POST", f"{path}/precisions", account, body)
        elif case["state"] == "precisions_asked":
            if crowd.chance.random() < 0.5 or any(q["answered_at"] is None for q in case["questions"]):
                outcome, refused = "maintained", []
            else:
                outcome, refused = "one_refused", [crowd.chance.choice([1, 2])]
            body = {
                "outcome": outcome, "refused": refused, "template": "first_deposit",
                "motivation": "Les pièces le montrent.", "version": case["version"],
            }  # fmt: skip
            await crowd.ask(http, "decide", "POST", f"{path}/decision", account, body)
        elif case["state"] == "decided":
            if await crowd.ask(http, "execute", "POST", f"{path}/execution", account) is None:
                body = {"reason": "La décision ne peut plus être exécutée."}
                await crowd.ask(http, "reconsider", "POST", f"{path}/reconsideration", account, body)
        elif case["state"] == "executed":
            await crowd.ask(http, "close", "POST", f"{path}/closing", account)


@pytest.mark.processes
@pytest.mark.scoreboard(1)
async def test_no_essms_is_held_twice_and_no_deadlock_reaches_a_client(database: Database) -> None:
    await make.prepare_instance()
    owner = make.Everything()
    og = await a_known_og(owner, ESSMS)
    offers = [await an_offer(owner, og=og) for _ in range(EDITORS)]
    reviewers = [await an_account("reviewer") for _ in range(REVIEWERS)]
    crowd = Crowd(shuffled(random.randrange(2**32)))
    started = time.monotonic()
    async with serving(database.environ, 2) as services, connected(services) as clients:
        await asyncio.gather(
            *(an_editor(crowd, clients[n % 2], offers[n % EDITORS]) for n in range(CLIENTS - 8)),
            *(a_reviewer(crowd, clients[n % 2], reviewers[n % REVIEWERS]) for n in range(8)),
        )
    took = time.monotonic() - started
    deadlocks = await owner.fetchval(
        "select deadlocks from pg_stat_database where datname = current_database()"
    )
    print(f"{ACTS} acts by {CLIENTS} clients in {took:.1f} s, {deadlocks} deadlocks met and gone round")
    print(dict(sorted(crowd.told.items())))
    assert crowd.wrong == []
    for act in ("reserve", "order", "cancel", "contest", "answer", "precisions", "decide", "execute"):
        assert crowd.told[act, 200] + crowd.told[act, 201] > 0, f"{act} never succeeded"
    double = await owner.fetch(
        "select vague, finess_geographique from claim where released_at is null"
        " group by vague, finess_geographique having count(*) > 1"
    )
    assert double == []
    # a live order holds what is left of its perimeter, one that is over holds nothing
    torn = await owner.fetch(
        "select o.number, o.state, o.ordered, count(c.id) filter (where c.released_at is null) as held,"
        " count(c.id) filter (where c.release_reason = 'decided') as lost"
        " from purchase_order o left join claim c on c.order_id = o.id group by o.id"
        " having case when o.state in ('submitted', 'validated', 'to_review', 'waiting_referencing')"
        " then count(c.id) filter (where c.released_at is null)"
        "   + count(c.id) filter (where c.release_reason = 'decided') <> o.ordered"
        " else count(c.id) filter (where c.released_at is null) > 0 end"
    )
    assert torn == []
    assert took < SECONDS
