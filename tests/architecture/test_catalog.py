"""What the migrated database itself says: row-level security, the write guard, rights, sealing."""

import asyncpg
import pytest

from aeterna.memory.v1 import maintenance_pb2, memory_pb2
from libs.encryption.registry import ENCRYPTED_FIELDS, Field, SealedTable, sealed_tables
from libs.erasure.registry import CONTROL, TABLES, Treatment
from libs.postgres import CONTROL_ROLE, SERVICE_ROLE
from libs.postgres.bootstrap import OWNER_ROLE
from tests.databases import Database
from tests.suite import Suite

_TABLES = """
    SELECT c.oid, c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
        pg_get_userbyid(c.relowner) AS owner
    FROM pg_class AS c WHERE c.relnamespace = 'aeterna'::regnamespace AND c.relkind IN ('r', 'p')
"""
_FIRST_KEY = """
    SELECT a.attname FROM pg_index AS i
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = $1 AND i.indisprimary
"""
_POLICIES = """
    SELECT polname AS name, polcmd::text AS command, polroles::regrole[]::text[] AS roles,
        pg_get_expr(polqual, polrelid) AS using, pg_get_expr(polwithcheck, polrelid) AS check
    FROM pg_policy WHERE polrelid = $1
"""
_READ = "(tenant_id = ( SELECT aeterna.current_tenant() AS current_tenant))"
_GUARD = "(tenant_id = ( SELECT aeterna.writing_tenant() AS writing_tenant))"
# The lock row is what the guard itself reads; only begin_write and provisioning change it.
_LOCK_TABLE = "tenant_state"


async def _tables(superuser: asyncpg.Connection) -> list[asyncpg.Record]:
    tables = await superuser.fetch(_TABLES)
    assert len(tables) > 10
    return tables


async def test_every_tenant_table_forces_row_level_security(database: Database) -> None:
    async with database.connect() as superuser:
        for table in await _tables(superuser):
            assert table["enabled"], table["name"]
            assert table["forced"], table["name"]
            assert table["owner"] == OWNER_ROLE, table["name"]
            assert await superuser.fetchval(_FIRST_KEY, table["oid"]) == "tenant_id", table["name"]


async def test_every_tenant_table_has_the_write_guard(database: Database) -> None:
    async with database.connect() as superuser:
        for table in await _tables(superuser):
            found = {each["command"]: each for each in await _everyones(superuser, table["oid"])}
            guard = _READ if table["name"] == _LOCK_TABLE else _GUARD
            assert found["r"]["using"] == _READ, table["name"]
            assert found["a"]["check"] == guard, table["name"]
            assert (found["w"]["using"], found["w"]["check"]) == (guard, guard), table["name"]
            if table["name"] != _LOCK_TABLE:
                assert found["d"]["using"] == guard, table["name"]


async def _everyones(superuser: asyncpg.Connection, table: int) -> list[asyncpg.Record]:
    """The policies for all roles; the one for the projector may be there beside them."""
    policies = await superuser.fetch(_POLICIES, table)
    others = [each for each in policies if each["roles"] != ["-"]]
    assert all(each["roles"] == ["aeterna_projector"] for each in others)
    everyones = [each for each in policies if each["roles"] == ["-"]]
    assert len({each["command"] for each in everyones}) == len(everyones)
    return everyones


@pytest.mark.parametrize("role", [SERVICE_ROLE, CONTROL_ROLE, OWNER_ROLE, "aeterna_projector"])
async def test_no_role_of_ours_bypasses_row_level_security(database: Database, role: str) -> None:
    async with database.connect() as superuser:
        flags = await superuser.fetchrow(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = $1", role
        )
    assert flags is not None
    assert tuple(flags) == (False, False)


@pytest.mark.parametrize("role", [SERVICE_ROLE, CONTROL_ROLE])
async def test_services_own_nothing_and_belong_to_nobody(database: Database, role: str) -> None:
    async with database.connect() as superuser:
        owned = await superuser.fetchval(
            "SELECT count(*) FROM pg_class WHERE relowner = $1::regrole", role
        )
        roles = await superuser.fetchval(
            "SELECT count(*) FROM pg_auth_members WHERE member = $1::regrole", role
        )
    assert (owned, roles) == (0, 0)


async def test_only_the_spine_runs_with_the_rights_of_another_role(database: Database) -> None:
    async with database.connect() as superuser:
        rows = await superuser.fetch(
            "SELECT proname, proconfig FROM pg_proc WHERE prosecdef"
            " AND pronamespace IN ('aeterna'::regnamespace, 'control'::regnamespace)"
        )
    assert {row["proname"] for row in rows} == {
        "begin_write",
        "append_changes",
        "prune_changes",
        "log_lengths",
        "tenants_with_traffic",
        "tenants_to_project",
        "tenants_with_operations",
        "tenants_with_due_approvals",
        "tenants_with_approvals",
        "tenants_with_deliveries",
        "amend_changes",
        "tenants_with_old_exports",
        "tenants_with_usage",
        "tenants_to_sample",
        "tenants_with_old_edits",
    }
    for row in rows:
        assert row["proconfig"] == ["search_path=pg_catalog, pg_temp"], row["proname"]


