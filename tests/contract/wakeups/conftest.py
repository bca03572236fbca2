from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from libs.tenancy import TenantId
from tests.contract.wakeups.processes import Bus, Processes, new_tenant, open_process


@pytest.fixture
def tenant() -> TenantId:
    return new_tenant()


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture(params=["none", "memory", "redis", "postgres"])
def transport(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Its name, and where its server is."""
    fixture = {"redis": "redis_url", "postgres": "postgres"}.get(request.param)
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
