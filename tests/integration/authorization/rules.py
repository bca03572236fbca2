"""A tenant whose rules a test writes into its tables, and people and agents who call for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import audit_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth import Role
from libs.tenancy import TenantId
from tests.suite import Metadata, Suite

_STATE = """
    INSERT INTO aeterna.authorization_state VALUES ($1, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET number = authorization_state.number + 1
"""
_VERSION = """
    INSERT INTO aeterna.authorization_policy_version
    VALUES ($1, $2, 1, gen_random_uuid(), $3, '', 'user:ann', 1, now(), NULL)
"""
_POLICY = """
    INSERT INTO aeterna.authorization_policy VALUES ($1, $2, 1, 1, 1, 1, now(), now())
"""
_BIND = """
    INSERT INTO aeterna.role_binding
    VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, 'user:ann', 1, now())
"""
_SUSPEND = "INSERT INTO aeterna.suspended_user VALUES ($1, $2, 'user:ann', 1, now())"


@dataclass(frozen=True)
class Someone:
    """A caller with a token."""

    suite: Suite
    metadata: Metadata

    async def add(self, content: str, layer: str = "company", **scope: str) -> pb.Memory:
        memory = pb.Memory(
            layer=pb.Layer.Value(f"LAYER_{layer.upper()}"),
            scope=scope_pb2.Scope(**scope),
            content=content,
        )
        request = pb.CreateMemoryRequest(memory=memory)
        return await self.suite.memory.CreateMemory(request, metadata=self.metadata)

    async def get(self, name: str) -> pb.Memory:
        request = pb.GetMemoryRequest(name=name)
        return await self.suite.memory.GetMemory(request, metadata=self.metadata)

    async def list(self) -> set[str]:
        request = pb.ListMemoriesRequest(page_size=1000)
        found = await self.suite.memory.ListMemories(request, metadata=self.metadata)
        return {each.content for each in found.memories}

    async def search(self, query: str, strategy: str = "HYBRID", **values: Any) -> set[str]:
        chosen = pb.SearchStrategy.Value(f"SEARCH_STRATEGY_{strategy}")
        request = pb.SearchMemoriesRequest(query=query, strategy=chosen, **values)
        found = await self.suite.memory.SearchMemories(request, metadata=self.metadata)
        return {each.memory.content for each in found.results}


@dataclass(frozen=True)
class Ruled:
    """A tenant with rules of its own. Services read them when it is first used, so that they are
    written before; or after a change, up to half a second later."""

    suite: Suite
    tenant: str

    def someone(
        self,
        subject: str,
        *roles: Role,
        agent: str = "",
        capabilities: Sequence[str] = (),
    ) -> Someone:
        token = self.suite.issuer.mint(
            TenantId(self.tenant), subject, roles, agent, capabilities=capabilities
        )
        return Someone(self.suite, (("authorization", f"Bearer {token}"),))

    async def policy(self, name: str, text: str) -> None:
        await self._execute(_VERSION, name, text)
        await self._execute(_POLICY, name)

    async def bind(
        self, user: str, role: Role, org: str = "", team: str = "", project: str = ""
    ) -> None:
        await self._execute(_BIND, uuid4(), user, role.value, org, team, project)

    async def suspend(self, user: str) -> None:
        await self._execute(_SUSPEND, user)

    async def denials(self) -> list[audit_pb2.AuditEntry]:
        """The entries of the audit trail that tell of them."""
        request = audit_pb2.ListAuditEntriesRequest(filter='operation = "recorded"', page_size=1000)
        metadata = self.suite.auth(self.tenant, "auditor")
        found = await self.suite.audit.ListAuditEntries(request, metadata=metadata)
        return [each for each in found.entries if each.event == "access.denied"]

    async def _execute(self, sql: str, *values: object) -> None:
        async with self.suite.database.connect() as conn:
            await conn.execute(sql, self.tenant, *values)
            await conn.execute(_STATE, self.tenant)
