"""Builds the Litestar application: routes, guard, errors, headers, and what lives as long as it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from litestar import Litestar
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from sons_tracker import logs, scheduler
from sons_tracker.api import (
    accounts,
    alerts,
    amendments,
    audits,
    cancellations,
    case_documents,
    clock,
    conflict_decisions,
    conflicts,
    delegations,
    documentation,
    essms,
    explanations,
    feeds,
    finess,
    forecast,
    grant_imports,
    health,
    identity,
    law,
    ledger,
    lots,
    members,
    notices,
    order_files,
    orders,
    payments,
    pieces,
    queue,
    recoveries,
    requests,
    reservations,
    reviews,
    rights,
    samples,
    sessions,
    soldes,
    suppliers,
    tokens,
    va,
    webhooks,
)
from sons_tracker.api.access_log import Application
from sons_tracker.api.contract import contract_of
from sons_tracker.api.problems import handle_exception
from sons_tracker.api.security import add_headers, authorise, current_actor, is_automatic
from sons_tracker.api.strict import MAX_BODY
from sons_tracker.db import engine
from sons_tracker.db.embedded import open_database
from sons_tracker.delivery import relay, stamps
from sons_tracker.delivery.openid import OpenIdClient
from sons_tracker.settings import Settings

# One line per module of routes: each lists its own handlers.
HANDLERS: tuple[HTTPRouteHandler, ...] = (
    *health.HANDLERS,
    *law.HANDLERS,
    *rights.HANDLERS,
    *orders.HANDLERS,
    *order_files.HANDLERS,
    *requests.HANDLERS,
    *reviews.HANDLERS,
    *va.HANDLERS,
    *soldes.HANDLERS,
    *cancellations.HANDLERS,
    *amendments.HANDLERS,
    *audits.HANDLERS,
    *conflicts.HANDLERS,
    *conflict_decisions.HANDLERS,
    *case_documents.HANDLERS,
    *essms.HANDLERS,
    *finess.HANDLERS,
    *explanations.HANDLERS,
    *grant_imports.HANDLERS,
    *reservations.HANDLERS,
    *suppliers.HANDLERS,
    *lots.HANDLERS,
    *payments.HANDLERS,
    *pieces.HANDLERS,
    *recoveries.HANDLERS,
    *ledger.HANDLERS,
    *notices.HANDLERS,
    *webhooks.HANDLERS,
    *feeds.HANDLERS,
    *forecast.HANDLERS,
    *queue.HANDLERS,
    *alerts.HANDLERS,
    *samples.HANDLERS,
    *clock.HANDLERS,
    *sessions.HANDLERS,
    *accounts.HANDLERS,
    *identity.HANDLERS,
    *members.HANDLERS,
    *delegations.HANDLERS,
    *tokens.HANDLERS,
    *documentation.HANDLERS,
)


def create_app(settings: Settings, *, connect: bool = True) -> Litestar:
    """The application. With `connect`, its life opens the database and the scheduler's clock; without,
    the caller has started the engine already (tests, demonstration) and nothing ticks.

    Raises:
        TypeError: a route without a contract, a duplicate schema name: found here, not in production.
    """
    app = Application(
        route_handlers=list(HANDLERS),
        guards=[authorise],
        dependencies={"actor": Provide(current_actor)},
        exception_handlers={Exception: handle_exception},
        before_send=[add_headers],
        lifespan=[_life(settings)] if connect else [],
        request_max_body_size=MAX_BODY,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.state.settings = settings
    app.state.openid = OpenIdClient(settings.public_url)
    _check_contracts(app)
    documentation.publish(app)
    return app


def from_environment() -> Litestar:
    """The factory for a server of one's own: `uvicorn --factory sons_tracker.app:from_environment`."""
    settings = Settings.from_env(os.environ)
    asked = settings.safeguards
    logs.configure(asked.log_level, asked.log_format, secrets=settings.secrets)
    return create_app(settings)


def _life(settings: Settings) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def life(app: Litestar) -> AsyncIterator[None]:
        async with open_database(settings) as opened:
            await engine.start(opened.app_dsn, role=opened.app_role)
            try:
                kept_for = settings.safeguards.retention
                ticking = scheduler.running(heads=settings.journal_heads, kept_for=kept_for)
                stamping = stamps.running(settings.timestamp_url, settings.timestamp_roots)
                async with ticking, relay.running(settings), stamping:
                    yield
            finally:
                await app.state.openid.aclose()
                await engine.stop()

    return life


def _check_contracts(app: Litestar) -> None:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if contract_of(handler) is None and not is_automatic(handler):
                raise TypeError(f"{route.path} has no contract: say who may call it, in its `opt`")
