"""Orders further on in their life, each step through the operations, valid by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sons_tracker import law
from sons_tracker.operations import advances, requests_filed
from sons_tracker.operations.acts import Refused
from sons_tracker.operations.idempotency import Answer
from sons_tracker.operations.requests import OrderRequest
from sons_tracker.operations.requests_filed import RequestView
from tests import factories_orders as make
from tests.factories import AT, Account, an_account
from tests.factories_suppliers import enrol

CONTENT: Mapping[str, Any] = {"signature": "electronic", "order_document_sha256": "ab" * 32}


@dataclass(slots=True)
class Told:
    """A render that keeps what it was given."""

    outcome: Any = None

    def __call__(self, outcome: Any) -> Answer:
        self.outcome = outcome
        return Answer(409 if isinstance(outcome, Refused) else 200, b"{}")

    @property
    def refused(self) -> Refused:
        assert isinstance(self.outcome, Refused), self.outcome
        return self.outcome

    @property
    def messages(self) -> str:
        """What the refusal says, in one text."""
        return " ".join(reason.message for reason in self.refused.reasons)


@dataclass(frozen=True, slots=True)
class Life:
    """An order with those who act on it."""

    order_id: UUID
    number: str
    editor: Account
    og: Account
    reviewer: Account
    request: OrderRequest
    advance_id: UUID | None = None

    @property
    def essms(self) -> tuple[str, ...]:
        return tuple(line.finess for line in self.request.essms)


async def a_deposited_order(owner: make.Seeded, essms: int = 2, at: datetime = AT, **changes: Any) -> Life:
    """An order just deposited by an enrolled supplier; `changes` are those of `a_request`, and `listed`,
    what the list of the ANS says of its version."""
    listed = changes.pop("listed", {})
    og_number, numbers = await make.an_og(owner, essms)
    solution = await make.a_solution(owner, **listed)
    editor = await an_account("editor", siren=solution.editor_siren)
    await enrol(editor)
    request = make.a_request(og_number, numbers, solution, **changes)
    view = await make.deposit(editor.actor, request, at)
    assert view.identity is not None
    og = await an_account("og", finess_juridique=og_number)
    reviewer = await an_account("reviewer")
    return Life(view.identity.id, view.identity.number, editor, og, reviewer, request)


async def request_advance(life: Life, at: datetime = AT, content: Mapping[str, Any] = CONTENT) -> Told:
    """Asks for the advance; what was told."""
    told = Told()
    await advances.request_advance(
        life.editor.actor, life.order_id, content, law.load().law, at, make.a_key(), told
    )
    return told


async def validate_advance(life: Life, at: datetime = AT, reason: str | None = None) -> Told:
    """Validates the advance that was asked for; what was told."""
    assert life.advance_id is not None
    told = Told()
    await advances.validate_advance(
        life.reviewer.actor, life.advance_id, life.order_id, reason, law.load().law, at, make.a_key(), told
    )
    return told


async def with_advance_asked(life: Life, at: datetime = AT) -> Life:
    """The same order, its advance asked for."""
    told = await request_advance(life, at)
    assert isinstance(told.outcome, RequestView), told.outcome
    return replace(life, advance_id=told.outcome.id)


async def an_order_with_due_advance(owner: make.Seeded, essms: int = 2, at: datetime = AT) -> Life:
    """An order whose advance is due."""
    life = await with_advance_asked(await a_deposited_order(owner, essms, at), at)
    told = await validate_advance(life, at)
    assert isinstance(told.outcome, RequestView), told.outcome
    return life


async def state_of(owner: make.Seeded, life: Life) -> str:
    """The state of the order."""
    found: str = await owner.fetchval("select state from purchase_order where id = $1", life.order_id)
    return found


async def the_requests(life: Life) -> tuple[RequestView, ...]:
    """What the editor reads of its requests."""
    return await requests_filed.requests_of_order(life.editor.actor, life.order_id)
