"""The stubs of every service over given channels."""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.longrunning import operations_pb2_grpc

from aeterna.governance.v1 import (
    access_pb2_grpc,
    agents_pb2_grpc,
    alerts_pb2_grpc,
    anomalies_pb2_grpc,
    approvals_pb2_grpc,
    audit_pb2_grpc,
    authorization_policies_pb2_grpc,
    budgets_pb2_grpc,
    consent_pb2_grpc,
    constraints_pb2_grpc,
    costs_pb2_grpc,
    erasure_pb2_grpc,
    export_pb2_grpc,
    keys_pb2_grpc,
    roles_pb2_grpc,
    tenants_pb2_grpc,
)
from aeterna.knowledge.v1 import knowledge_pb2_grpc
from aeterna.memory.v1 import maintenance_pb2_grpc, memory_pb2_grpc, settings_pb2_grpc
from aeterna.sync.v1 import documents_pb2_grpc, live_pb2_grpc, sync_pb2_grpc


@dataclass(frozen=True)
class Stubs:
    """One stub a service; `channels` are by its name: memory, knowledge, governance, sync."""

    channels: Mapping[str, grpc.aio.Channel]

    @property
    def memory(self) -> memory_pb2_grpc.MemoryServiceAsyncStub:
        return memory_pb2_grpc.MemoryServiceStub(self.channels["memory"])

    @property
    def memory_settings(self) -> settings_pb2_grpc.MemorySettingsServiceAsyncStub:
        return settings_pb2_grpc.MemorySettingsServiceStub(self.channels["memory"])

    @property
    def memory_maintenance(self) -> maintenance_pb2_grpc.MemoryMaintenanceServiceAsyncStub:
        return maintenance_pb2_grpc.MemoryMaintenanceServiceStub(self.channels["memory"])

    @property
    def operations(self) -> Any:
        """`google.longrunning.Operations` of the memory service, whose stubs have no types."""
        return operations_pb2_grpc.OperationsStub(self.channels["memory"])

    @property
    def knowledge(self) -> knowledge_pb2_grpc.KnowledgeServiceAsyncStub:
        return knowledge_pb2_grpc.KnowledgeServiceStub(self.channels["knowledge"])

    @property
    def tenants(self) -> tenants_pb2_grpc.TenantServiceAsyncStub:
        return tenants_pb2_grpc.TenantServiceStub(self.channels["governance"])

    @property
    def audit(self) -> audit_pb2_grpc.AuditServiceAsyncStub:
        return audit_pb2_grpc.AuditServiceStub(self.channels["governance"])

    @property
    def anomalies(self) -> anomalies_pb2_grpc.AnomalyServiceAsyncStub:
        return anomalies_pb2_grpc.AnomalyServiceStub(self.channels["governance"])

    @property
    def costs(self) -> costs_pb2_grpc.CostServiceAsyncStub:
        return costs_pb2_grpc.CostServiceStub(self.channels["governance"])

    @property
    def budgets(self) -> budgets_pb2_grpc.BudgetServiceAsyncStub:
        return budgets_pb2_grpc.BudgetServiceStub(self.channels["governance"])

    @property
    def alerts(self) -> alerts_pb2_grpc.AlertServiceAsyncStub:
        return alerts_pb2_grpc.AlertServiceStub(self.channels["governance"])

    @property
    def keys(self) -> keys_pb2_grpc.KeyServiceAsyncStub:
        return keys_pb2_grpc.KeyServiceStub(self.channels["governance"])

    @property
    def kms(self) -> keys_pb2_grpc.KmsServiceAsyncStub:
        return keys_pb2_grpc.KmsServiceStub(self.channels["governance"])

    @property
    def roles(self) -> roles_pb2_grpc.RoleServiceAsyncStub:
        return roles_pb2_grpc.RoleServiceStub(self.channels["governance"])

    @property
    def agents(self) -> agents_pb2_grpc.AgentServiceAsyncStub:
        return agents_pb2_grpc.AgentServiceStub(self.channels["governance"])

    @property
    def authorization_policies(
        self,
    ) -> authorization_policies_pb2_grpc.AuthorizationPolicyServiceAsyncStub:
        return authorization_policies_pb2_grpc.AuthorizationPolicyServiceStub(
            self.channels["governance"]
        )

    @property
    def access(self) -> access_pb2_grpc.AccessServiceAsyncStub:
        return access_pb2_grpc.AccessServiceStub(self.channels["governance"])

    @property
    def exports(self) -> export_pb2_grpc.ExportServiceAsyncStub:
        return export_pb2_grpc.ExportServiceStub(self.channels["governance"])

    @property
    def consents(self) -> consent_pb2_grpc.ConsentServiceAsyncStub:
        return consent_pb2_grpc.ConsentServiceStub(self.channels["governance"])

    @property
    def erasures(self) -> erasure_pb2_grpc.ErasureServiceAsyncStub:
        return erasure_pb2_grpc.ErasureServiceStub(self.channels["governance"])

    @property
    def governance_operations(self) -> Any:
        """`google.longrunning.Operations` of the governance service, which has no types."""
        return operations_pb2_grpc.OperationsStub(self.channels["governance"])

    @property
    def constraints(self) -> constraints_pb2_grpc.ConstraintServiceAsyncStub:
        return constraints_pb2_grpc.ConstraintServiceStub(self.channels["governance"])

    @property
    def approvals(self) -> approvals_pb2_grpc.ApprovalServiceAsyncStub:
        return approvals_pb2_grpc.ApprovalServiceStub(self.channels["governance"])

    @property
    def sync(self) -> sync_pb2_grpc.SyncServiceAsyncStub:
        return sync_pb2_grpc.SyncServiceStub(self.channels["sync"])

    @property
    def documents(self) -> documents_pb2_grpc.DocumentServiceAsyncStub:
        return documents_pb2_grpc.DocumentServiceStub(self.channels["sync"])

    @property
    def live(self) -> live_pb2_grpc.LiveServiceAsyncStub:
        return live_pb2_grpc.LiveServiceStub(self.channels["sync"])
