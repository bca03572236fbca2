"""Tenants as a platform administrator handles them, and databases that give up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aeterna.governance.v1 import audit_pb2, tenants_pb2
from aeterna.memory.v1 import memory_pb2
from tests.databases import Database
from tests.suite import Suite


@dataclass(frozen=True)
class Administrator:
    """Governance as a platform administrator sees it, and the tenants' memories."""

    suite: Suite

    async def create(self, tenant: str, **values: Any) -> tenants_pb2.Tenant:
        name = values.pop("display_name", "")
        request = tenants_pb2.CreateTenantRequest(
            tenant_id=tenant, tenant=tenants_pb2.Tenant(display_name=name), **values
        )
        return await self.suite.tenants.CreateTenant(request, metadata=self.suite.platform_admin)

    async def get(self, tenant: str) -> tenants_pb2.Tenant:
        request = tenants_pb2.GetTenantRequest(name=f"tenants/{tenant}")
        return await self.suite.tenants.GetTenant(request, metadata=self.suite.platform_admin)

    async def page(self, size: int, token: str = "") -> tenants_pb2.ListTenantsResponse:
        request = tenants_pb2.ListTenantsRequest(page_size=size, page_token=token)
        return await self.suite.tenants.ListTenants(request, metadata=self.suite.platform_admin)

    async def suspend(self, tenant: str, request_id: str = "") -> tenants_pb2.Tenant:
        request = tenants_pb2.SuspendTenantRequest(name=f"tenants/{tenant}", request_id=request_id)
        return await self.suite.tenants.SuspendTenant(request, metadata=self.suite.platform_admin)

    async def resume(self, tenant: str, request_id: str = "") -> tenants_pb2.Tenant:
        request = tenants_pb2.ResumeTenantRequest(name=f"tenants/{tenant}", request_id=request_id)
        return await self.suite.tenants.ResumeTenant(request, metadata=self.suite.platform_admin)

    async def remember(self, tenant: str, content: str = "x") -> memory_pb2.Memory:
        memory = memory_pb2.Memory(layer=memory_pb2.LAYER_COMPANY, content=content)
        request = memory_pb2.CreateMemoryRequest(memory=memory, request_id=str(uuid4()))
        return await self.suite.memory.CreateMemory(request, metadata=self.suite.auth(tenant))

    async def recall(self, tenant: str) -> list[str]:
        request = memory_pb2.ListMemoriesRequest()
        metadata = self.suite.auth(tenant)
        found = await self.suite.memory.ListMemories(request, metadata=metadata)
        return [memory.content for memory in found.memories]

    async def log(self, tenant: str, where: str = "") -> list[audit_pb2.AuditEntry]:
        """The audit trail of a tenant in use."""
        request = audit_pb2.ListAuditEntriesRequest(filter=where, page_size=1000)
        metadata = self.suite.auth(tenant)
        return list((await self.suite.audit.ListAuditEntries(request, metadata=metadata)).entries)

    async def happened(self, tenant: str) -> list[str]:
        """What happened to the tenant itself, as its log tells; also while it is suspended."""
        async with self.suite.database.connect() as superuser:
            rows = await superuser.fetch(
                "SELECT operation FROM aeterna.change WHERE tenant_id = $1 AND resource = $2"
                " ORDER BY number",
                tenant,
                f"tenants/{tenant}",
            )
        return [row["operation"] for row in rows]

    async def states(self, tenant: str) -> tuple[str, str]:
        """The tenant's state in the registry and at the fence."""
        async with self.suite.database.connect() as superuser:
            row = await superuser.fetchrow(
                "SELECT t.state, s.state FROM control.tenant AS t JOIN aeterna.tenant_state AS s"
                " ON s.tenant_id = t.id WHERE t.id = $1",
                tenant,
            )
        assert row is not None
        return row[0], row[1]


@asynccontextmanager
async def broken(
    database: Database, table: str, when: str, *, condition: str = "true", late: bool = False
) -> AsyncIterator[None]:
    """Inside the block the database ends every transaction that does this to the table, at once or
    (`late`) when it commits, as a shutdown would."""
    kind = "CONSTRAINT TRIGGER" if late else "TRIGGER"
    timing = "DEFERRABLE INITIALLY DEFERRED" if late else ""
    async with database.connect() as superuser:
        await superuser.execute(f"""
            CREATE OR REPLACE FUNCTION public.break() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'shut down' USING ERRCODE = '57P01'; END $$;
            CREATE {kind} breaks AFTER {when} ON {table} {timing}
                FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION public.break()
        """)
        try:
            yield
        finally:
            await superuser.execute(f"DROP TRIGGER breaks ON {table}")


async def until_refused(admin: Administrator, tenant: str) -> Exception:
    """How reading is refused once the news has arrived."""
    async with asyncio.timeout(10):
        while True:
            try:
                await admin.recall(tenant)
            except Exception as exc:
                return exc
