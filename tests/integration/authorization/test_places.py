"""What people, agents and bound roles may reach, through the real services."""

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from aeterna.common.v1.change_pb2 import Change
from aeterna.knowledge.v1 import knowledge_pb2 as kb
from aeterna.memory.v1 import maintenance_pb2, settings_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.sync.v1 import sync_pb2
from libs.auth import Role
from tests.errors import fails_with, info_of
from tests.eventually import eventually, within_a_second
from tests.integration.authorization.rules import Ruled, Someone
from tests.suite import Suite

_STRATEGIES = ("SEMANTIC", "LEXICAL", "HYBRID", "REASONED")


@pytest.fixture
async def acme(suite: Suite) -> Ruled:
    await suite.create_tenant("acme")
    return Ruled(suite, "acme")


@dataclass(frozen=True)
class World:
    """Memories in every kind of place, by what they say."""

    ruled: Ruled
    names: dict[str, str]


@pytest.fixture
async def world(acme: Ruled) -> World:
    admin = acme.someone("root", Role.TENANT_ADMIN)
    return World(acme, await _memories(admin))


async def _memories(admin: Someone) -> dict[str, str]:
    places = {
        "fox of ann": ("user", {"user_id": "ann"}),
        "fox of bob": ("user", {"user_id": "bob"}),
        "fox of a session of bob": ("session", {"user_id": "bob", "session_id": "s"}),
        "fox of an agent of bob": ("agent", {"user_id": "bob", "agent_id": "ann"}),
        "fox of red": ("team", {"team_id": "red"}),
        "fox of blue by bob": ("team", {"team_id": "blue", "user_id": "bob"}),
        "fox of x": ("project", {"project_id": "x", "team_id": "red"}),
        "fox of all": ("company", {}),
    }
    return {
        content: (await admin.add(content, layer, **scope)).name
        for content, (layer, scope) in places.items()
    }


_SHARED = {"fox of red", "fox of blue by bob", "fox of x", "fox of all"}
_BOBS = {"fox of bob", "fox of a session of bob", "fox of an agent of bob"}


async def _reached(someone: Someone, names: dict[str, str]) -> set[str]:
    """What is got, which is what is listed and what each search finds, whatever scope it names."""
    got = {content for content, name in names.items() if await _gets(someone, name)}
    assert await someone.list() == got
    for strategy in _STRATEGIES:
        assert await someone.search("fox", strategy, limit=100) == got, strategy
    return got


async def _gets(someone: Someone, name: str) -> bool:
    try:
        await someone.get(name)
    except grpc.aio.AioRpcError as error:
        return bool(info_of(error).reason != "PERMISSION_DENIED")
    return True


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER, Role.TECH_LEAD, Role.ARCHITECT])
async def test_personal_memories_are_the_person_s_own(world: World, role: Role) -> None:
    ann = world.ruled.someone("ann", role)
    bob = world.ruled.someone("bob", role)

    assert await _reached(ann, world.names) == _SHARED | {"fox of ann"}
    assert await _reached(bob, world.names) == _SHARED | _BOBS


@pytest.mark.parametrize("role", [Role.ADMIN, Role.TENANT_ADMIN])
async def test_administrators_reach_everything(world: World, role: Role) -> None:
    assert await _reached(world.ruled.someone("eve", role), world.names) == world.names.keys()


async def test_a_scope_that_names_another_person_shows_no_more(world: World) -> None:
    ann = world.ruled.someone("ann", Role.DEVELOPER)
    scope = pb.SearchMemoriesRequest().scope
    scope.user_id = "bob"

    for strategy in _STRATEGIES:
        found = await ann.search("fox", strategy, limit=100, scope=scope)
        assert found == _SHARED, strategy


async def test_an_agent_reaches_what_its_person_does_and_no_more(world: World) -> None:
    may = {"capabilities": ["memory:read"]}
    of_ann = world.ruled.someone("ann", Role.DEVELOPER, agent="scout", **may)
    of_admin = world.ruled.someone("ann", Role.ADMIN, agent="scout", **may)

    assert await _reached(of_ann, world.names) == _SHARED | {"fox of ann"}
    assert await _reached(of_admin, world.names) == _SHARED | {"fox of ann"}
    with fails_with("PERMISSION_DENIED"):
        await of_ann.add("another fox")
    with fails_with("PERMISSION_DENIED"):
        await world.ruled.someone("ann", Role.DEVELOPER, agent="scout").list()


