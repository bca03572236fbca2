"""Registered agents, as their owners and administrators meet them."""

import asyncio
from uuid import uuid4

import grpc

from aeterna.governance.v1 import agents_pb2 as pb
from libs.auth import Role
from tests.errors import fails_with, reason_of
from tests.integration.authorization.conftest import Client
from tests.suite import Suite


async def test_an_agent_is_registered_changed_and_listed(client: Client) -> None:
    registered = await client.register("planner", "memory:read", "org:read", "memory:read")

    assert registered.name == "agents/planner"
    assert registered.owner == "ann"
    assert list(registered.capabilities) == ["memory:read", "org:read"]
    assert registered.max_delegation_depth == 3
    assert registered.state == pb.AGENT_STATE_ACTIVE

    changed = await client.update(
        "planner", "capabilities", "max_delegation_depth", max_delegation_depth=1
    )
    assert (list(changed.capabilities), changed.max_delegation_depth) == ([], 1)
    assert changed.etag != registered.etag
    listing = await client.suite.agents.ListAgents(pb.ListAgentsRequest(), metadata=client.metadata)
    assert list(listing.agents) == [changed]


async def test_what_is_no_capability_is_refused(client: Client) -> None:
    with fails_with("INVALID_REQUEST", "agent.capabilities[0]"):
        await client.register("planner", "memory:everything")


async def test_a_developer_owns_what_he_registers_and_others_leave_it_alone(client: Client) -> None:
    dev, other = client.by("dev", Role.DEVELOPER), client.by("oz", Role.DEVELOPER)
    await dev.register("helper", "memory:read")

    with fails_with("NOT_AGENT_OWNER", code=grpc.StatusCode.PERMISSION_DENIED):
        await other.update("helper", "capabilities", capabilities=["memory:delete"])
    with fails_with("NOT_AGENT_OWNER"):
        await other.register("spy", "memory:read", owner="dev")
    assert (await dev.update("helper", capabilities=["memory:write"])).owner == "dev"
    assert (await client.update("helper", owner="oz")).owner == "oz"


async def test_what_is_revoked_stays_revoked(client: Client) -> None:
    stub, metadata = client.suite.agents, client.metadata
    await client.register("planner", "memory:read")
    name = "agents/planner"

    suspended = await stub.SuspendAgent(pb.SuspendAgentRequest(name=name), metadata=metadata)
    assert suspended.state == pb.AGENT_STATE_SUSPENDED
    resumed = await stub.ResumeAgent(pb.ResumeAgentRequest(name=name), metadata=metadata)
    assert resumed.state == pb.AGENT_STATE_ACTIVE
    revoked = await stub.RevokeAgent(pb.RevokeAgentRequest(name=name), metadata=metadata)
    assert revoked.state == pb.AGENT_STATE_REVOKED

    with fails_with("AGENT_REVOKED"):
        await stub.ResumeAgent(pb.ResumeAgentRequest(name=name), metadata=metadata)
    with fails_with("AGENT_REVOKED"):
        await client.update("planner", capabilities=["memory:write"])
    with fails_with("AGENT_ALREADY_EXISTS"):
        await client.register("planner", "memory:write")


async def test_of_two_updates_that_saw_the_same_agent_one_is_refused(client: Client) -> None:
    etag = (await client.register("planner")).etag

    answers = await asyncio.gather(
        *(client.update("planner", capabilities=["org:read"], etag=etag) for _ in range(8)),
        return_exceptions=True,
    )

    refused = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    assert {reason_of(each) for each in refused} == {"ETAG_MISMATCH"}
    assert len(refused) == 7


async def test_the_same_registration_again_gets_the_first_answer(client: Client) -> None:
    request_id = str(uuid4())
    first = await client.register("planner", request_id=request_id)
    await client.update("planner", capabilities=["org:read"])

    assert await client.register("planner", request_id=request_id) == first


async def test_tenants_do_not_see_each_other(client: Client, suite: Suite) -> None:
    await client.register("planner")
    other = Client(suite, await suite.create_tenant("bolt"))

    with fails_with("AGENT_NOT_FOUND"):
        await suite.agents.GetAgent(
            pb.GetAgentRequest(name="agents/planner"), metadata=other.metadata
        )
    assert (await other.register("planner")).owner == "ann"
