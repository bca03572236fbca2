"""What every `VectorIndex` must do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.changes import Vector
from libs.tenancy import Route
from libs.vectors import Collection, Filter, Point, VectorIndex
from libs.vectors.filters import After, Until, time_text
from tests.contract.vectors.builders import DIMENSIONS, EAST, NORTH, RUN, Store, make_point, vector

MEMORIES = Collection(f"{RUN}-memories", "model/64", DIMENSIONS)
ROUNDING = 2e-3  # of 16-bit floats
HOSTILE = [
    "%",
    "_",
    "a%",
    "'; --",
    '"',
    "\\",
    "*",
    "[0]",
    "a.b",
    "žluť",
    "🦊",
    "null",
    " ",
    "x" * 999,
]


def gone(point: Point) -> Point:
    return Point(point.id, None, {})


async def found(
    index: VectorIndex, route: Route, where: Filter | None = None, near: Vector = EAST
) -> list[UUID]:
    return [hit.id for hit in await index.search(route, MEMORIES, near, where or {}, 20)]


async def test_an_empty_index_finds_nothing(index: VectorIndex, acme: Route) -> None:
    untouched = replace(MEMORIES, space=str(uuid4()))

    assert await index.search(acme, untouched, EAST, {}, 5) == []
    assert await found(index, acme) == []


async def test_the_nearest_come_first_with_their_cosine(index: VectorIndex, acme: Route) -> None:
    directions = {uuid4(): vector(*head) for head in [(0, 1), (1, 0), (-1, 0), (4, 3), (1, 2)]}
    await index.apply(acme, MEMORIES, [make_point(row, id_) for id_, row in directions.items()])

    hits = await index.search(acme, MEMORIES, EAST, {}, 20)

    cosines = {id_: float(row @ EAST) for id_, row in directions.items()}
    assert [hit.id for hit in hits] == sorted(cosines, key=lambda id_: -cosines[id_])
    assert {hit.id: hit.score for hit in hits} == pytest.approx(cosines, abs=ROUNDING)


async def test_no_more_than_the_limit_are_found(index: VectorIndex, acme: Route) -> None:
    far, near, nearest = (make_point(vector(1, slope)) for slope in (2, 1, 0))
    await index.apply(acme, MEMORIES, [far, nearest, near])

    for limit, expected in ((1, [nearest]), (2, [nearest, near]), (3, [nearest, near, far])):
        hits = await index.search(acme, MEMORIES, EAST, {}, limit)
        assert [hit.id for hit in hits] == [point.id for point in expected]


async def test_entities_are_scored_by_their_ids(
    index: VectorIndex, store: Store, acme: Route
) -> None:
    other = await store.new_tenant()
    east, north, gone_ = (make_point(row) for row in (EAST, NORTH, EAST))
    foreign = make_point(EAST)
    await index.apply(acme, MEMORIES, [east, north, gone_, make_point(EAST)])
    await index.apply(acme, MEMORIES, [gone(gone_)])
    await index.apply(other, MEMORIES, [foreign])
    asked = [each.id for each in (north, gone_, east, foreign)]

    hits = await index.scores(acme, MEMORIES, EAST, [*asked, uuid4()])

    assert {hit.id: hit.score for hit in hits} == pytest.approx(
        {east.id: 1, north.id: 0}, abs=ROUNDING
    )
    assert await index.scores(acme, MEMORIES, EAST, []) == []
    untouched = replace(MEMORIES, space=str(uuid4()))
    assert await index.scores(acme, untouched, EAST, asked) == []


async def test_a_point_is_replaced_whole(index: VectorIndex, acme: Route) -> None:
    before = make_point(EAST, layer="user", user_id="ada")
    await index.apply(acme, MEMORIES, [before])
    await index.apply(acme, MEMORIES, [make_point(NORTH, before.id, layer="team")])

    where = {"layer": ["team"], "user_id": [""]}
    assert await found(index, acme, where, NORTH) == [before.id]
    (hit,) = await index.search(acme, MEMORIES, NORTH, {}, 5)
    assert hit.score == pytest.approx(1, abs=ROUNDING)
    assert await found(index, acme, {"user_id": ["ada"]}) == []


async def test_removed_points_are_not_found(index: VectorIndex, acme: Route) -> None:
    kept, removed = make_point(), make_point()
    await index.apply(acme, MEMORIES, [kept, removed])
    added = make_point(NORTH)
    await index.apply(acme, MEMORIES, [gone(removed), added])

    assert await found(index, acme) == [kept.id, added.id]


async def test_what_is_not_there_can_be_removed(index: VectorIndex, acme: Route) -> None:
    await index.apply(acme, MEMORIES, [gone(make_point())])
    await index.apply(acme, replace(MEMORIES, space=str(uuid4())), [gone(make_point())])

    assert await found(index, acme) == []


async def test_applying_twice_changes_nothing(index: VectorIndex, acme: Route) -> None:
    kept, removed = make_point(), make_point()
    await index.apply(acme, MEMORIES, [kept, removed])

    for _ in range(2):
        await index.apply(acme, MEMORIES, [kept, gone(removed)])
        assert await found(index, acme) == [kept.id]


async def test_applying_nothing_is_harmless(index: VectorIndex, acme: Route) -> None:
    await index.apply(acme, MEMORIES, [])

    assert await found(index, acme) == []


async def test_a_vector_without_direction_is_as_near_as_a_right_angle(
    index: VectorIndex, acme: Route
) -> None:
    blank, near, opposite = make_point(vector()), make_point(EAST), make_point(vector(-1, 0))
    await index.apply(acme, MEMORIES, [blank, opposite, near])

    hits = await index.search(acme, MEMORIES, EAST, {}, 5)
    assert [hit.id for hit in hits] == [near.id, blank.id, opposite.id]
    assert [hit.score for hit in hits] == pytest.approx([1, 0, -1], abs=ROUNDING)

    blindly = await index.search(acme, MEMORIES, vector(), {}, 5)
    assert [hit.score for hit in blindly] == pytest.approx([0, 0, 0])


async def test_a_filter_accepts_any_of_its_values(index: VectorIndex, acme: Route) -> None:
    user, team, org = (make_point(layer=layer) for layer in ("user", "team", "org"))
    await index.apply(acme, MEMORIES, [user, team, org])

    assert set(await found(index, acme, {"layer": ["user", "org"]})) == {user.id, org.id}
    assert await found(index, acme, {"layer": ["team"]}) == [team.id]
    assert await found(index, acme, {"layer": ["use", "users", "User"]}) == []
    assert await found(index, acme, {"layer": []}) == []


async def test_every_key_of_a_filter_must_hold(index: VectorIndex, acme: Route) -> None:
    ada, bob = (make_point(layer="user", user_id=user) for user in ("ada", "bob"))
    shared = make_point(layer="team")
    await index.apply(acme, MEMORIES, [ada, bob, shared])

    assert await found(index, acme, {"layer": ["user"], "user_id": ["bob", "eve"]}) == [bob.id]
    assert await found(index, acme, {"layer": ["team"], "user_id": ["bob"]}) == []


async def test_a_missing_key_holds_the_empty_value(index: VectorIndex, acme: Route) -> None:
    bound, empty, missing = make_point(team_id="red"), make_point(team_id=""), make_point()
    await index.apply(acme, MEMORIES, [bound, empty, missing])

    assert set(await found(index, acme, {"team_id": [""]})) == {empty.id, missing.id}
    assert len(await found(index, acme, {"team_id": ["", "red"]})) == 3
    assert await found(index, acme, {"team_id": ["red"]}) == [bound.id]
    assert len(await found(index, acme, {"never_used": ["", "red"]})) == 3
    assert await found(index, acme, {"never_used": ["red"]}) == []


async def test_a_time_is_met_to_the_microsecond_or_missing(index: VectorIndex, acme: Route) -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    times = [
        datetime(99, 1, 1, tzinfo=UTC),
        *(noon + timedelta(microseconds=n) for n in (-1, 0, 1)),
    ]
    early, before, now, later = points = [make_point(valid_from=time_text(each)) for each in times]
    open_ = make_point()
    await index.apply(acme, MEMORIES, [*points, open_])

    until = await found(index, acme, {"valid_from": Until(noon)})
    after = await found(index, acme, {"valid_from": After(noon)})

    assert set(until) == {early.id, before.id, now.id, open_.id}
    assert set(after) == {later.id, open_.id}


async def test_values_are_compared_byte_by_byte(index: VectorIndex, acme: Route) -> None:
    points = {value: make_point(user_id=value) for value in [*HOSTILE, "ab", "axb", "ŽLUŤ"]}
    await index.apply(acme, MEMORIES, list(points.values()))

    for value, point in points.items():
        assert await found(index, acme, {"user_id": [value]}) == [point.id]


@pytest.mark.parametrize("key", ["tenant", "entity", "id", "tenant_id", "entity_id"])
async def test_a_payload_cannot_pass_for_what_the_store_notes(
    index: VectorIndex, store: Store, acme: Route, key: str
) -> None:
    other = await store.new_tenant()
    point = make_point(**{key: other.tenant})
    await index.apply(acme, MEMORIES, [point])

    assert await found(index, acme, {key: [other.tenant]}) == [point.id]
    assert await found(index, acme, {key: [acme.tenant, str(point.id)]}) == []
    assert await found(index, other) == []


async def test_tenants_never_meet(index: VectorIndex, store: Store, acme: Route) -> None:
    other, entity = await store.new_tenant(), uuid4()
    await index.apply(acme, MEMORIES, [make_point(EAST, entity, layer="user")])
    await index.apply(other, MEMORIES, [make_point(NORTH, entity, layer="team"), make_point()])

    (hit,) = await index.search(acme, MEMORIES, EAST, {}, 20)
    assert hit.id == entity
    assert hit.score == pytest.approx(1, abs=ROUNDING)
    assert await found(index, acme, {"layer": ["team", ""]}) == []

    await index.apply(acme, MEMORIES, [Point(entity, None, {})])
    assert await found(index, acme) == []
    assert entity in await found(index, other)


async def test_collections_and_spaces_do_not_mix(index: VectorIndex, acme: Route) -> None:
    others = [
        replace(MEMORIES, name=f"{RUN}-notes"),
        replace(MEMORIES, space="model/64 "),
        replace(MEMORIES, space="other/model: 64%"),
        replace(MEMORIES, dimensions=128),
    ]
    point = make_point()
    await index.apply(acme, MEMORIES, [point])

    for other in others:
        near = np.resize(EAST, other.dimensions)
        assert await index.search(acme, other, near, {}, 5) == []
        hit_and_miss = [Point(uuid4(), near, {}), Point(uuid4(), None, {})]
        await index.apply(acme, other, hit_and_miss)
        assert [hit.id for hit in await index.search(acme, other, near, {}, 5)] == [
            hit_and_miss[0].id
        ]
    assert await found(index, acme) == [point.id]


values = st.sampled_from(["", "ada", "Ada", "a%", "%", "_", "o'x", "žluť"])
keys = st.sampled_from(["layer", "user_id", "other"])
directions = st.lists(st.integers(-3, 3), min_size=3, max_size=3)
sets = st.dictionaries(
    st.uuids(), st.tuples(directions, st.dictionaries(keys, values)), max_size=12
)


@given(
    sets,
    sets,
    st.data(),
    directions,
    st.dictionaries(keys, st.lists(values, max_size=4)),
    st.integers(1, 8),
)
@settings(
    max_examples=40,
    deadline=None,  # a server does the work
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example has its own tenants
)
async def test_a_search_finds_what_comparing_with_every_point_finds(
    store: Store,
    first: dict[UUID, tuple[list[int], dict[str, str]]],
    second: dict[UUID, tuple[list[int], dict[str, str]]],
    data: st.DataObject,
    near: list[int],
    where: Mapping[str, Sequence[str]],
    limit: int,
) -> None:
    acme, other = await store.new_tenant(), await store.new_tenant()
    removed = data.draw(st.sets(st.sampled_from(sorted(first))) if first else st.just(set()))
    kept = {id_: point for id_, point in {**first, **second}.items() if id_ not in removed}
    await store.index.apply(acme, MEMORIES, _points(first))
    await store.index.apply(other, MEMORIES, _points({**second, **first}))
    changed = _points({id_: kept[id_] for id_ in second if id_ in kept})
    removals = [Point(id_, None, {}) for id_ in removed]
    await store.index.apply(acme, MEMORIES, [*changed, *removals])

    hits = await store.index.search(acme, MEMORIES, vector(*near), where, limit)

    scores = _scores(kept, vector(*near), where)
    best = sorted(scores.values(), reverse=True)[:limit]
    assert [hit.score for hit in hits] == pytest.approx(best, abs=ROUNDING)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(
        {hit.id: scores[hit.id] for hit in hits}, abs=ROUNDING
    )
    assert len({hit.id for hit in hits}) == len(hits)


def _points(wanted: Mapping[UUID, tuple[list[int], dict[str, str]]]) -> list[Point]:
    return [make_point(vector(*head), id_, **payload) for id_, (head, payload) in wanted.items()]


def _scores(
    points: Mapping[UUID, Any], near: Vector, where: Mapping[str, Sequence[str]]
) -> dict[UUID, float]:
    return {
        id_: float(vector(*head) @ near)
        for id_, (head, payload) in points.items()
        if all(payload.get(key, "") in accepted for key, accepted in where.items())
    }
