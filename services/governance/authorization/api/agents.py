"""gRPC servicer of agents."""

import re
from typing import Any

from aeterna.governance.v1 import agents_pb2 as pb
from aeterna.governance.v1 import agents_pb2_grpc
from libs.aip.paging import Page
from libs.authorization.rules import MAX_DEPTH, AgentState
from libs.encryption.keyring import Keyring
from libs.errors import invalid
from libs.service.caller import caller
from libs.service.convert import asked, masked, moment, timestamp
from libs.service.pipeline import Context
from services.governance.authorization.api.common import after, named, person
from services.governance.authorization.domain.agents import COLLECTION, Agent
from services.governance.authorization.ports import Agents

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}")
_MUTABLE = ("owner", "capabilities", "max_delegation_depth", "expire_time")
_FIELDS = {  # the own name of each
    "owner": "owner",
    "capabilities": "capabilities",
    "max_delegation_depth": "max_depth",
    "expire_time": "expires_at",
}
_Turning = pb.SuspendAgentRequest | pb.ResumeAgentRequest | pb.RevokeAgentRequest


class AgentServicer(agents_pb2_grpc.AgentServiceServicer):
    """`aeterna.governance.v1.AgentService` over the store."""

    def __init__(self, agents: Agents, keyring: Keyring) -> None:
        self._agents, self._keyring = agents, keyring

    async def RegisterAgent(self, request: pb.RegisterAgentRequest, context: Context) -> pb.Agent:
        current = caller()
        values = _values(request.agent)
        if not request.agent.owner:
            del values["owner"]
        by = await asked(current, self._keyring, "RegisterAgent", request)
        return _message(
            await self._agents.register(
                current.route, by, person(current), request.agent_id, values
            )
        )

    async def GetAgent(self, request: pb.GetAgentRequest, context: Context) -> pb.Agent:
        return _message(await self._agents.get(caller().route, _id(request.name)))

    async def ListAgents(
        self, request: pb.ListAgentsRequest, context: Context
    ) -> pb.ListAgentsResponse:
        current = caller()
        binding = f"ListAgents/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._agents.page(current.route, after(page), page.limit)
        shown, token = page.cut(found, lambda each: each.id)
        return pb.ListAgentsResponse(agents=map(_message, shown), next_page_token=token)

    async def UpdateAgent(self, request: pb.UpdateAgentRequest, context: Context) -> pb.Agent:
        current, given = caller(), request.agent
        agent = _id(given.name, "agent.name")
        names = masked(given, list(request.update_mask.paths), _MUTABLE)
        values = _values(given)
        changes = {_FIELDS[name]: values[_FIELDS[name]] for name in names}
        if "owner" in changes:
            named(given.owner, "agent.owner")
        by = await asked(current, self._keyring, "UpdateAgent", request)
        return _message(
            await self._agents.update(
                current.route, by, person(current), agent, given.etag, changes
            )
        )

    async def SuspendAgent(self, request: pb.SuspendAgentRequest, context: Context) -> pb.Agent:
        return await self._turn("SuspendAgent", request, AgentState.SUSPENDED)

    async def ResumeAgent(self, request: pb.ResumeAgentRequest, context: Context) -> pb.Agent:
        return await self._turn("ResumeAgent", request, AgentState.ACTIVE)

    async def RevokeAgent(self, request: pb.RevokeAgentRequest, context: Context) -> pb.Agent:
        return await self._turn("RevokeAgent", request, AgentState.REVOKED)

    async def _turn(self, method: str, request: _Turning, state: AgentState) -> pb.Agent:
        current, agent = caller(), _id(request.name)
        by = await asked(current, self._keyring, method, request)
        return _message(await self._agents.turn(current.route, by, person(current), agent, state))


def _id(name: str, field: str = "name") -> str:
    collection, _, agent = name.partition("/")
    if collection != COLLECTION or not _ID.fullmatch(agent):
        raise invalid(field, f"must be {COLLECTION}/ and an id of letters, digits and ._:@+-")
    return agent


def _values(message: pb.Agent) -> dict[str, Any]:
    """The fields of a message that can be set, by their own names."""
    if message.owner:
        named(message.owner, "agent.owner")
    ends = message.HasField("expire_time")
    return {
        "owner": message.owner,
        "capabilities": tuple(sorted(set(message.capabilities))),
        "max_depth": message.max_delegation_depth or MAX_DEPTH,
        "expires_at": moment(message.expire_time, "agent.expire_time") if ends else None,
    }


def _message(agent: Agent) -> pb.Agent:
    return pb.Agent(
        name=f"{COLLECTION}/{agent.id}",
        owner=agent.owner,
        capabilities=agent.capabilities,
        max_delegation_depth=agent.max_depth,
        expire_time=timestamp(agent.expires_at) if agent.expires_at else None,
        state=pb.AgentState.Value(f"AGENT_STATE_{agent.state.name}"),
        etag=agent.etag,
        create_time=timestamp(agent.created_at),
        update_time=timestamp(agent.updated_at),
        change_number=agent.number,
    )
