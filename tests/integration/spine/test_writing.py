"""The write path at the level of the database: lock, fence, guard, numbers."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from libs.changes import Change, Operation, Origin
from libs.postgres import StoreUnavailable
from libs.spine import reading, writing
from libs.spine.changes import LoggedChange, changes_since, genesis
from libs.tenancy import Route, ShardId, TenantId, TenantMoved, TenantNotFound, TenantSuspended
from tests.databases import Database

_ORIGIN = Origin("user:ann", "0" * 32)


def change(resource: str = "memories/x") -> Change:
    return Change(resource, Operation.CREATED, _ORIGIN)


async def test_numbers_have_no_gaps_whatever_is_rolled_back(
    route: Route,
) -> None:
    async def write(place: int) -> None:
        async with writing(route) as write:
            await write.append([change(f"memories/{place}")] * (place % 3 + 1))
            if place % 4 == 0:
                raise KeyError

    results = await asyncio.gather(*map(write, range(40)), return_exceptions=True)

    assert sum(isinstance(each, KeyError) for each in results) == 10
    changes, head = await changes_since(route, 0, 1000)
    assert [each.number for each in changes] == list(range(1, head + 1))
    assert head == sum(place % 3 + 1 for place in range(40) if place % 4)


async def test_every_change_is_chained_to_the_one_before(route: Route) -> None:
    for text in ("plain", 'quotes " and \\ and \n', "Zoë 🦊 \u2028"):
        async with writing(route) as write:
            await write.append([change(text), change(text)])

    changes, _ = await changes_since(route, 0, 10)
    assert_chained(route, changes)


_DETAILS: list[dict[str, str]] = [
    {"policy": "p1"},
    {},
    {"b": "1", "a": "2", "aa": "", "ä": "Zoë 🦊 \u2028", "Z": 'quotes " and \\ and \n \x7f \x01'},
]


async def test_details_are_read_as_they_were_written_and_are_chained(route: Route) -> None:
    plain = change()
    async with writing(route) as write:
        await write.append([plain, *(replace(plain, details=each) for each in _DETAILS)])
    async with writing(route) as write:
        await write.append([plain])

    changes, _ = await changes_since(route, 0, 10)
    assert [each.details for each in changes] == [{}, *_DETAILS, {}]
    assert_chained(route, changes)


async def test_a_release_that_knows_no_details_still_appends(route: Route) -> None:
    columns: list[list[str]] = [["x"]] * 8
    async with writing(route) as write:
        await write.conn.execute("SELECT aeterna.append_changes($1,$2,$3,$4,$5,$6,$7,$8)", *columns)

    changes, _ = await changes_since(route, 0, 10)
    assert_chained(route, changes)


def assert_chained(route: Route, changes: Sequence[LoggedChange]) -> None:
    previous = genesis(route)
    for each in changes:
        assert each.follows(previous)
        previous = each.hash


@pytest.mark.parametrize("epoch", [0, 2, 99])
async def test_another_epoch_is_refused_by_the_database(route: Route, epoch: int) -> None:
    stale = Route(route.tenant, route.shard, epoch, route.pool)

    with pytest.raises(TenantMoved):
        async with writing(stale) as write:
            await write.append([change()])

    assert await changes_since(route, 0, 10) == ([], 0)


async def test_a_suspended_tenant_is_refused_by_the_database(
    route: Route, database: Database
) -> None:
    async with database.connect() as superuser:
        await superuser.execute("UPDATE aeterna.tenant_state SET state = 'suspended'")

    with pytest.raises(TenantSuspended):
        async with writing(route):
            raise AssertionError


async def test_an_unknown_tenant_is_refused_by_the_database(pool: asyncpg.Pool) -> None:
    with pytest.raises(TenantNotFound):
        async with writing(Route(TenantId("nobody"), ShardId("main"), 1, pool)):
            raise AssertionError


_INSERT = """
    INSERT INTO aeterna.request (tenant_id, request_id, method, fingerprint, result)
    VALUES ($1, $2, 'm', '', '{}')
"""


async def test_a_write_that_did_not_begin_properly_is_refused(
    route: Route, pool: asyncpg.Pool
) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('aeterna.tenant', $1, true)", route.tenant)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(_INSERT, route.tenant, uuid4())


async def test_changes_cannot_be_appended_outside_a_write(route: Route, pool: asyncpg.Pool) -> None:
    empty: list[list[str]] = [["x"]] * 8
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('aeterna.tenant', $1, true)", route.tenant)
        with pytest.raises(asyncpg.PostgresError) as refused:
            await conn.execute("SELECT aeterna.append_changes($1,$2,$3,$4,$5,$6,$7,$8)", *empty)
    assert refused.value.sqlstate == "AE004"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE aeterna.tenant_state SET epoch = 1",
        "UPDATE aeterna.tenant_state SET writer = pg_current_xact_id()",
        "UPDATE aeterna.change SET actor = 'x'",
        "DELETE FROM aeterna.change",
        "UPDATE control.tenant SET state = 'active'",
        "INSERT INTO control.shard (id, dsn) VALUES ('x', 'x')",
        "SET ROLE aeterna_owner",
        "SET ROLE aeterna_projector",
        "ALTER TABLE aeterna.change DISABLE ROW LEVEL SECURITY",
        "SELECT aeterna.protect('aeterna.change')",
        "DELETE FROM aeterna_meta.migration",
    ],
)
async def test_the_role_of_the_services_cannot(
    route: Route, pool: asyncpg.Pool, statement: str
) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(f"SELECT aeterna.begin_write('{route.tenant}', 1)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)


async def test_a_tenant_sees_and_touches_its_own_rows_only(new_route: Any) -> None:
    mine, other = await new_route("a"), await new_route("ab")
    async with writing(mine) as write:
        await write.append([change()])
        await write.conn.execute(_INSERT, mine.tenant, uuid4())

    async with writing(other) as write:
        assert await write.conn.fetch("SELECT * FROM aeterna.change") == []
        assert await write.conn.execute("DELETE FROM aeterna.request") == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await write.conn.execute(_INSERT, mine.tenant, uuid4())
        await write.conn.execute("ROLLBACK; BEGIN")
    async with reading(mine) as conn:
        assert await conn.fetchval("SELECT count(*) FROM aeterna.request") == 1


async def test_without_a_tenant_nothing_is_seen(route: Route, pool: asyncpg.Pool) -> None:
    async with writing(route) as write:
        await write.append([change()])

    for table in ("change", "tenant_state", "request", "projection_queue", "memory"):
        assert await pool.fetchval(f"SELECT count(*) FROM aeterna.{table}") == 0


async def test_reading_cannot_write(route: Route) -> None:
    with pytest.raises(StoreUnavailable):
        async with reading(route) as conn:
            await conn.execute(_INSERT, route.tenant, uuid4())
