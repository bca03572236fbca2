"""What every `VectorIndex` must do with vectors that are searched by a prefix of theirs."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.changes import Vector
from libs.embedding.rules import shortened
from libs.spine import writing
from libs.tenancy import Route
from libs.vectors import Collection, Point, Reach, VectorIndex
from tests.contract.vectors.builders import RUN, Store, make_point

WHOLE, SHORT = 128, 64
PREFIXED = Collection(f"{RUN}-prefixed", "model/128", WHOLE, (SHORT,))
ROUNDING = 2e-3  # of 16-bit floats
FAST, RESCORED, DEEP = Reach(SHORT, 0), Reach(SHORT, 1), Reach(SHORT, 10)
_LAYOUT = """
    INSERT INTO aeterna.vector_layout (tenant_id, collection, space, searched, other)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, collection, space)
    DO UPDATE SET searched = excluded.searched, other = excluded.other
"""


def vector(first: float, last: float = 0.0) -> Vector:
    """Of length 1: `first` and `last` are the shares of the prefix and of what follows it."""
    row = np.zeros(WHOLE, np.float32)
    row[0], row[1], row[-1] = first, 1 - abs(first), last
    return row / np.linalg.norm(row)


EAST = vector(1)
AWAY = vector(1, 3)  # the same by the prefix, not by the whole
NEAR = vector(0.9)


async def lay(route: Route, searched: int, other: int | None = None) -> None:
    async with writing(route) as write:
        write.add(_LAYOUT, PREFIXED.name, PREFIXED.space, searched, other)


@pytest.fixture
async def short(store: Store) -> Route:
    """A tenant whose index is that of prefixes."""
    route = await store.new_tenant()
    await lay(route, SHORT)
    return route


async def test_prefixes_find_and_whole_vectors_order(index: VectorIndex, short: Route) -> None:
    away, near, far = make_point(AWAY), make_point(NEAR), make_point(vector(-1))
    await index.apply(short, PREFIXED, [away, near, far])

    fast = await index.search(short, PREFIXED, EAST, {}, 2, FAST)
    deep = await index.search(short, PREFIXED, EAST, {}, 2, DEEP)

    assert [hit.id for hit in fast] == [away.id, near.id]
    assert fast[0].score == pytest.approx(1, abs=ROUNDING)
    assert [hit.id for hit in deep] == [near.id, away.id]
    assert [hit.score for hit in deep] == pytest.approx([NEAR @ EAST, AWAY @ EAST], abs=ROUNDING)


async def test_what_the_prefix_does_not_find_is_not_rescored(
    index: VectorIndex, short: Route
) -> None:
    away, near = make_point(AWAY), make_point(NEAR)
    await index.apply(short, PREFIXED, [away, near])

    (hit,) = await index.search(short, PREFIXED, EAST, {}, 1, RESCORED)

    assert hit.id == away.id
    assert hit.score == pytest.approx(AWAY @ EAST, abs=ROUNDING)


async def test_scores_compare_with_those_of_the_search(index: VectorIndex, short: Route) -> None:
    away = make_point(AWAY)
    await index.apply(short, PREFIXED, [away, make_point(NEAR)])

    for reach, expected in ((FAST, 1.0), (DEEP, AWAY @ EAST)):
        (hit,) = await index.scores(short, PREFIXED, EAST, [away.id, uuid4()], reach)
        assert hit.id == away.id
        assert hit.score == pytest.approx(expected, abs=ROUNDING)


async def test_filters_hold_before_candidates_are_counted(index: VectorIndex, short: Route) -> None:
    others = [make_point(EAST, layer="team") for _ in range(12)]
    mine = make_point(AWAY, layer="user")
    await index.apply(short, PREFIXED, [*others, mine])

    (hit,) = await index.search(short, PREFIXED, EAST, {"layer": ["user"]}, 1, RESCORED)

    assert hit.id == mine.id


@pytest.mark.parametrize("reach", [FAST, DEEP])
async def test_replaced_and_removed_points_are_so_in_both(
    index: VectorIndex, short: Route, reach: Reach
) -> None:
    moved, gone = make_point(NEAR), make_point(EAST)
    await index.apply(short, PREFIXED, [moved, gone])
    await index.apply(short, PREFIXED, [make_point(vector(-1), moved.id), Point(gone.id, None, {})])

    (hit,) = await index.search(short, PREFIXED, EAST, {}, 5, reach)

    assert hit.id == moved.id
    assert hit.score == pytest.approx(-1, abs=ROUNDING)


@pytest.mark.parametrize("reach", [FAST, DEEP])
async def test_tenants_spaces_and_lengths_do_not_mix(
    index: VectorIndex, store: Store, short: Route, reach: Reach
) -> None:
    other, entity = await store.new_tenant(), uuid4()
    await lay(other, SHORT)
    await index.apply(other, PREFIXED, [make_point(EAST, entity), make_point(EAST)])
    await index.apply(short, PREFIXED, [make_point(NEAR, entity)])

    (hit,) = await index.search(short, PREFIXED, EAST, {}, 5, reach)
    assert hit.id == entity
    expected = float(shortened(NEAR, SHORT)[0] if reach is FAST else NEAR @ EAST)
    assert hit.score == pytest.approx(expected, abs=ROUNDING)
    assert await index.search(short, replace(PREFIXED, space="x"), EAST, {}, 5, reach) == []
    assert await index.search(short, PREFIXED, EAST, {}, 5) == []


async def test_a_tenant_without_a_layout_has_whole_vectors_alone(
    index: VectorIndex, store: Store
) -> None:
    route, point = await store.new_tenant(), make_point(AWAY)
    await index.apply(route, PREFIXED, [point])

    whole = Reach(WHOLE, 4)
    for reach in (None, whole):
        (hit,) = await index.search(route, PREFIXED, EAST, {}, 5, reach)
        assert hit.score == pytest.approx(AWAY @ EAST, abs=ROUNDING)
        (score,) = await index.scores(route, PREFIXED, EAST, [point.id], reach)
        assert score.score == pytest.approx(AWAY @ EAST, abs=ROUNDING)
    assert await index.search(route, PREFIXED, EAST, {}, 5, DEEP) == []


async def test_writes_go_to_every_length_that_is_held(index: VectorIndex, store: Store) -> None:
    route, kept, gone = await store.new_tenant(), make_point(NEAR), make_point(EAST)
    await index.apply(route, PREFIXED, [gone])
    await lay(route, WHOLE, SHORT)
    await index.apply(route, PREFIXED, [kept, Point(gone.id, None, {})])

    for reach in (None, FAST, DEEP):
        assert [hit.id for hit in await index.search(route, PREFIXED, EAST, {}, 5, reach)] == [
            kept.id
        ]


async def test_what_is_not_held_is_purged(index: VectorIndex, store: Store, short: Route) -> None:
    other = await store.new_tenant()
    for route in (short, other):
        await lay(route, SHORT, WHOLE)
        await index.apply(route, PREFIXED, [make_point(NEAR)])
    await lay(short, SHORT)

    assert await index.purge(short, PREFIXED, 100) == 1
    assert await index.purge(short, PREFIXED, 100) == 0

    assert await index.search(short, PREFIXED, EAST, {}, 5) == []
    assert len(await index.search(short, PREFIXED, EAST, {}, 5, DEEP)) == 1
    assert len(await index.search(other, PREFIXED, EAST, {}, 5)) == 1

    await lay(short, WHOLE)
    while await index.purge(short, PREFIXED, 100):
        pass
    assert await index.search(short, PREFIXED, EAST, {}, 5, FAST) == []
    assert await index.scores(short, PREFIXED, EAST, [], DEEP) == []


heads = st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3))


@given(st.dictionaries(st.uuids(), heads, max_size=12), heads, st.integers(1, 4), st.integers(1, 4))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_a_search_is_the_best_by_the_whole_of_the_best_by_the_prefix(
    store: Store,
    points: Mapping[UUID, tuple[int, int, int]],
    near: tuple[int, int, int],
    limit: int,
    oversampling: int,
) -> None:
    route = await store.new_tenant()
    await lay(route, SHORT)
    rows = {id_: _row(*head) for id_, head in points.items()}
    await store.index.apply(route, PREFIXED, [make_point(row, id_) for id_, row in rows.items()])

    hits = await store.index.search(
        route, PREFIXED, _row(*near), {}, limit, Reach(SHORT, oversampling)
    )

    by_prefix = sorted(
        (shortened(row, SHORT) @ shortened(_row(*near), SHORT) for row in rows.values()),
        reverse=True,
    )[: limit * oversampling]
    assert len(hits) == min(limit, len(points))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        row = rows[hit.id]
        assert hit.score == pytest.approx(float(row @ _row(*near)), abs=ROUNDING)
        assert shortened(row, SHORT) @ shortened(_row(*near), SHORT) >= by_prefix[-1] - ROUNDING


def _row(first: int, second: int, last: int) -> Vector:
    row = np.zeros(WHOLE, np.float32)
    row[0], row[1], row[-1] = first, second, last
    return row / (np.linalg.norm(row) or np.float32(1))