async def test_a_bound_role_acts_in_its_scope_only(acme: Ruled) -> None:
    await acme.bind("ann", Role.DEVELOPER, team="red")
    await acme.bind("eve", Role.TECH_LEAD, team="red", project="x")
    names = await _memories(acme.someone("root", Role.TENANT_ADMIN))
    ann = acme.someone("ann", Role.VIEWER)
    agents = acme.someone("eve", Role.AGENT, agent="scout", capabilities=["memory:write"])

    assert await _reached(ann, names) == _SHARED | {"fox of ann"}
    await ann.add("a red fox", "team", team_id="red")
    await ann.add("a red fox of y", "project", team_id="red", project_id="y")
    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await ann.add("a blue fox", "team", team_id="blue")
    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await ann.add("a fox of nobody's")
    await agents.add("a fox that an agent saw", "team", team_id="red")


async def test_a_policy_of_the_tenant_hides_before_it_is_ranked(acme: Ruled) -> None:
    await acme.policy(
        "no-red",
        'forbid(principal in Aeterna::Role::"developer", action in Aeterna::Action::"memory:read",'
        ' resource) when { resource.team == "red" && resource.layer == "team" };',
    )
    names = await _memories(acme.someone("root", Role.TENANT_ADMIN))
    ann = acme.someone("ann", Role.DEVELOPER)

    assert await _reached(ann, names) == (_SHARED | {"fox of ann"}) - {"fox of red"}
    for strategy in _STRATEGIES:  # what is hidden takes no place
        assert len(await ann.search("fox", strategy, limit=3)) == 3
    with pytest.raises(grpc.aio.AioRpcError) as denied:
        await ann.get(names["fox of red"])
    assert info_of(denied.value).metadata["policies"] == "no-red"


async def test_a_policy_of_the_tenant_shows_more(acme: Ruled) -> None:
    await acme.policy(
        "ann-cares-for-bob",
        'permit(principal == Aeterna::User::"ann", action in Aeterna::Action::"memory:read",'
        ' resource) when { resource.user == "bob" && resource.layer != "agent" };',
    )
    names = await _memories(acme.someone("root", Role.TENANT_ADMIN))
    ann, eve = acme.someone("ann", Role.VIEWER), acme.someone("eve", Role.VIEWER)

    more = {"fox of ann", "fox of bob", "fox of a session of bob"}
    assert await _reached(ann, names) == _SHARED | more
    assert await _reached(eve, names) == _SHARED


async def test_a_suspended_user_may_nothing(acme: Ruled) -> None:
    await acme.suspend("ann")
    ann = acme.someone("ann", Role.TENANT_ADMIN)
    agents = acme.someone("ann", Role.ADMIN, agent="scout", capabilities=["memory:read"])

    for each in (ann, agents):
        with pytest.raises(grpc.aio.AioRpcError) as denied:
            await each.list()
        assert info_of(denied.value).metadata["policies"] == "aeterna:suspended-user"


async def test_rules_hold_within_a_second(acme: Ruled) -> None:
    ann, admin = acme.someone("ann", Role.DEVELOPER), acme.someone("root", Role.ADMIN)
    await ann.list()
    await acme.policy("closed", 'forbid(principal == Aeterna::User::"ann", action, resource);')
    await admin.add("whatever")  # a change of the tenant, as the policy would be

    async def denied() -> bool:
        try:
            await ann.list()
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.PERMISSION_DENIED
        return False

    await within_a_second(denied)


