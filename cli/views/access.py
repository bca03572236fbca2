"""Tenants, and who may do what."""

from collections.abc import Sequence

from google.protobuf.message import Message

from aeterna.governance.v1 import agents_pb2, authorization_policies_pb2, roles_pb2, tenants_pb2
from cli.views.cells import Columns, enum, scope, time


def _policy_state(state: int) -> str:
    return enum(authorization_policies_pb2.AuthorizationPolicyState, state)


def _answer(allowed: bool, policies: Sequence[str]) -> str:
    """What is decided and by which policies."""
    return " ".join(["allowed" if allowed else "denied", *(policies or ["(none permits)"])])


COLUMNS: dict[type[Message], Columns] = {
    tenants_pb2.Tenant: {
        "NAME": lambda each: each.name,
        "STATE": lambda each: enum(tenants_pb2.TenantState, each.state),
        "SHARD": lambda each: each.placement.shard,
        "EPOCH": lambda each: str(each.placement.epoch),
        "CREATED": lambda each: time(each.create_time),
        "DISPLAY NAME": lambda each: each.display_name,
    },
    roles_pb2.RoleBinding: {
        "NAME": lambda each: each.name,
        "USER": lambda each: each.user,
        "ROLE": lambda each: enum(roles_pb2.Role, each.role),
        "SCOPE": lambda each: scope(each.scope),
        "UNTIL": lambda each: time(each.expire_time),
        "GRANTED BY": lambda each: each.granted_by,
    },
    roles_pb2.SuspendedUser: {
        "USER": lambda each: each.user,
        "SINCE": lambda each: time(each.suspend_time),
        "SUSPENDED BY": lambda each: each.suspended_by,
    },
    agents_pb2.Agent: {
        "NAME": lambda each: each.name,
        "STATE": lambda each: enum(agents_pb2.AgentState, each.state),
        "OWNER": lambda each: each.owner,
        "DEPTH": lambda each: str(each.max_delegation_depth),
        "UNTIL": lambda each: time(each.expire_time),
        "CAPABILITIES": lambda each: " ".join(each.capabilities),
    },
    authorization_policies_pb2.AuthorizationPolicy: {
        "NAME": lambda each: each.name,
        "STATE": lambda each: _policy_state(each.state),
        "ACTIVE": lambda each: str(each.active_version or ""),
        "NEWEST": lambda each: str(each.latest_version),
        "UPDATED": lambda each: time(each.update_time),
        "DESCRIPTION": lambda each: each.description,
    },
    authorization_policies_pb2.AuthorizationPolicyVersion: {
        "V": lambda each: str(each.version),
        "STATE": lambda each: _policy_state(each.state),
        "AUTHOR": lambda each: each.author,
        "CREATED": lambda each: time(each.create_time),
        "ACTIVATED": lambda each: time(each.activate_time),
        "DESCRIPTION": lambda each: each.description,
        "TEXT": lambda each: each.text,
    },
    authorization_policies_pb2.ChangedDecision: {
        "COUNT": lambda each: str(each.count),
        "PRINCIPAL": lambda each: each.principal,
        "ACTION": lambda each: each.action,
        "RESOURCE": lambda each: each.resource,
        "NOW": lambda each: _answer(each.allowed_now, each.policies_now),
        "THEN": lambda each: _answer(each.allowed_then, each.policies_then),
    },
}
