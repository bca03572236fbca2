"""Two replicas over one Redis, which is the tests' own: it restarts, and is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from aeterna.sync.v1.live_pb2 import Presence
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.presence.people import (
    ACTIVE,
    OFFLINE,
    SHORT,
    listed,
    new_room,
    over_redis,
    present,
    sees,
)
from tests.integration.sync.replicas import Replica
from tests.servers import StoppableRedis, stoppable_redis

ROOM = new_room()
Pair = tuple[Replica, Replica]


@pytest.fixture
def redis() -> Iterator[StoppableRedis]:
    with stoppable_redis() as server:
        yield server


@pytest.fixture
async def pair(opened: OpenReplica, redis: StoppableRedis) -> AsyncIterator[Pair]:
    wakeups = over_redis(redis.url)
    async with opened(wakeups, presence=SHORT) as here, opened(wakeups, presence=SHORT) as there:
        yield here, there


async def test_people_at_two_replicas_see_each_other(pair: Pair) -> None:
    here, there = pair
    async with present(here, ROOM, "ann") as ann, present(there, ROOM, "ann") as phone:
        async with present(there, ROOM, "bob") as bob:
            for each in (ann, phone, bob):
                await each.until(sees("ann", "ann", "bob"))
                assert (each.people, each.partial) == (2, False)
            await bob.set(state=ACTIVE, cursor={"position": 9, "anchor": 3, "version": 2})
            await ann.until(
                lambda each: any(one.cursor.position == 9 for one in each.seen.values())
            )
            both = [await listed(replica, ROOM) for replica in pair]
            assert both[0] == both[1]
            assert (both[0].connections, both[0].people) == (3, 2)
        await ann.until(sees("ann", "ann"))
        await phone.until(sees("ann", "ann"))


async def test_a_replica_that_stops_takes_leave_at_once(pair: Pair) -> None:
    here, there = pair
    async with present(here, ROOM, "ann") as ann, present(there, ROOM, "bob"):
        await ann.until(sees("ann", "bob"))
        await there.stop()
        await ann.until(sees("ann"))


async def test_a_redis_that_restarts_empty_makes_nobody_offline(
    pair: Pair, redis: StoppableRedis
) -> None:
    here, there = pair
    async with present(here, ROOM, "ann") as ann, present(there, ROOM, "bob") as bob:
        for each in (ann, bob):
            await each.until(sees("ann", "bob"))
        redis.stop()
        redis.start()
        for each in (ann, bob):
            await each.until(lambda each: each.partial)
        async with present(here, ROOM, "cleo"):
            for each in (ann, bob):
                await each.until(lambda each: not each.partial and sees("ann", "bob", "cleo")(each))
                assert OFFLINE not in {one.state for one in each.told}
            assert [each.user for each in (await listed(there, ROOM)).present].count("cleo") == 1


async def test_a_redis_that_is_away_leaves_connections_as_they_are(
    pair: Pair, redis: StoppableRedis
) -> None:
    here, there = pair
    async with present(here, ROOM, "ann") as ann, present(there, ROOM, "bob") as bob:
        for each in (ann, bob):
            await each.until(sees("ann", "bob"))
        redis.stop()
        for each in (ann, bob):
            await each.until(lambda each: each.partial and each.connections == 1)
            assert each.users == ["ann", "bob"]
        async with present(here, ROOM, "cleo") as cleo:
            await ann.until(lambda each: each.connections == 2)
            assert cleo.users.count("cleo") == 1
            alone = await listed(here, ROOM)
            assert ([each.user for each in alone.present], alone.partial) == (
                sorted_by_connection(cleo.seen, "ann", "cleo"),
                True,
            )
            await asyncio.gather(ann.set(state=ACTIVE), bob.set(state=ACTIVE))
            redis.start()
            await bob.until(sees("ann", "bob", "cleo"))
        for each in (ann, bob):
            await each.until(lambda each: not each.partial and sees("ann", "bob")(each))


def sorted_by_connection(seen: Mapping[str, Presence], *users: str) -> list[str]:
    """These, in the order of their connections."""
    return [each.user for _, each in sorted(seen.items()) if each.user in users]
