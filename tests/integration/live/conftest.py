"""The suite with a tenant, and clients of its WebSocket, directly or through a gate."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth import Role
from libs.live import Live, Pauses
from libs.tenancy import TenantId
from tests.gate import Gate, gate_to
from tests.suite import Suite

_SOON = Pauses(first=0.02, longest=0.2, crowded=0.05)  # seconds


@dataclass
class Tenant:
    """A tenant of the running suite, and a gate in front of its WebSocket."""

    suite: Suite
    gate: Gate
    stack: AsyncExitStack
    minted: int = 0

    def token(
        self,
        person: str = "ann",
        roles: tuple[Role, ...] = (Role.ADMIN,),
        lifetime: timedelta = timedelta(hours=1),
    ) -> str:
        self.minted += 1
        return self.suite.issuer.mint(TenantId("acme"), person, roles, lifetime=lifetime)

    async def live(self, *, gate: bool = False, **values: Any) -> Live:
        """A client that is closed after the test."""
        web = self.gate.url.removeprefix("http://") if gate else self.suite.addresses.web
        values = {"token": self.token, "pauses": _SOON, **values}
        return await self.stack.enter_async_context(Live(f"ws://{web}/v1/live", **values))

    async def add(self, content: str, **scope: str) -> str:
        layer = pb.LAYER_TEAM if scope else pb.LAYER_COMPANY
        memory = pb.Memory(layer=layer, scope=scope_pb2.Scope(**scope), content=content)
        request = pb.CreateMemoryRequest(memory=memory)
        made = await self.suite.memory.CreateMemory(request, metadata=self.suite.auth("acme"))
        return str(made.name)


@pytest.fixture
async def tenant(suite: Suite) -> AsyncIterator[Tenant]:
    await suite.create_tenant("acme")
    async with gate_to(f"http://{suite.addresses.web}") as gate, AsyncExitStack() as stack:
        yield Tenant(suite, gate, stack)
