"""What the governance service does.

A tenant is in two databases: the registry says which tenants there are, the shard's own row is the
fence that writers pass. Each operation is ordered so that a crash between the two leaves a state
that is safe and that a retry completes: a tenant is registered once it is usable, and while the
registry says suspended, so does the fence.
"""

from dataclasses import dataclass

from libs.changes import Asked
from libs.encryption.keyring import Keyring
from libs.tenancy import TenantId
from services.governance.domain.tenant import Draft, State, Tenant
from services.governance.errors import TenantAlreadyExists
from services.governance.ports import Registry, Shards


@dataclass(frozen=True)
class TenantOperations:
    """Creating, suspending and resuming tenants."""

    registry: Registry
    shards: Shards
    keyring: Keyring

    async def create(self, asked: Asked, draft: Draft) -> Tenant:
        """Makes a tenant that can be used when this returns.

        Raises:
            TenantAlreadyExists, ShardNotFound, ShardOccupied, NoSharedShard: As they say.
            RequestIdReused: The request id was used for something else.
        """
        async with self.registry.changing(TenantId(draft.id), asked.request) as change:
            if change.answered:
                return change.answered
            if change.tenant:
                raise TenantAlreadyExists(draft.id)
            route = await change.place(draft.shard)
            await self.shards.provision(route, asked.origin)
            await self.keyring.create_tenant_key(route)
            return await change.create(draft, route)

    async def suspend(self, asked: Asked, tenant: TenantId) -> Tenant:
        """Refuses every read and write from now on; the fence falls first.

        Raises:
            TenantNotFound, RequestIdReused: As they say.
        """
        async with self.registry.changing(tenant, asked.request) as change:
            if change.answered:
                return change.answered
            await self.shards.suspend(await change.route(), asked.origin)
            return await change.set_state(State.SUSPENDED)

    async def resume(self, asked: Asked, tenant: TenantId) -> Tenant:
        """Ends a suspension; the fence rises last, also when a repeat has to do it.

        Raises:
            TenantNotFound, RequestIdReused: As they say.
        """
        async with self.registry.changing(tenant, asked.request) as change:
            if change.answered and change.tenant and change.tenant.state is State.SUSPENDED:
                return change.answered  # and suspended again since
            async with self.shards.resuming(await change.route(), asked.origin):
                return await change.set_state(State.ACTIVE)
