"""Who plays: people and agents of two companies, each with a session of their own."""

from __future__ import annotations  # gRPC's calls are generic in their stubs only

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from cli.demo.stage import Stage, Stopwatch
from cli.endpoints import SERVICES, Addresses
from cli.options import Options
from cli.session import Session
from libs.auth import LocalIssuer, Role
from libs.clients import open_channel
from libs.tenancy import parse_tenant_id

_CAPABILITIES = ("memory:read", "memory:write", "memory:delete", "knowledge:read")  # of agents


@dataclass(frozen=True)
class Cast:
    """Opens sessions on one suite; they end with the stack."""

    addresses: Addresses
    issuer: LocalIssuer
    stage: Stage
    stack: AsyncExitStack

    async def join(
        self,
        tenant: str,
        person: str,
        roles: Sequence[Role] = (Role.DEVELOPER,),
        *,
        agent: str = "",
        act_for: str = "",
    ) -> Session:
        """A session for a person, or for an agent that acts in the person's name.

        Args:
            act_for: A tenant to name that is not the token's own.
        """
        token = self.issuer.mint(
            parse_tenant_id(tenant), person, roles, agent, capabilities=_CAPABILITIES
        )
        channels = {
            name: await self.stack.enter_async_context(
                open_channel(
                    getattr(self.addresses, name),
                    lambda: token,
                    tenant=act_for,
                    interceptors=[Stopwatch(self.stage)],
                )
            )
            for name in SERVICES
        }
        return Session(channels, Options(), self.addresses, lambda: token)
