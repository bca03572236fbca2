"""All services in one process, on given stores: what `aeterna serve all` runs and tests drive."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import services.governance.settings
import services.governance.wiring
import services.knowledge.settings
import services.knowledge.wiring
import services.memory.settings
import services.memory.wiring
import services.sync.settings
import services.sync.wiring
from libs.service.platform import open_platform
from libs.service.server import serving
from libs.service.settings import PlatformSettings, ServerSettings


@dataclass(frozen=True, slots=True)
class Addresses:
    """host:port of each service."""

    memory: str
    knowledge: str
    governance: str
    sync: str


@asynccontextmanager
async def running_suite(
    platform_settings: PlatformSettings, wanted: Addresses
) -> AsyncIterator[Addresses]:
    """Serves all services while the block runs; gives the addresses with their real ports."""
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(open_platform(platform_settings))

        async def serve(name: str) -> str:
            module = getattr(services, name)
            server = ServerSettings(address=getattr(wanted, name))
            settings = module.settings.Settings(platform=platform_settings, server=server)
            return await stack.enter_async_context(
                serving(name, settings, module.wiring.wire, platform)
            )

        yield Addresses(*[await serve(name) for name in Addresses.__dataclass_fields__])
