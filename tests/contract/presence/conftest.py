from collections.abc import AsyncIterator

import pytest

from tests.contract.presence.replicas import Clock, Replica, stores


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def replica(adapter: str, redis_url: str, clock: Clock) -> AsyncIterator[Replica]:
    async with stores(adapter, redis_url, clock) as made:
        yield made
