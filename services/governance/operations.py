"""What the governance service does.

A tenant is in two databases: the registry says which tenants there are, the shard's own row is the
fence that writers pass. Each operation is ordered so that a crash between the two leaves a state
that is safe and that a retry completes: a tenant is registered once it is usable, and while the
registry says suspended, so does the fence.
"""

from dataclasses import dataclass

from libs.changes import Asked
from libs.encryption.keyring import Keyring
from libs.spine.changes import all_changes, genesis
from libs.tenancy import Route, TenantId
from services.governance.domain.tenant import Draft, State, Tenant
from services.governance.domain.trail import Verdict
from services.governance.errors import TenantAlreadyExists
from services.governance.ports import Registry, Shards, Trail, Vouchers


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


@dataclass(frozen=True)
class AuditOperations:
    """What goes beyond reading and appending to the trail."""

    trail: Trail
    vouchers: Vouchers

    async def verify(self, route: Route) -> Verdict:
        """Checks the whole trail of the tenant, page by page.

        A tail that was removed together with its numbers leaves an intact trail: only a head that
        was kept elsewhere shows it.
        """
        vouched = await self.vouchers.voucher(route.tenant)
        verdict = Verdict(genesis(route))
        async for entries in all_changes(route):
            verdict = verdict.after(entries, vouched)
            if verdict.broken_at:
                return verdict
        return verdict.ending(*await self.trail.ends(route))
