"""What only the index inside PostgreSQL has to stand: a planner, and a graph that gives up."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest

from libs.changes import Vector
from libs.postgres import SERVICE_ROLE, open_pool
from libs.scope import SCOPE_IDS
from libs.spine import writing
from libs.tenancy import Route
from libs.vectors import Collection, Point
from libs.vectors.conditions import conditions
from libs.vectors.filters import After, Until, time_text
from libs.vectors.pgvector import PgVectorIndex
from tests.contract.vectors.builders import DIMENSIONS, make_point, make_route
from tests.databases import Database, add_tenant

_MANY = Collection("memories", "space", DIMENSIONS)
_RANDOM = np.random.default_rng()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Each test has the same numbers, whichever ran before it."""
    _RANDOM.bit_generator.state = np.random.default_rng(7).bit_generator.state


def _direction() -> Vector:
    row = _RANDOM.normal(size=DIMENSIONS).astype(np.float32)
    return row / np.linalg.norm(row)


def _cosine(point: Point, query: Vector) -> float:
    assert point.vector is not None
    return float(point.vector @ query)


async def _walk_graphs(database: Database) -> None:
    """Leaves the planner nothing else, and a table without statistics counts as huge."""
    async with database.connect() as superuser:
        for plan in ("enable_sort", "enable_seqscan", "enable_bitmapscan"):
            await superuser.execute(
                f"ALTER ROLE {SERVICE_ROLE} IN DATABASE {database.name} SET {plan} = off"
            )


async def test_few_among_many_are_found_though_the_graph_gives_up(database: Database) -> None:
    index = PgVectorIndex(effort=1, walk=1)
    few = [make_point(_direction(), user_id="ann") for _ in range(3)]
    many: list[Point] = [make_point(_direction(), user_id=str(uuid4())) for _ in range(3000)]
    await _walk_graphs(database)
    async with open_pool(database.settings()) as pool:
        route = make_route(pool)
        await add_tenant(database, route.tenant)
        await index.apply(route, _MANY, [*many, *few])

        hits = await index.search(route, _MANY, _direction(), {"user_id": ("ann",)}, 10)

    assert {hit.id for hit in hits} == {point.id for point in few}


async def test_a_walk_among_the_points_of_other_tenants_finds_as_well_as_one_alone(
    database: Database,
) -> None:
    index = PgVectorIndex(effort=30)
    await _walk_graphs(database)
    async with open_pool(database.settings()) as pool:
        routes = [make_route(pool) for _ in range(10)]
        for route in routes:
            await add_tenant(database, route.tenant)
        owned = [[make_point(_direction()) for _ in range(300)] for _ in routes]
        for route, points in zip(routes, owned, strict=True):
            await index.apply(route, _MANY, points)

        found = 0
        for query in [_direction() for _ in range(30)]:
            best = sorted(owned[0], key=lambda point: -_cosine(point, query))[:10]
            hits = await index.search(routes[0], _MANY, query, {}, 10)
            found += len({hit.id for hit in hits} & {point.id for point in best})

    assert found / 300 >= 0.97


async def test_the_planner_knows_how_common_each_id_is(database: Database) -> None:
    async with database.connect() as superuser:
        expressions = await superuser.fetch(
            "SELECT stxname FROM pg_statistic_ext WHERE stxrelid = 'aeterna.vector_256'::regclass"
        )
    assert {row[0].removeprefix("vector_256_") for row in expressions} == {
        *SCOPE_IDS,
        "layer",
        "kind",
        "status",
        "valid_from",
        "valid_until",
    }


async def test_the_planner_knows_how_many_are_valid_at_a_time(database: Database) -> None:
    now = datetime.now(UTC)
    over = time_text(now - timedelta(days=1))
    points = [make_point(_direction()) for _ in range(900)]
    points += [make_point(_direction(), valid_until=over) for _ in range(100)]
    passing, values = conditions({"valid_from": Until(now), "valid_until": After(now)}, 1)
    async with open_pool(database.settings()) as pool:
        route = make_route(pool)
        await add_tenant(database, route.tenant)
        await PgVectorIndex().apply(route, _MANY, points)
    async with database.connect() as superuser:
        await superuser.execute(f"ANALYZE aeterna.vector_{DIMENSIONS}")
        sql = f"EXPLAIN (FORMAT JSON) SELECT FROM aeterna.vector_{DIMENSIONS} WHERE true{passing}"
        ((plan,),) = await superuser.fetch(sql, *values)

    assert json.loads(plan)[0]["Plan"]["Plan Rows"] == pytest.approx(900, rel=0.1)


async def test_points_that_join_a_write_come_with_its_commit_only(route: Route) -> None:
    index, kept, dropped = PgVectorIndex(), make_point(), make_point()

    async with writing(route) as write:
        assert index.join(write, _MANY, [kept])
    with suppress(KeyError):
        async with writing(route) as write:
            index.join(write, _MANY, [dropped, Point(kept.id, None, {})])
            await write.flush()
            raise KeyError

    hits = await index.search(route, _MANY, _direction(), {}, 10)
    assert [hit.id for hit in hits] == [kept.id]


async def test_what_another_embedder_left_goes_with_its_entity(database: Database) -> None:
    index, entity = PgVectorIndex(), uuid4()
    now = Collection("memories", "later", 2 * DIMENSIONS)
    async with open_pool(database.settings()) as pool:
        route = make_route(pool)
        await add_tenant(database, route.tenant)
        before = make_point(_direction(), entity)
        await index.apply(route, _MANY, [before])
        await index.apply(route, now, [Point(entity, np.tile(_direction(), 2) / 2**0.5, {})])

        await index.apply(route, now, [Point(entity, None, {})])

        for collection in (_MANY, now):
            length = collection.dimensions
            assert await index.vectors(route, collection, [entity], length) == {}
