"""What every `VectorIndex` must do with a filter that only the rows of its entities can answer."""

from collections.abc import AsyncIterator, Mapping
from uuid import UUID, uuid4

import pytest

from libs.aip.filtering import Field, Kind, parse
from libs.postgres import SERVICE_ROLE
from libs.tenancy import Route
from libs.vectors import Collection, Filter, VectorIndex
from libs.vectors.filters import Rows
from tests.contract.vectors.builders import DIMENSIONS, EAST, RUN, Store, make_point, vector
from tests.databases import Database

THINGS = Collection(f"{RUN}-things", "model/64", DIMENSIONS)
_TABLE = "public.thing"
_FIELDS = {"weight": Field("weight", Kind.NUMBER), "colour": Field("colour", Kind.TEXT)}


def rows(text: str) -> Rows:
    return Rows(_TABLE, tuple(parse(text, _FIELDS)))


@pytest.fixture(autouse=True)
async def table(database: Database) -> AsyncIterator[None]:
    """The rows of the entities, which the index knows by their ids alone."""
    async with database.connect() as superuser:
        await superuser.execute(
            f"""CREATE TABLE {_TABLE} (
                tenant_id text, id uuid, weight float8, colour text, PRIMARY KEY (tenant_id, id)
            );
            GRANT SELECT ON {_TABLE} TO {SERVICE_ROLE}"""
        )
        yield
        await superuser.execute(f"DROP TABLE {_TABLE}")


async def stored(
    database: Database, index: VectorIndex, route: Route, weights: Mapping[UUID, float]
) -> None:
    """Entities by weight; the heavier the farther from EAST."""
    points = [make_point(vector(1, weight), each) for each, weight in weights.items()]
    await index.apply(route, THINGS, points)
    async with database.connect() as superuser:
        await superuser.executemany(
            f"INSERT INTO {_TABLE} VALUES ($1, $2, $3, 'red')",
            [(route.tenant, each, weight) for each, weight in weights.items()],
        )


async def found(index: VectorIndex, route: Route, text: str, limit: int = 20) -> list[UUID]:
    where = {"rows": rows(text)}
    return [hit.id for hit in await index.search(route, THINGS, EAST, where, limit)]


async def test_only_those_are_found_whose_rows_match(
    database: Database, index: VectorIndex, acme: Route
) -> None:
    ids = [uuid4() for _ in range(5)]
    await stored(database, index, acme, {each: float(at) for at, each in enumerate(ids)})

    assert await found(index, acme, "weight >= 2") == ids[2:]
    assert await found(index, acme, "weight >= 1 AND weight != 3 AND weight < 4") == ids[1:3]
    assert await found(index, acme, "weight > 0.5", limit=2) == ids[1:3]
    assert await found(index, acme, 'colour = "red"') == ids
    assert await found(index, acme, 'colour = "blue"') == []


async def test_what_is_far_and_rare_is_found(
    database: Database, index: VectorIndex, acme: Route
) -> None:
    ids = [uuid4() for _ in range(300)]
    await stored(database, index, acme, {each: float(at) for at, each in enumerate(ids)})

    assert await found(index, acme, "weight >= 298", limit=2) == ids[298:]


@pytest.mark.parametrize("limit", [1, 3, 200])
async def test_where_many_match_the_nearest_are_found(
    database: Database,
    index: VectorIndex,
    acme: Route,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("libs.vectors.qdrant._LISTED", 10)
    ids = [uuid4() for _ in range(60)]
    await stored(database, index, acme, {each: float(at) for at, each in enumerate(ids)})

    assert await found(index, acme, "weight >= 40", limit) == ids[40:][:limit]


async def test_rows_of_another_tenant_say_nothing(
    database: Database, index: VectorIndex, store: Store, acme: Route
) -> None:
    other, shared = await store.new_tenant(), uuid4()
    await stored(database, index, acme, {shared: 1.0})
    await stored(database, index, other, {shared: 2.0})

    assert await found(index, acme, "weight = 2") == []
    assert await found(index, other, "weight = 2") == [shared]


async def test_rows_and_payload_must_both_match(
    database: Database, index: VectorIndex, acme: Route
) -> None:
    ids = [uuid4() for _ in range(2)]
    await stored(database, index, acme, dict.fromkeys(ids, 1.0))
    await index.apply(acme, THINGS, [make_point(EAST, ids[0], team_id="red")])

    for text, left in (("weight = 1", [ids[0]]), ("weight = 2", [])):
        where: Filter = {"team_id": ["red"], "rows": rows(text)}
        hits = await index.search(acme, THINGS, EAST, where, 5)
        assert [hit.id for hit in hits] == left
