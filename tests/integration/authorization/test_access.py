"""What is given holds in the services, what is tried is told, and everything is explained."""

from __future__ import annotations  # enums have their ValueType in the stubs only

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.governance.v1 import access_pb2, agents_pb2, roles_pb2
from aeterna.governance.v1 import authorization_policies_pb2 as policies_pb2
from aeterna.memory.v1 import memory_pb2
from libs.auth import Role
from libs.tenancy import TenantId
from libs.wakeups.settings import WakeupSettings
from tests.databases import Database
from tests.errors import fails_with, reason_of
from tests.eventually import eventually, within_a_second
from tests.integration.authorization.conftest import Client
from tests.suite import Metadata, Suite, open_suite

FORBID = """@advice("frozen until the audit is over")
forbid (principal, action == Aeterna::Action::"CreateMemory", resource)
when { resource.layer == "company" };"""


async def remember(
    suite: Suite, metadata: Metadata, team: str = "", layer: Any = memory_pb2.LAYER_COMPANY
) -> memory_pb2.Memory:
    memory = memory_pb2.Memory(content="A fox.", layer=layer)
    if team:
        memory.layer = memory_pb2.LAYER_TEAM
        memory.scope.org_id, memory.scope.team_id = "org", team
    request = memory_pb2.CreateMemoryRequest(memory=memory)
    return await suite.memory.CreateMemory(request, metadata=metadata)


