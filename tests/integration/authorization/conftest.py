"""Callers of the governance service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from aeterna.governance.v1 import agents_pb2, roles_pb2
from libs.auth import Role
from tests.suite import Metadata, Suite


@dataclass(frozen=True)
class Client:
    """Roles and agents as one caller sees them."""

    suite: Suite
    metadata: Metadata

    def by(self, user: str, *roles: Role, tenant: str = "acme") -> "Client":
        """The same as another caller."""
        return Client(self.suite, self.suite.auth(tenant, user, roles))

    async def assign(
        self, user: str, role: str, request_id: str = "", **values: Any
    ) -> roles_pb2.RoleBinding:
        binding = roles_pb2.RoleBinding(
            user=user, role=roles_pb2.Role.Value(f"ROLE_{role.upper()}"), **values
        )
        request = roles_pb2.AssignRoleRequest(role_binding=binding, request_id=request_id)
        return await self.suite.roles.AssignRole(request, metadata=self.metadata)

    async def revoke(self, binding: str, request_id: str = "") -> None:
        request = roles_pb2.RevokeRoleRequest(name=binding, request_id=request_id)
        await self.suite.roles.RevokeRole(request, metadata=self.metadata)

    async def bindings(self, where: str = "") -> Sequence[roles_pb2.RoleBinding]:
        request = roles_pb2.ListRoleBindingsRequest(filter=where)
        answer = await self.suite.roles.ListRoleBindings(request, metadata=self.metadata)
        return answer.role_bindings

    async def register(
        self, agent: str, *capabilities: str, request_id: str = "", **values: Any
    ) -> agents_pb2.Agent:
        request = agents_pb2.RegisterAgentRequest(
            agent_id=agent,
            agent=agents_pb2.Agent(capabilities=capabilities, **values),
            request_id=request_id,
        )
        return await self.suite.agents.RegisterAgent(request, metadata=self.metadata)

    async def update(self, agent: str, *paths: str, **values: Any) -> agents_pb2.Agent:
        request = agents_pb2.UpdateAgentRequest(
            agent=agents_pb2.Agent(name=f"agents/{agent}", **values)
        )
        request.update_mask.paths.extend(paths)
        return await self.suite.agents.UpdateAgent(request, metadata=self.metadata)


@pytest.fixture
async def client(suite: Suite) -> Client:
    """The administrator of a tenant."""
    return Client(suite, await suite.create_tenant("acme"))
