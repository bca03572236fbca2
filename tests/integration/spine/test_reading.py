"""One statement in one round trip: the tenant is named before anything of it is looked at."""

import itertools
from typing import Any
from uuid import uuid4

import pytest

from libs.changes import Change, Operation, Origin
from libs.postgres import SERVICE_ROLE, StoreUnavailable, open_pool
from libs.spine import Write, read, writing
from libs.tenancy import Route
from tests.contract.vectors.builders import make_route
from tests.databases import Database, add_tenant

_ORIGIN = Origin("user:ann", "0" * 32)
_REQUESTS = "SELECT request_id FROM aeterna.request WHERE tenant_id = $1"
# Statements of the shapes that services use; each gives one row for each of the three changes.
_SHAPES = {
    "scan": "SELECT number FROM aeterna.change WHERE tenant_id = $1",
    "no tenant": "SELECT number FROM aeterna.change",
    "ordered": "SELECT number FROM aeterna.change WHERE tenant_id = $1 ORDER BY number DESC",
    "limited": "SELECT number FROM aeterna.change WHERE tenant_id = $1 ORDER BY number LIMIT 3",
    "joined": """SELECT c.number FROM aeterna.change AS c JOIN aeterna.tenant_state AS s
        ON s.tenant_id = c.tenant_id WHERE c.tenant_id = $1""",
    "unnested": """SELECT c.number FROM unnest(ARRAY[1, 2, 3]) AS w (number)
        JOIN (SELECT * FROM aeterna.change UNION ALL
              SELECT * FROM aeterna.change WHERE number > 3) AS c
        ON c.tenant_id = $1 AND c.number = w.number""",
    "with": """WITH mine AS MATERIALIZED (SELECT number FROM aeterna.change WHERE tenant_id = $1)
        SELECT number FROM mine""",
}
_PLANS = [
    {},
    *({name: "off"} for name in ("enable_nestloop", "enable_hashjoin", "enable_seqscan")),
    {"enable_nestloop": "off", "enable_mergejoin": "off", "enable_indexscan": "off"},
    {"enable_material": "off", "enable_sort": "off"},
    {"debug_parallel_query": "on", "parallel_setup_cost": "0", "parallel_tuple_cost": "0"},
    {"plan_cache_mode": "force_generic_plan"},
    {"plan_cache_mode": "force_custom_plan"},
]


async def _add_changes(route: Route, count: int = 3) -> None:
    async with writing(route) as write:
        await write.append([Change("memories/x", Operation.CREATED, _ORIGIN)] * count)


@pytest.mark.parametrize("plan", _PLANS, ids=str)
async def test_whatever_the_plan_the_tenant_comes_first(
    database: Database, plan: dict[str, str]
) -> None:
    async with database.connect() as superuser:
        for name, value in plan.items():
            await superuser.execute(
                f"ALTER ROLE {SERVICE_ROLE} IN DATABASE {database.name} SET {name} = {value}"
            )
    async with open_pool(database.settings()) as pool:
        mine, other = make_route(pool), make_route(pool)
        for route in (mine, other):
            await add_tenant(database, route.tenant)
        await _add_changes(mine)
        await _add_changes(other, 5)

        for sql, _ in itertools.product(_SHAPES.values(), range(8)):  # also once it is cached
            numbers = [row["number"] for row in await read(mine, sql)]
            assert sorted(numbers) == [1, 2, 3], sql


async def test_the_order_of_the_statement_is_kept(route: Route) -> None:
    await _add_changes(route)

    assert [row["number"] for row in await read(route, _SHAPES["ordered"])] == [3, 2, 1]


async def test_nothing_of_it_stays_with_the_connection(new_route: Any) -> None:
    mine = await new_route("a")
    await _add_changes(mine)
    await read(mine, _SHAPES["scan"], settings={"work_mem": "1MB"})

    async with mine.pool.acquire() as conn:
        assert await conn.fetch("SELECT * FROM aeterna.change") == []
        assert await conn.fetchval("SHOW work_mem") != "1MB"


async def test_settings_hold_while_it_runs(route: Route) -> None:
    sql = "SELECT current_setting('work_mem') AS memory, $1::text AS tenant, $2::int AS number"

    (row,) = await read(route, sql, 7, settings={"work_mem": "1MB"})

    assert tuple(row) == ("1MB", route.tenant, 7)


async def test_reading_that_waits_too_long_says_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.postgres._ACQUIRE", 0.05)
    async with open_pool(database.settings().model_copy(update={"pool_size": 1})) as pool:
        route = make_route(pool)
        async with pool.acquire():
            with pytest.raises(StoreUnavailable):
                await read(route, _REQUESTS)


async def test_what_is_added_is_done_at_the_end_of_the_write(route: Route) -> None:
    insert = """INSERT INTO aeterna.request (tenant_id, request_id, method, fingerprint, result)
        VALUES ($1, $2, $3, $4, '{}')"""
    delete = "DELETE FROM aeterna.request WHERE tenant_id = $1 AND request_id = $2"
    first, second, third = uuid4(), uuid4(), uuid4()

    async def requests(write: Write) -> set[Any]:
        rows = await write.conn.fetch(_REQUESTS, route.tenant)
        return {row["request_id"] for row in rows}

    async with writing(route) as write:
        write.add(insert, first, "a", b"1")
        write.add(insert, second, "b", b"2")
        assert await requests(write) == set()
        await write.flush()
        assert await requests(write) == {first, second}
        write.add(delete, first)
        write.add(insert, third, "c", b"3")

    assert {row["request_id"] for row in await read(route, _REQUESTS)} == {second, third}
