"""All services in one process, on given stores: what `aeterna serve all` runs and tests drive."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import services.governance.settings
import services.governance.wiring
import services.knowledge.settings
import services.knowledge.wiring
import services.memory.settings
import services.memory.wiring
import services.sync.settings
import services.sync.wiring
from cli.endpoints import SERVICES, Addresses
from libs.service.platform import open_platform
from libs.service.server import serving
from libs.service.settings import PlatformSettings

__all__ = ["Addresses", "running_suite"]


@asynccontextmanager
async def running_suite(
    platform_settings: PlatformSettings, wanted: Addresses | None = None
) -> AsyncIterator[Addresses]:
    """Serves all services while the block runs; gives the addresses with their real ports.

    Everything but platform and addresses is read from each service's own variables; the addresses
    too when `wanted` is None.
    """
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(open_platform(platform_settings))
        found: dict[str, str] = {}

        async def serve(name: str) -> None:
            module = getattr(services, name)
            more = _wanted(name, wanted) if wanted else {}
            if name == "sync":
                more["knowledge"] = {"address": found["knowledge"]}
            settings = module.settings.Settings(platform=platform_settings, **more)
            listening = await stack.enter_async_context(
                serving(name, settings, module.wiring.wire, platform)
            )
            found.update({name: listening.grpc, **listening.doors})

        for name in SERVICES:
            await serve(name)
        yield Addresses(**found)


def _wanted(name: str, addresses: Addresses) -> dict[str, Any]:
    """Settings of a service that say where it is to listen."""
    found = {"server": {"address": getattr(addresses, name)}}
    if name == "sync":
        found["web"] = {"address": addresses.web}
    return found
