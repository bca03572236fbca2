"""What is kept of documents in memory, and for how long."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import asyncpg
import pytest

from libs.scope import Scope
from libs.tenancy import Route, ShardId, TenantId
from services.sync.documents.domain.document import Document, Kind, State
from services.sync.documents.store.recent import Recent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


class Clock:
    """Seconds that pass when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(clock: Clock) -> Recent:
    """Has room for two texts of a thousand bytes."""
    return Recent(5000, clock)


def make_route(epoch: int = 1) -> Route:
    return Route(TenantId("acme"), ShardId("main"), epoch, cast(asyncpg.Pool, None))


def make_state(document: UUID = ONE, version: int = 1) -> State:
    known = Document(document, Kind.NOTE, Scope(), "ann", NOW, NOW, version=version)
    return State.of(known, "x" * 1000, {})


def test_the_newest_stays(recent: Recent) -> None:
    new, route = make_state(version=2), make_route()

    assert recent.keep(route, new) is new
    assert recent.keep(route, make_state(version=1)) is new
    newer = make_state(version=3)
    assert recent.keep(route, newer) is newer
    assert recent.get(route, ONE) is newer


def test_of_one_version_what_is_known_of_the_rest_may_change(recent: Recent) -> None:
    route, state = make_route(), make_state()
    recent.keep(route, state)

    saved = replace(state, document=replace(state.document, saved_version=1))

    assert recent.keep(route, saved) is saved


def test_what_was_used_longest_ago_makes_room(recent: Recent) -> None:
    route = make_route()
    for document in (ONE, TWO):
        recent.keep(route, make_state(document))
    assert recent.get(route, ONE)

    recent.keep(route, make_state(THREE))

    assert recent.get(route, TWO) is None
    assert recent.get(route, ONE)
    assert recent.get(route, THREE)


def test_what_nobody_uses_is_dropped_in_time(recent: Recent, clock: Clock) -> None:
    route = make_route()
    recent.keep(route, make_state())
    clock.now = 599
    recent.shrink()
    assert recent.get(route, ONE)

    clock.now += 601
    recent.shrink()

    assert recent.get(route, ONE) is None


def test_a_restored_shard_has_another_history(recent: Recent) -> None:
    recent.keep(make_route(), make_state(version=9))

    assert recent.get(make_route(epoch=2), ONE) is None


def test_what_is_forgotten_leaves_its_room(recent: Recent) -> None:
    route = make_route()
    for _ in range(100):
        recent.keep(route, make_state())
        recent.forget(route, ONE)
        recent.forget(route, ONE)
    recent.keep(route, make_state(TWO))
    recent.keep(route, make_state(THREE))

    assert recent.get(route, TWO)
    assert recent.get(route, THREE)
