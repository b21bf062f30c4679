"""The application over HTTP for tests of orders: what is answered must be what its contract announces."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from typing import Any

import httpx

from sons_tracker.api import essms, orders
from sons_tracker.api.contract import Contract, contract_of
from sons_tracker.app import create_app
from sons_tracker.operations.requests import OrderRequest
from sons_tracker.rules.money import euros
from tests import factories_orders as make
from tests.databases import Database
from tests.factories import Account, an_account

APPEAL = "Recours gracieux sous deux mois auprès de l'agence de test (fictive)."
ORDERS, BULK, SIMULATIONS = "/api/v1/orders", "/api/v1/orders/bulk", "/api/v1/simulations"
_keys = itertools.count(1)
_ROUTES: list[tuple[str, re.Pattern[str], Contract]] = []
for _handler in (*orders.HANDLERS, *essms.HANDLERS):
    _contract = contract_of(_handler)
    assert _contract is not None
    _path = re.sub(r"\{[^}]*\}", "[^/]+", min(_handler.paths))
    _ROUTES.append((min(_handler.http_methods), re.compile(_path), _contract))
_ROUTES.sort(key=lambda route: "[^/]+" in route[1].pattern)


async def _as_announced(response: httpx.Response) -> None:
    await response.aread()
    request = response.request
    contract = next(
        (c for method, path, c in _ROUTES if method == request.method and path.fullmatch(request.url.path)),
        None,
    )
    if contract is None:
        return
    if response.status_code in contract.answers:
        assert response.headers["content-type"].startswith("application/json")
        return
    assert response.headers["content-type"].startswith("application/problem+json")
    codes = {error.value.code for error in contract.all_errors()}
    problem = response.json()
    assert problem["code"] in codes, f"{problem['code']} is not announced by {request.url.path}"
    assert problem["status"] == response.status_code
    assert problem["detail"]


def client(database: Database) -> httpx.AsyncClient:
    """A client of the application on the engine that the caller has started."""
    settings = dataclasses.replace(database.settings, appeal_text=APPEAL)
    transport = httpx.ASGITransport(app=create_app(settings, connect=False), raise_app_exceptions=False)
    return httpx.AsyncClient(
        transport=transport,
        base_url="http://sons.test",
        event_hooks={"response": [_as_announced]},
        timeout=60,
    )


def body_of(request: OrderRequest, **changes: Any) -> dict[str, Any]:
    """A request as JSON writes it."""
    lines: list[Any] = []
    for line in request.essms:
        told: dict[str, Any] = {"finess": str(line.finess), "dui_in_place": line.dui_in_place}
        if line.unit_ttc_cents is not None:
            told["unit_ttc"] = euros(line.unit_ttc_cents)
        lines.append(told)
    return {
        "dispositif": request.dispositif,
        "og": str(request.og),
        "essms": lines,
        "solution_version": request.solution_version,
        "signed_on": request.signed_on.isoformat(),
        "already_equipped": request.already_equipped,
        **changes,
    }


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """An editor with its referenced solution, an OG with its ESSMS, and the body of a whole order."""

    editor: Account
    solution: make.ASolution
    og: str
    numbers: tuple[str, ...]

    def body(self, *numbers: str, **changes: Any) -> dict[str, Any]:
        """An order of these ESSMS, by default of all."""
        request = make.a_request(self.og, numbers or self.numbers, self.solution)
        return body_of(request, **changes)


async def an_offer(
    owner: make.Seeded, essms: int = 1, og: tuple[str, tuple[str, ...]] | None = None
) -> Offer:
    """An editor that may order for an OG of so many ESSMS."""
    finess, numbers = og or await make.an_og(owner, essms)
    solution = await make.a_solution(owner)
    return Offer(await an_account("editor", siren=solution.editor_siren), solution, finess, numbers)


def key() -> str:
    """An Idempotency-Key that no other request has."""
    return f"test-{next(_keys)}"


async def post(
    http: httpx.AsyncClient, path: str, body: object, account: Account | None = None, name: str | None = None
) -> httpx.Response:
    """Posts JSON under a key (a new one by default) with the account's token."""
    headers = {"content-type": "application/json", "idempotency-key": name or key()}
    headers |= {} if account is None else account.headers
    return await http.post(path, content=json.dumps(body).encode(), headers=headers)
