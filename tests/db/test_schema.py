"""The schema says what the decisions say: row-level security, privileges, names, defaults, mirror."""

from __future__ import annotations

import asyncpg
import pytest
from piccolo.columns import Array
from piccolo.columns.base import Column

from sons_tracker.db import roles
from sons_tracker.db.tables import TABLES
from tests.databases import Database

# No organisation's data: public registers, and tables that are the same everywhere. Everything else has
# FORCE ROW LEVEL SECURITY.
REGISTERS = {"extraction", "extract_mention", "establishment", "legal_entity", "referencing", "distributor"}
CONSTANTS = {
    "migration", "order_state", "order_transition", "claim_release", "request_transition",
    "payment_transition", "cancellation_transition", "amendment_transition", "va_transition",
    "conflict_transition",
    "reservation_transition",
}  # fmt: skip
# Under row-level security and closed to the application, which reads and writes them through functions.
WITHOUT_POLICY: dict[str, str] = {}
READ_BY_ALL = REGISTERS | CONSTANTS | {"instance", "law_enactment"}

# Columns that fill themselves, each with its reason. None may hold a date, a state or an amount of the law.
DEFAULTS_KEPT = {
    ("access_token", "created_at"): "machine's clock",
    ("access_token", "id"): "random identifier",
    ("idempotency", "created_at"): "machine's clock, for the purge",
    ("instance", "singleton"): "the one row",
    ("journal", "recorded_at"): "machine's clock, which nobody may supply",
    ("journal", "txid"): "the transaction, which nobody may supply",
    ("membership", "responsible"): "nobody is, unless it is said",
    ("law_enactment", "recorded_at"): "machine's clock, which nobody may supply",
    ("migration", "id"): "Piccolo's serial",
    ("organisation", "departements"): "only an ARS has some",
    ("organisation", "id"): "random identifier",
    ("person", "id"): "random identifier",
}
FOUNDATION = {
    "person",
    "organisation",
    "membership",
    "access_token",
    "journal",
    "instance",
    "law_enactment",
    "deadline",
    "idempotency",
    "migration",
}
NOT_MIRRORED = {("journal", "txid")}  # Piccolo has no xid8

# Piccolo's name of a type → PostgreSQL's
TYPES = {
    "UUID": "uuid",
    "TEXT": "text",
    "BYTEA": "bytea",
    "TIMESTAMPTZ": "timestamp with time zone",
    "BOOLEAN": "boolean",
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "SMALLINT": "smallint",
    "JSONB": "jsonb",
    "DATE": "date",
}


@pytest.fixture(scope="module")
async def owner(module_database: Database) -> asyncpg.Connection:
    con = await module_database.connect_owner()
    yield con
    await con.close()


async def test_every_table_with_an_organisations_data_forces_row_level_security(
    owner: asyncpg.Connection,
) -> None:
    rows = await owner.fetch(
        "select relname, relrowsecurity and relforcerowsecurity as forced from pg_class"
        " where relnamespace = 'sons'::regnamespace and relkind in ('r', 'p')"
    )
    unforced = {row["relname"] for row in rows if not row["forced"]}
    assert unforced <= REGISTERS | CONSTANTS
    assert {"person", "journal", "deadline", "idempotency"} <= {row["relname"] for row in rows} - unforced


async def test_every_table_under_row_level_security_has_a_policy_for_the_application(
    owner: asyncpg.Connection,
) -> None:
    """Without a policy a table is closed to all; with one that names no caller it is open to all."""
    rows = await owner.fetch(
        "select c.relname, count(p.policyname) as policies from pg_class c"
        " left join pg_policies p on p.schemaname = 'sons' and p.tablename = c.relname"
        "  and p.roles && array['sons_app', 'public']::name[]"
        " where c.relnamespace = 'sons'::regnamespace and c.relkind in ('r', 'p') and c.relforcerowsecurity"
        " group by c.relname"
    )
    assert len(rows) > 40
    assert {row["relname"] for row in rows if not row["policies"]} <= set(WITHOUT_POLICY)


async def test_the_application_writes_nothing_that_is_open_to_everyone(owner: asyncpg.Connection) -> None:
    """What every organisation reads without a condition, no request writes but by a policy on its author."""
    rows = await owner.fetch(
        "select c.relname from pg_class c where c.relnamespace = 'sons'::regnamespace"
        " and c.relkind in ('r', 'p') and not c.relforcerowsecurity"
        " and exists (select from unnest(array['insert', 'update', 'delete', 'truncate']) as r"
        "  where has_table_privilege('sons_app', c.oid, r))"
    )
    assert {row["relname"] for row in rows} <= REGISTERS
    truncated = await owner.fetch(
        "select relname from pg_class where relnamespace = 'sons'::regnamespace and relkind in ('r', 'p')"
        " and has_table_privilege('sons_app', oid, 'truncate')"
    )
    assert truncated == []