async def heeded(ask: Callable[[], Awaitable[object]], refused: str = "") -> None:
    """Whoever asks a second from now on, at the latest, is answered, or refused for this reason."""

    async def holds() -> bool:
        try:
            await ask()
        except grpc.aio.AioRpcError as error:
            return reason_of(error) == refused
        return not refused

    await within_a_second(holds)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions are kept after a moment."""
    monkeypatch.setattr("libs.authorization.recording._EVERY", 0.05)


@pytest.fixture
async def replica(database: Database, tmp_path: Path) -> AsyncIterator[tuple[Client, Suite]]:
    """Two suites on one database: what one governs the other obeys."""
    wakeups = WakeupSettings(transport="postgres")
    async with (
        open_suite(database, tmp_path, wakeups) as one,
        open_suite(database, tmp_path, wakeups) as two,
    ):
        yield Client(one, await one.create_tenant("acme")), two


async def test_a_role_holds_in_the_memory_service_within_a_second(
    replica: tuple[Client, Suite],
) -> None:
    admin, other = replica
    bob = other.auth("acme", "bob", (Role.VIEWER,))
    with fails_with("PERMISSION_DENIED"):
        await remember(other, bob, "payments")

    given = await admin.assign("bob", "developer", scope=roles_pb2.RoleScope(team_id="payments"))
    await heeded(lambda: remember(other, bob, "payments"))
    with fails_with("PERMISSION_DENIED"):
        await remember(other, bob, "ledger")

    await admin.revoke(given.name)
    await heeded(lambda: remember(other, bob, "payments"), "PERMISSION_DENIED")


async def test_a_suspension_holds_within_a_second(replica: tuple[Client, Suite]) -> None:
    admin, other = replica
    bob = other.auth("acme", "bob", (Role.DEVELOPER,))
    await remember(other, bob)

    suspend = roles_pb2.SuspendUserRequest(user="bob")
    await admin.suite.roles.SuspendUser(suspend, metadata=admin.metadata)
    await heeded(lambda: remember(other, bob), "PERMISSION_DENIED")
    resume = roles_pb2.ResumeUserRequest(user="bob")
    await admin.suite.roles.ResumeUser(resume, metadata=admin.metadata)
    await heeded(lambda: remember(other, bob))


async def test_a_policy_holds_from_activation_to_rollback(replica: tuple[Client, Suite]) -> None:
    admin, other = replica
    bob = other.auth("acme", "bob", (Role.DEVELOPER,))
    await admin.create("frozen", FORBID)
    await remember(other, bob)

    await admin.activate("frozen")
    await heeded(lambda: remember(other, bob), "PERMISSION_DENIED")
    await remember(other, bob, "payments")
    bolt = Client(other, await other.create_tenant("bolt"))
    await remember(other, bolt.metadata)

    request = policies_pb2.DeactivateAuthorizationPolicyRequest(name="authorizationPolicies/frozen")
    stub = admin.suite.authorization_policies
    await stub.DeactivateAuthorizationPolicy(request, metadata=admin.metadata)
    await heeded(lambda: remember(other, bob))


async def test_an_agents_capabilities_hold_within_a_second(replica: tuple[Client, Suite]) -> None:
    admin, other = replica
    token = other.issuer.mint(
        TenantId("acme"), "bob", [Role.DEVELOPER], agent="planner", capabilities=["memory:write"]
    )
    planner = (("authorization", f"Bearer {token}"),)
    await remember(other, planner)

    await admin.register("planner", "memory:read")
    await heeded(lambda: remember(other, planner), "PERMISSION_DENIED")
    await admin.update("planner", capabilities=["memory:write"])
    await heeded(lambda: remember(other, planner))
    revoke = agents_pb2.RevokeAgentRequest(name="agents/planner")
    await admin.suite.agents.RevokeAgent(revoke, metadata=admin.metadata)
    await heeded(lambda: remember(other, planner), "PERMISSION_DENIED")


async def test_an_administrator_of_a_team_gives_roles_there_alone(client: Client) -> None:
    payments = roles_pb2.RoleScope(team_id="payments")
    await client.assign("cem", "admin", scope=payments)
    cem = client.by("cem", Role.DEVELOPER)

    await heeded(lambda: cem.assign("dan", "developer", scope=payments))
    for scope in (roles_pb2.RoleScope(team_id="ledger"), roles_pb2.RoleScope()):
        with fails_with("PERMISSION_DENIED"):
            await cem.assign("dan", "developer", scope=scope)
    (given,) = await client.bindings('user = "dan"')
    await cem.revoke(given.name)


async def test_an_agent_gives_no_roles_and_no_more_than_it_has(client: Client) -> None:
    token = client.suite.issuer.mint(
        TenantId("acme"),
        "ann",
        [Role.TENANT_ADMIN],
        agent="planner",
        capabilities=["agent:register", "memory:read"],
    )
    planner = Client(client.suite, (("authorization", f"Bearer {token}"),))

    with fails_with("PERMISSION_DENIED"):
        await planner.assign("bob", "viewer")
    with fails_with("BEYOND_OWN_GRANT"):
        await planner.register("helper", "memory:read", "memory:write")
    assert (await planner.register("helper", "memory:read")).owner == "ann"
    soon = Timestamp()
    soon.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    await client.register(
        "planner", "agent:register", "memory:read", max_delegation_depth=1, expire_time=soon
    )

    async def bounded() -> bool:
        try:
            agent = f"deep-{uuid4().hex}"
            await planner.register(agent, max_delegation_depth=2, expire_time=soon)
        except grpc.aio.AioRpcError as error:
            return reason_of(error) == "BEYOND_OWN_GRANT"
        return False

    await eventually(bounded)
    for agent, expected in ("planner", soon), ("helper", Timestamp(seconds=soon.seconds + 1)):
        with fails_with("BEYOND_OWN_GRANT"):
            await planner.update(agent, expire_time=expected)
    assert (await planner.update("helper", expire_time=soon)).expire_time == soon


async def simulate(
    client: Client, **values: Any
) -> policies_pb2.SimulateAuthorizationPoliciesResponse:
    trial = policies_pb2.PolicyTrial(
        name="authorizationPolicies/frozen", **(values.pop("trial", None) or {"text": FORBID})
    )
    request = policies_pb2.SimulateAuthorizationPoliciesRequest(trials=[trial], **values)
    stub = client.suite.authorization_policies
    return await stub.SimulateAuthorizationPolicies(request, metadata=client.metadata)


async def test_a_policy_is_tried_on_what_was_decided(client: Client) -> None:
    suite, bob = client.suite, client.by("bob", Role.DEVELOPER)
    for _ in range(3):
        await remember(suite, bob.metadata)
    await remember(suite, bob.metadata, "payments")
    await recorded(client, 4)

    outcome = await simulate(client)

    assert (outcome.newly_denied, outcome.newly_allowed) == (3, 0)
    (example,) = outcome.examples
    assert (example.principal, example.action, example.count) == ("user:bob", "CreateMemory", 3)
    assert "layer=company" in example.resource
    assert (example.allowed_now, example.allowed_then) == (True, False)
    assert list(example.policies_now) == ["aeterna:developer-memories"]
    assert list(example.policies_then) == ["authorizationPolicies/frozen"]
    assert await remember(suite, bob.metadata)  # nothing was changed


async def recorded(client: Client, count: int) -> None:
    """Waits until so many decisions about memories are kept."""
    sql = """SELECT coalesce(sum(asked), 0) FROM aeterna.decision
        WHERE tenant_id = 'acme' AND question->'thing'->>'kind' = 'Memory'"""
    async with client.suite.database.connect() as superuser:

        async def kept() -> bool:
            return bool(await superuser.fetchval(sql) >= count)

        await eventually(kept)


async def test_a_trial_of_no_change_and_of_another_time_changes_nothing(
    client: Client,
) -> None:
    await client.create("frozen", FORBID)
    await client.activate("frozen")
    bob = client.by("bob", Role.DEVELOPER)
    await heeded(lambda: remember(client.suite, bob.metadata), "PERMISSION_DENIED")
    await recorded(client, 1)

    same = await simulate(client, trial={"version": 1})
    without = await simulate(client, trial={"inactive": True})
    before = await simulate(client, end_time=Timestamp(seconds=1))

    assert (same.newly_denied, same.newly_allowed) == (0, 0)
    assert same.distinct > 0
    assert without.newly_allowed >= 1
    assert list(without.examples[0].policies_now) == ["authorizationPolicies/frozen"]
    assert (before.distinct, before.newly_denied) == (0, 0)


async def test_who_asked_is_told_to_those_who_may_read_the_trail(client: Client) -> None:
    bob = client.by("bob", Role.DEVELOPER)
    await remember(client.suite, bob.metadata)
    await recorded(client, 1)

    (example,) = (await simulate(bob)).examples

    assert example.principal == ""
    with fails_with("PERMISSION_DENIED"):
        await simulate(client.by("vi", Role.VIEWER))


async def test_others_decisions_are_not_tried(client: Client) -> None:
    await remember(client.suite, client.by("bob", Role.DEVELOPER).metadata)
    await recorded(client, 1)
    other = Client(client.suite, await client.suite.create_tenant("bolt"))

    assert (await simulate(other)).newly_denied == 0


COMPANY = access_pb2.AccessResource(layer="company")


async def test_a_check_says_which_policies_decide_and_what_they_say(client: Client) -> None:
    await client.create("frozen", FORBID)
    bob = access_pb2.AccessPrincipal(user="bob", roles=["developer"])
    allowed = await client.check("CreateMemory", principal=bob, resource=COMPANY)
    await client.activate("frozen")

    denied = await client.check("CreateMemory", principal=bob, resource=COMPANY)

    assert allowed.allowed
    assert [each.policy for each in allowed.policies] == ["aeterna:developer-memories"]
    assert 'Role::"developer"' in allowed.policies[0].text
    assert not denied.allowed
    (policy,) = denied.policies
    assert policy.policy == "authorizationPolicies/frozen"
    assert policy.text == FORBID
    assert dict(policy.annotations) == {"advice": "frozen until the audit is over"}
    assert denied.sufficient_role == ""


async def test_a_check_says_which_role_would_be_enough(client: Client) -> None:
    vi = access_pb2.AccessPrincipal(user="vi", roles=["viewer"])
    team = access_pb2.AccessResource(layer="team", team_id="payments")

    denied = await client.check("CreateMemory", principal=vi, resource=team)
    await client.assign("vi", "tech_lead", scope=roles_pb2.RoleScope(team_id="payments"))
    allowed = await client.check("CreateMemory", principal=vi, resource=team)

    assert (denied.allowed, denied.reason) == (False, "no policy permits it")
    assert (list(denied.roles), denied.sufficient_role) == (["viewer"], "developer")
    assert allowed.allowed
    assert list(allowed.roles) == ["tech_lead", "viewer"]


async def test_a_check_of_an_agent_heeds_what_it_may(client: Client) -> None:
    await client.register("planner", "memory:read")
    agent = access_pb2.AccessPrincipal(
        user="bob", roles=["developer"], agent="planner", capabilities=["memory:write"]
    )

    assert (await client.check("GetMemory", principal=agent, resource=COMPANY)).allowed
    denied = await client.check("CreateMemory", principal=agent, resource=COMPANY)

    assert [each.policy for each in denied.policies] == ["aeterna:needs-memory-write"]


async def test_everyone_checks_himself_and_administrators_others(client: Client) -> None:
    vi = client.by("vi", Role.VIEWER)
    assert not (await vi.check("CreateMemory", resource=COMPANY)).allowed
    assert (await vi.check("GetMemory", resource=COMPANY)).allowed

    bob = access_pb2.AccessPrincipal(user="bob", roles=["viewer"])
    with fails_with("PERMISSION_DENIED"):
        await vi.check("GetMemory", principal=bob, resource=COMPANY)
    assert (await client.check("GetMemory", principal=bob, resource=COMPANY)).allowed


async def test_several_checks_are_answered_in_order(client: Client) -> None:
    actions = ["GetMemory", "CreateTenant", "AssignRole"]
    request = access_pb2.BatchCheckAccessRequest(
        requests=[access_pb2.CheckAccessRequest(action=each) for each in actions]
    )

    answer = await client.suite.access.BatchCheckAccess(request, metadata=client.metadata)

    assert [each.allowed for each in answer.responses] == [True, False, True]
    assert [each.policy for each in answer.responses[1].policies] == ["aeterna:platform-alone"]


async def test_what_is_no_action_is_refused(client: Client) -> None:
    with fails_with("INVALID_REQUEST", "action"):
        await client.check("Fly")
    with fails_with("INVALID_REQUEST", "resource.kind"):
        await client.check("GetMemory", resource=access_pb2.AccessResource(kind="Tenant"))


async def test_a_permit_of_a_tenant_adds_to_what_a_role_may(replica: tuple[Client, Suite]) -> None:
    admin, other = replica
    vi = other.auth("acme", "vi", (Role.VIEWER,))
    permit = """permit (principal == Aeterna::User::"vi",
        action == Aeterna::Action::"CreateMemory", resource)
        when { resource.team == "payments" };"""
    await admin.create("guest", permit)
    with fails_with("PERMISSION_DENIED"):
        await remember(other, vi, "payments")

    await admin.activate("guest")

    await heeded(lambda: remember(other, vi, "payments"))
    with fails_with("PERMISSION_DENIED"):
        await remember(other, vi, "ledger")


async def test_a_tenant_that_forbids_everything_takes_it_back(client: Client) -> None:
    await client.create("nothing", "forbid (principal, action, resource);")
    await client.activate("nothing")
    await heeded(lambda: client.bindings(), "PERMISSION_DENIED")

    request = policies_pb2.DeactivateAuthorizationPolicyRequest(
        name="authorizationPolicies/nothing"
    )
    stub = client.suite.authorization_policies
    await stub.DeactivateAuthorizationPolicy(request, metadata=client.metadata)

    await heeded(lambda: client.bindings())
