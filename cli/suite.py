"""All services in one process, on given stores: what `aeterna serve all` runs and tests drive."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields

import services.governance.settings
import services.governance.wiring
import services.knowledge.settings
import services.knowledge.wiring
import services.memory.settings
import services.memory.wiring
import services.sync.settings
import services.sync.wiring
from cli.endpoints import Addresses
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

        async def serve(name: str) -> str:
            module = getattr(services, name)
            server = {"address": getattr(wanted, name)} if wanted else {}
            others = {"knowledge": {"address": found["knowledge"]}} if name == "sync" else {}
            settings = module.settings.Settings(platform=platform_settings, server=server, **others)
            return await stack.enter_async_context(
                serving(name, settings, module.wiring.wire, platform)
            )

        for field in fields(Addresses):
            found[field.name] = await serve(field.name)
        yield Addresses(**found)
