"""The three database roles. Roles belong to the cluster, migrations to a database: hence not a migration.

`sons_owner` owns the tables; `sons_app` runs the application and owns nothing; `sons_case` owns the few
definer functions that must see across organisations. None may log in on an external server unless its
administrator says so, none has BYPASSRLS.
"""

from __future__ import annotations

import asyncio

import asyncpg

from sons_tracker.errors import ErrorCode, SonsError

OWNER, APP, CASE = "sons_owner", "sons_app", "sons_case"

# NOINHERIT on the owner: it may give a function to sons_case without enjoying the policies of sons_case.
_ATTRIBUTES = {OWNER: "nologin noinherit", APP: "nologin", CASE: "nologin"}
# (role, member): the member may act as the role.
_MEMBERSHIPS = ((OWNER, None), (APP, None), (CASE, None), (CASE, OWNER))
_ATTEMPTS = 10


async def create_roles(con: asyncpg.Connection, *, app_may_log_in: bool = False) -> None:
    """Creates what is missing; `con` is a superuser or has CREATEROLE; several processes may race.

    Raises:
        SonsError: `DATABASE_UNREACHABLE` when the account may neither create nor use the roles.
    """
    try:
        for name, attributes in _ATTRIBUTES.items():
            if not await con.fetchval("select 1 from pg_roles where rolname = $1", name):
                await _tolerantly(con, f"create role {name} {attributes} nobypassrls")
        if app_may_log_in and not await con.fetchval(
            "select rolcanlogin from pg_roles where rolname = $1", APP
        ):
            await _tolerantly(con, f"alter role {APP} login")
        for role, member in _MEMBERSHIPS:
            if not await _may_act_as(con, role, member):
                await _tolerantly(con, f"grant {role} to {member or 'current_user'}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise SonsError(
            ErrorCode.DATABASE_UNREACHABLE,
            "Le compte de DATABASE_URL ne peut ni créer ni utiliser les rôles sons_owner, sons_app et "
            "sons_case : donnez-lui le droit CREATEROLE, ou créez ces rôles et rendez-le membre de chacun.",
        ) from error


async def _may_act_as(con: asyncpg.Connection, role: str, member: str | None) -> bool:
    # From version 16 on, the creator of a role administers it but may not act as it before granting it to
    # itself; 'SET' asks exactly that. Version 15 knows only 'MEMBER', which says the same there.
    privilege = "SET" if con.get_server_version().major >= 16 else "MEMBER"
    return bool(
        await con.fetchval(
            "select pg_has_role(coalesce($1::name, current_user), $2::name, $3)", member, role, privilege
        )
    )


async def _tolerantly(con: asyncpg.Connection, statement: str) -> None:
    """Runs DDL on a shared catalogue; what another process did in the same instant is done."""
    for attempt in range(_ATTEMPTS):
        try:
            await con.execute(statement)
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            return
        except asyncpg.InternalServerError:  # "tuple concurrently updated": look again
            if attempt + 1 == _ATTEMPTS:
                raise
            await asyncio.sleep(0.05)
        else:
            return
