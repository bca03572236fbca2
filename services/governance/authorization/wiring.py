"""The object graph of authorization."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from aeterna.governance.v1 import (
    access_pb2_grpc,
    agents_pb2_grpc,
    authorization_policies_pb2_grpc,
    roles_pb2_grpc,
)
from libs.aip.ids import Uuid7
from libs.authorization.engine import actions
from libs.service.platform import Platform
from libs.service.server import Registration
from services.governance.authorization.api.access import AccessServicer
from services.governance.authorization.api.agents import AgentServicer
from services.governance.authorization.api.policies import PolicyServicer
from services.governance.authorization.api.roles import RoleServicer
from services.governance.authorization.domain.cedar import Grammar
from services.governance.authorization.operations import Check, Engines, Simulate
from services.governance.authorization.store.agents import PostgresAgents
from services.governance.authorization.store.changing import Changing
from services.governance.authorization.store.decisions import PostgresDecisions
from services.governance.authorization.store.policies import PostgresPolicies
from services.governance.authorization.store.roles import PostgresRoles

# Groups that tenants' own policies permit nothing of.
_CLOSED = frozenset({"platform:administer", "policy:administer"})


def authorization(platform: Platform) -> Sequence[Registration]:
    """The servicers over the shards of the platform."""
    changing = Changing(platform.wakeups)
    roles = RoleServicer(PostgresRoles(changing, _now, Uuid7()), platform.keyring)
    agents = AgentServicer(PostgresAgents(changing, _now), platform.keyring)
    grammar = Grammar(actions().schema, actions().members, _CLOSED)
    kept = PostgresPolicies(changing, platform.keyring, grammar, _now, Uuid7())
    engines = Engines()
    simulate = Simulate(PostgresDecisions(), engines)
    policies = PolicyServicer(kept, grammar, simulate, platform.keyring)
    access = AccessServicer(Check(engines, _now))
    return [
        Registration(
            "aeterna.governance.v1.RoleService",
            partial(roles_pb2_grpc.add_RoleServiceServicer_to_server, roles),
        ),
        Registration(
            "aeterna.governance.v1.AgentService",
            partial(agents_pb2_grpc.add_AgentServiceServicer_to_server, agents),
        ),
        Registration(
            "aeterna.governance.v1.AuthorizationPolicyService",
            partial(
                authorization_policies_pb2_grpc.add_AuthorizationPolicyServiceServicer_to_server,
                policies,
            ),
        ),
        Registration(
            "aeterna.governance.v1.AccessService",
            partial(access_pb2_grpc.add_AccessServiceServicer_to_server, access),
        ),
    ]


def _now() -> datetime:
    return datetime.now(UTC)
