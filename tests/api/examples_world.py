"""What the examples of the documentation speak of: each noun adds what its own examples need."""

from __future__ import annotations

from sons_tracker.api.contract import ROLES
from tests.databases import Database
from tests.factories import an_account
from tests.factories_orders import prepare_instance


async def make_world(database: Database) -> dict[str, str]:
    """Fills the database; returns a token for each role. The engine is started."""
    await prepare_instance()
    return {role: (await an_account(role)).token for role in sorted(ROLES)}