async def test_knowledge_is_hidden_where_a_policy_says_so(acme: Ruled) -> None:
    await acme.policy(
        "no-drafts",
        'forbid(principal in Aeterna::Role::"viewer", action in Aeterna::Action::"knowledge:read",'
        ' resource) when { resource.status == "draft" };',
    )
    lead, viewer = acme.someone("lee", Role.TECH_LEAD), acme.someone("vic", Role.VIEWER)
    stub = acme.suite.knowledge
    item = kb.KnowledgeItem(
        kind=kb.KNOWLEDGE_KIND_ADR, layer=kb.KNOWLEDGE_LAYER_COMPANY, title="t", content="fox"
    )
    made = await stub.CreateKnowledgeItem(
        kb.CreateKnowledgeItemRequest(knowledge_item=item), metadata=lead.metadata
    )
    search = kb.SearchKnowledgeItemsRequest(query="fox", statuses=[kb.KNOWLEDGE_STATUS_DRAFT])

    async def seen(by: Someone) -> tuple[int, int]:
        listed = await stub.ListKnowledgeItems(kb.ListKnowledgeItemsRequest(), metadata=by.metadata)
        found = await stub.SearchKnowledgeItems(search, metadata=by.metadata)
        return len(listed.knowledge_items), len(found.results)

    assert (await seen(lead), await seen(viewer)) == ((1, 1), (0, 0))
    with fails_with("PERMISSION_DENIED"):
        await stub.GetKnowledgeItem(
            kb.GetKnowledgeItemRequest(name=made.name), metadata=viewer.metadata
        )


async def test_changes_of_what_is_hidden_are_not_heard_of(world: World) -> None:
    suite = world.ruled.suite
    ann = world.ruled.someone("ann", Role.DEVELOPER)
    names = {name: content for content, name in world.names.items()}
    request = sync_pb2.ListChangesRequest()

    answer = await suite.sync.ListChanges(request, metadata=ann.metadata)
    heard = {names[each.resource] for each in answer.changes if each.resource in names}
    assert heard == _SHARED | {"fox of ann"}
    assert answer.checkpoint == answer.head

    call = suite.sync.Subscribe(sync_pb2.SubscribeRequest(since=0), metadata=ann.metadata)
    told: list[Change] = []
    async with asyncio.timeout(10):
        while len(told) < len(answer.changes):
            event: Any = await call.read()
            told += [event.change] if event.HasField("change") else []
    call.cancel()
    assert told == list(answer.changes)


async def test_denials_are_in_the_trail_and_equal_ones_are_counted(acme: Ruled) -> None:
    viewer = acme.someone("vic", Role.VIEWER)
    for _ in range(50):
        with fails_with("PERMISSION_DENIED"):
            await viewer.add("a fox")
    with fails_with("PERMISSION_DENIED"):
        request = maintenance_pb2.ReindexMemoriesRequest()
        await viewer.suite.memory_maintenance.ReindexMemories(request, metadata=viewer.metadata)

    async def written() -> bool:
        return len(await acme.denials()) >= 2

    await eventually(written)
    entries = await acme.denials()
    assert [each.details["action"] for each in entries] == ["CreateMemory", "ReindexMemories"]
    assert {each.change.actor for each in entries} == {"user:vic"}
    assert all(each.details["policies"] == "" for each in entries)
    assert int(entries[0].details["count"]) < 50  # the others come when the window is over


@pytest.mark.parametrize("policy", ["REPORT", "MERGE"])
async def test_a_near_duplicate_tells_nothing_of_what_may_not_be_read(
    acme: Ruled, policy: str
) -> None:
    await acme.policy(
        "no-red",
        'forbid(principal in Aeterna::Role::"developer", action in Aeterna::Action::"memory:read",'
        ' resource) when { resource.team == "red" && resource.layer == "team" };',
    )
    admin, ann = acme.someone("root", Role.TENANT_ADMIN), acme.someone("ann", Role.DEVELOPER)
    settings = settings_pb2.MemorySettings(name="memorySettings")
    settings.near_duplicates = settings_pb2.NearDuplicatePolicy.Value(
        f"NEAR_DUPLICATE_POLICY_{policy}"
    )
    request = settings_pb2.UpdateMemorySettingsRequest(memory_settings=settings)
    await acme.suite.memory_settings.UpdateMemorySettings(request, metadata=admin.metadata)
    hidden = pb.Memory(layer=pb.LAYER_TEAM, content="The launch is in March 2031.", source="board")
    hidden.scope.team_id = "red"
    stub = acme.suite.memory
    known = await stub.CreateMemory(pb.CreateMemoryRequest(memory=hidden), metadata=admin.metadata)

    made = await ann.add("The launch is in March 2031.", "team", team_id="red")

    assert made.name != known.name
    assert (made.source, made.occurrences, list(made.near_duplicates)) == ("", 1, [])
    with fails_with("PERMISSION_DENIED"):
        await ann.get(known.name)
