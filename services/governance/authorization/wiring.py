"""The object graph of authorization."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from aeterna.governance.v1 import agents_pb2_grpc, roles_pb2_grpc
from libs.aip.ids import Uuid7
from libs.service.platform import Platform
from libs.service.server import Registration
from services.governance.authorization.api.agents import AgentServicer
from services.governance.authorization.api.roles import RoleServicer
from services.governance.authorization.store.agents import PostgresAgents
from services.governance.authorization.store.changing import Changing
from services.governance.authorization.store.roles import PostgresRoles


def authorization(platform: Platform) -> Sequence[Registration]:
    """The servicers over the shards of the platform."""
    changing = Changing(platform.wakeups)
    roles = RoleServicer(PostgresRoles(changing, _now, Uuid7()), platform.keyring)
    agents = AgentServicer(PostgresAgents(changing, _now), platform.keyring)
    return [
        Registration(
            "aeterna.governance.v1.RoleService",
            partial(roles_pb2_grpc.add_RoleServiceServicer_to_server, roles),
        ),
        Registration(
            "aeterna.governance.v1.AgentService",
            partial(agents_pb2_grpc.add_AgentServiceServicer_to_server, agents),
        ),
    ]


def _now() -> datetime:
    return datetime.now(UTC)
