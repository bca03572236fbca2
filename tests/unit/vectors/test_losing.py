"""When it is looked whether an index still holds what it is to, and what follows."""

from typing import Any

import pytest

from libs.tenancy import Route, ShardId, TenantId
from libs.vectors import IndexUnavailable
from libs.vectors.losing import Looks

NO_POOL: Any = None
ACME = Route(TenantId("acme"), ShardId("main"), 1, NO_POOL)


class World:
    """An index with so many points, and the rows that it is to hold."""

    def __init__(self, points: int, rows: int) -> None:
        self.points, self.rows, self.now = points, rows, 0.0
        self.looked = self.queued = 0
        self.looks = Looks(lambda: self.now)

    async def held(self) -> int:
        self.looked += 1
        return self.points

    async def up_to(self, route: Route, limit: int) -> int:
        return min(self.rows, limit)

    async def again(self, route: Route) -> None:
        self.queued += 1

    async def demand(self) -> None:
        await self.looks.demand(ACME, "memories", self.held, self)


@pytest.mark.parametrize(("points", "rows"), [(0, 0), (1, 1), (1, 2), (50, 100), (1_000, 10**6)])
async def test_half_is_enough_and_many_are(points: int, rows: int) -> None:
    world = World(points, rows)
    await world.demand()
    assert world.queued == 0


async def test_a_look_is_good_for_a_minute_unless_the_server_may_have_been_away() -> None:
    world = World(1, 1)
    for now in (0.0, 30.0, 59.0):
        world.now = now
        await world.demand()
    assert world.looked == 1

    world.looks.forget()
    await world.demand()
    world.now = 120.0
    await world.demand()
    assert world.looked == 3


async def test_what_is_lost_is_queued_once_and_looked_at_until_it_is_there() -> None:
    world = World(0, 1)
    for _ in range(3):
        with pytest.raises(IndexUnavailable):
            await world.demand()
    assert (world.looked, world.queued) == (3, 1)

    world.points = 1
    await world.demand()