# Keys are wrapped by other keys, hashes are one-way: neither is a sealed field.
_NOT_SEALED = {
    ("tenant_key", "wrapped"),
    ("subject_key", "wrapped"),
    ("change", "hash"),
    ("change_floor", "hash"),
    ("change", "amendment"),
    ("erasure_salt", "salt"),
    ("erased_subject", "digest"),
    ("request", "fingerprint"),
}


async def test_the_registry_names_exactly_the_sealed_columns(database: Database) -> None:
    async with database.connect() as superuser:
        rows = await superuser.fetch(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'aeterna' AND data_type = 'bytea'"
        )
    found = {(row[0], row[1]) for row in rows} - _NOT_SEALED
    assert {Field(*each) for each in found} == {
        Field(table.name, field.column) for table in sealed_tables() for field in table.fields
    }


@pytest.mark.parametrize("table", sealed_tables(), ids=lambda table: table.name)
async def test_no_sealed_value_can_name_a_key_that_is_gone(
    database: Database, table: SealedTable
) -> None:
    """Re-encryption, retirement and erasure go by what this proves of every table."""
    columns = {field.column for field in table.fields}
    async with database.connect() as superuser:
        guards = await superuser.fetch(
            "SELECT tgname AS name, obj_description(tgfoid, 'pg_proc') AS columns FROM pg_trigger"
            " WHERE tgrelid = to_regclass($1) AND tgenabled = 'O' AND tgname ^@ 'sealed_'",
            f"aeterna.{table.name}",
        )
        updatable = await superuser.fetch(
            "SELECT column_name FROM information_schema.column_privileges WHERE grantee = $2"
            " AND table_schema = 'aeterna' AND table_name = $1 AND privilege_type = 'UPDATE'",
            table.name,
            SERVICE_ROLE,
        )
        kind = await superuser.fetchval(
            "SELECT data_type FROM information_schema.columns WHERE table_schema = 'aeterna'"
            " AND table_name = $1 AND column_name = $2",
            table.name,
            table.row_id,
        )
    assert {row["name"] for row in guards} == {"sealed_insert", "sealed_update"}
    assert [set(row["columns"].split(", ")) for row in guards] == [columns, columns]
    assert columns <= {row[0] for row in updatable}
    assert kind == "uuid"


async def test_every_store_says_what_becomes_of_an_erased_person(database: Database) -> None:
    """A table that is missing in the registry is one that erasure would pass by."""
    sql = """
        SELECT relname AS name, has_table_privilege($2, oid, 'SELECT') AS readable
        FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p')
    """
    async with database.connect() as superuser:
        for schema, registry in (("aeterna", TABLES), ("control", CONTROL)):
            rows = await superuser.fetch(sql, schema, CONTROL_ROLE)
            assert {row["name"] for row in rows} == set(registry), schema
            assert [row["name"] for row in rows if not row["readable"]] == [], schema


def test_every_sealed_text_is_erased_by_somebody() -> None:
    """By the service that owns it, with its rows, or by governance as the registry says."""
    for field in ENCRYPTED_FIELDS:
        store = TABLES[field.table]
        by_governance = field.column in store.sealed
        assert by_governance or store.treatment is Treatment.ERASED or store.rows, field


async def test_what_the_registry_renames_is_there(database: Database) -> None:
    """Each column exists, has a type that erasure can rename, and may be changed by governance."""
    sql = """
        SELECT format_type(a.atttypid, NULL) AS type,
            has_column_privilege($2, a.attrelid, a.attname, 'UPDATE') AS writable,
            has_table_privilege($2, a.attrelid, 'DELETE') AS deletable
        FROM pg_attribute AS a WHERE a.attrelid = $1::regclass AND a.attname = $3
    """
    async with database.connect() as superuser:
        for schema, registry in (("aeterna", TABLES), ("control", CONTROL)):
            for name, store in registry.items():
                columns = {
                    **dict.fromkeys((*store.people, *store.actors, *store.rows), "text"),
                    **dict.fromkeys(store.resources, "text"),
                    **dict.fromkeys((each.split(".")[0] for each in store.documents), "jsonb"),
                    **dict.fromkeys(store.lists, "text[]"),
                    **dict.fromkeys(store.sealed, "bytea"),
                }
                for column, kind in columns.items():
                    row = await superuser.fetchrow(sql, f"{schema}.{name}", CONTROL_ROLE, column)
                    assert row, f"{name}.{column}"
                    assert row["type"] == kind, f"{name}.{column}"
                    allowed = row["deletable" if column in store.rows else "writable"]
                    assert allowed or name == "change", f"{name}.{column}"


async def test_a_tenant_adds_nothing_to_the_catalog(suite: Suite) -> None:
    """As many tables, indexes and statistics for ten thousand tenants as for one."""
    count = """
        SELECT (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_statistic_ext)
            + (SELECT count(*) FROM pg_policy) + (SELECT count(*) FROM pg_roles)
    """
    async with suite.database.connect() as superuser:
        before = await superuser.fetchval(count)
        for tenant in ("acme", "bolt", "core"):
            metadata = await suite.create_tenant(tenant)
            memory = memory_pb2.Memory(content="A fox.", layer=memory_pb2.LAYER_COMPANY)
            create = memory_pb2.CreateMemoryRequest(memory=memory)
            await suite.memory.CreateMemory(create, metadata=metadata)
            reindex = maintenance_pb2.ReindexMemoriesRequest()
            await suite.memory_maintenance.ReindexMemories(reindex, metadata=metadata)
        assert await superuser.fetchval(count) == before