async def test_the_application_owns_nothing_of_any_kind(owner: asyncpg.Connection) -> None:
    owned = await owner.fetch(
        "select classid::regclass::text, objid from pg_shdepend where refobjid = 'sons_app'::regrole"
        " and deptype = 'o' and dbid = (select oid from pg_database where datname = current_database())"
    )
    assert owned == []


async def test_nobody_escapes_row_level_security_and_the_application_owns_nothing(
    owner: asyncpg.Connection,
) -> None:
    names = [roles.OWNER, roles.APP, roles.CASE]
    rows = await owner.fetch(
        "select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolinherit"
        " from pg_roles where rolname = any($1)",
        names,
    )
    assert {row["rolname"] for row in rows} == set(names)
    for row in rows:
        rights = {name for name in ("super", "bypassrls", "createrole", "createdb") if row[f"rol{name}"]}
        assert rights == set()
        assert row["rolinherit"] is (row["rolname"] != roles.OWNER)
    owners = await owner.fetch(
        "select distinct pg_get_userbyid(relowner) as name from pg_class"
        " where relnamespace = 'sons'::regnamespace"
    )
    assert {row["name"] for row in owners} == {roles.OWNER}
    for right in ("create", "usage"):
        allowed = await owner.fetchval("select has_schema_privilege($1, 'sons', $2)", roles.CASE, right)
        assert allowed is (right == "usage")
        allowed = await owner.fetchval("select has_schema_privilege($1, 'sons', $2)", roles.APP, right)
        assert allowed is (right == "usage")
    assert (
        await owner.fetchval("select pg_has_role($1::name, $2::name, 'member')", roles.APP, roles.CASE)
        is False
    )


async def test_definer_functions_belong_to_case_and_fix_their_search_path(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "select proname, pg_get_userbyid(proowner) as owner, proconfig,"
        " has_function_privilege('public', oid, 'execute') as anyone"
        " from pg_proc where pronamespace = 'sons'::regnamespace and prosecdef"
    )
    assert {"authenticate", "ensure_og"} <= {row["proname"] for row in rows}
    for row in rows:
        assert row["owner"] == roles.CASE, row["proname"]
        assert row["proconfig"] == ["search_path=sons, pg_temp"], row["proname"]
        assert not row["anyone"], row["proname"]


async def test_only_sons_case_has_policies_without_condition_on_the_caller(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "select tablename, policyname, roles, qual from pg_policies where schemaname = 'sons'"
    )
    for row in rows:
        assert set(row["roles"]) <= {roles.APP, roles.CASE}, row["policyname"]
        if row["qual"] == "true" and roles.APP in row["roles"]:
            assert row["tablename"] in READ_BY_ALL, row["policyname"]


async def test_constraints_have_names_of_ours(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "select conrelid::regclass::text as tab, conname from pg_constraint"
        " where connamespace = 'sons'::regnamespace and contype <> 'n'"
    )
    generated = [row["conname"] for row in rows if row["conname"].endswith(("_check", "_key", "_check1"))]
    assert generated == []


async def test_columns_that_keep_a_default_are_listed_with_a_reason(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'sons' and column_default is not null and table_name = any($1)",
        sorted(FOUNDATION),
    )
    assert {(row["table_name"], row["column_name"]) for row in rows} == set(DEFAULTS_KEPT)


async def test_no_default_of_any_table_fills_a_date_a_state_or_an_amount(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "select table_name, column_name, column_default, data_type from information_schema.columns"
        " where table_schema = 'sons' and column_default is not null"
    )
    for row in rows:
        where = (row["table_name"], row["column_name"])
        if where in DEFAULTS_KEPT:
            continue
        assert row["column_name"] not in {"state", "status", "decision"}, where
        assert not row["column_name"].endswith(("_on", "_cents")), where
        assert "now()" not in row["column_default"], where
        assert "current_date" not in row["column_default"].lower(), where


def piccolo_type(column: Column) -> str:
    if isinstance(column, Array):
        return TYPES[column.base_column.column_type] + "[]"
    return TYPES[column.column_type]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table._meta.tablename)
async def test_the_mirror_shows_the_table(owner: asyncpg.Connection, table: type) -> None:
    name = table._meta.tablename
    rows = await owner.fetch(
        "select attname, format_type(atttypid, null) as type, not attnotnull as nullable from pg_attribute"
        " where attrelid = to_regclass('sons.' || $1) and attnum > 0 and not attisdropped",
        name,
    )
    real = {row["attname"]: (row["type"], row["nullable"]) for row in rows}
    real = {column: facts for column, facts in real.items() if (name, column) not in NOT_MIRRORED}
    seen = {c._meta.db_column_name: (piccolo_type(c), c._meta.null) for c in table._meta.columns}
    assert table._meta.schema == "sons"
    assert seen == real


async def test_every_table_has_its_mirror(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        "select relname from pg_class where relnamespace = 'sons'::regnamespace and relkind = 'r'"
    )
    assert {row["relname"] for row in rows} - {"migration"} == {table._meta.tablename for table in TABLES}
