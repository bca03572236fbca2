from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from libs.tenancy import TenantId
from tests.contract.wakeups.processes import Bus, Processes, new_tenant, open_process
from tests.sentinels import sentinel_group


@pytest.fixture
def tenant() -> TenantId:
    return new_tenant()


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture(scope="session")
def sentinels() -> Iterator[str]:
    """`host:port` of each, for tests that leave the servers as they are."""
    with sentinel_group(silence=60_000) as group:
        yield group.addresses


_SERVERS = {"redis": "redis_url", "sentinel": "sentinels", "postgres": "postgres"}


@pytest.fixture(params=["none", "memory", *_SERVERS])
def transport(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Its name, and where its server is."""
    fixture = _SERVERS.get(request.param)
    return request.param, request.getfixturevalue(fixture) if fixture else ""


@pytest.fixture
async def processes(transport: tuple[str, str], bus: Bus) -> AsyncIterator[Processes]:
    """Here and there; the same one over `none`, which has no other."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(open_process(*transport, bus))
        if transport[0] == "none":
            yield here, here
        else:
            yield here, await stack.enter_async_context(open_process(*transport, bus))
