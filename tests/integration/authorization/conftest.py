"""Callers of the governance service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from aeterna.governance.v1 import access_pb2, agents_pb2, roles_pb2
from aeterna.governance.v1 import authorization_policies_pb2 as policies_pb2
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

    async def create(
        self, policy: str, text: str, description: str = "", request_id: str = ""
    ) -> policies_pb2.AuthorizationPolicy:
        request = policies_pb2.CreateAuthorizationPolicyRequest(
            authorization_policy_id=policy,
            authorization_policy=policies_pb2.AuthorizationPolicy(
                text=text, description=description
            ),
            request_id=request_id,
        )
        stub = self.suite.authorization_policies
        return await stub.CreateAuthorizationPolicy(request, metadata=self.metadata)

    async def rewrite(
        self, policy: str, text: str, etag: str = ""
    ) -> policies_pb2.AuthorizationPolicy:
        name = f"authorizationPolicies/{policy}"
        request = policies_pb2.UpdateAuthorizationPolicyRequest(
            authorization_policy=policies_pb2.AuthorizationPolicy(name=name, text=text, etag=etag)
        )
        stub = self.suite.authorization_policies
        return await stub.UpdateAuthorizationPolicy(request, metadata=self.metadata)

    async def activate(
        self, policy: str, version: int = 0, etag: str = ""
    ) -> policies_pb2.AuthorizationPolicy:
        request = policies_pb2.ActivateAuthorizationPolicyRequest(
            name=f"authorizationPolicies/{policy}", version=version, etag=etag
        )
        stub = self.suite.authorization_policies
        return await stub.ActivateAuthorizationPolicy(request, metadata=self.metadata)

    async def roll_back(self, policy: str) -> policies_pb2.AuthorizationPolicy:
        request = policies_pb2.RollbackAuthorizationPolicyRequest(
            name=f"authorizationPolicies/{policy}"
        )
        stub = self.suite.authorization_policies
        return await stub.RollbackAuthorizationPolicy(request, metadata=self.metadata)

    async def check(self, action: str, **values: Any) -> access_pb2.CheckAccessResponse:
        request = access_pb2.CheckAccessRequest(action=action, **values)
        return await self.suite.access.CheckAccess(request, metadata=self.metadata)


@pytest.fixture
async def client(suite: Suite) -> Client:
    """The administrator of a tenant."""
    return Client(suite, await suite.create_tenant("acme"))
