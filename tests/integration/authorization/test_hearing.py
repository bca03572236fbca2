"""What people hear of whose roles hold in an organization, a team or a project."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.common.v1.change_pb2 import Change
from aeterna.knowledge.v1 import knowledge_pb2 as kb
from aeterna.memory.v1 import memory_pb2
from aeterna.sync.v1 import sync_pb2 as pb
from libs.auth import Role
from tests.errors import fails_with
from tests.integration.authorization.rules import Ruled, Someone
from tests.suite import Suite

SOON = 20.0  # seconds
MEMORIES: Mapping[str, tuple[str, dict[str, str]]] = {
    "all": ("company", {}),
    "red": ("team", {"org_id": "o", "team_id": "red"}),
    "blue": ("team", {"org_id": "o", "team_id": "blue"}),
    "x": ("project", {"org_id": "o", "team_id": "red", "project_id": "x"}),
    "x of blue": ("project", {"org_id": "o", "team_id": "blue", "project_id": "x"}),
    "abroad": ("org", {"org_id": "p"}),
    "ann in red": ("user", {"user_id": "ann", "org_id": "o", "team_id": "red"}),
    "tea in red": ("user", {"user_id": "tea", "org_id": "o", "team_id": "red"}),
    "tea": ("user", {"user_id": "tea"}),
}
ITEMS: Mapping[str, tuple[str, dict[str, str]]] = {
    name: MEMORIES[name] for name in ("all", "red", "blue", "x")
}
_WRITE = "SELECT aeterna.begin_write('acme', 1)"
_APPEND = """
    SELECT aeterna.append_changes(ARRAY[$1], ARRAY['updated'], ARRAY['user:ann'], ARRAY[''],
        ARRAY['team'], ARRAY[''], ARRAY[''], ARRAY[''], $2::jsonb[])
"""


@dataclass(frozen=True)
class World:
    """A tenant with things in many places, and what each is called."""

    ruled: Ruled
    admin: Someone
    names: dict[str, str]

    async def heard(self, someone: Someone) -> set[str]:
        """The things whose changes are listed."""
        request = pb.ListChangesRequest(page_size=1000)
        answer = await someone.suite.sync.ListChanges(request, metadata=someone.metadata)
        assert answer.checkpoint == answer.head
        return {self.names.get(each.resource, each.resource) for each in answer.changes}


@pytest.fixture
async def world(suite: Suite) -> World:
    await suite.create_tenant("acme")
    ruled = Ruled(suite, "acme")
    await ruled.bind("tea", Role.DEVELOPER, team="red")
    await ruled.bind("pro", Role.VIEWER, team="red", project="x")
    await ruled.bind("oscar", Role.VIEWER, org="o")
    await ruled.bind("both", Role.VIEWER, team="red")
    await ruled.bind("both", Role.VIEWER, org="p")
    world = World(ruled, ruled.someone("root", Role.TENANT_ADMIN), {})
    await _fill(world)
    return world


async def _fill(world: World) -> None:
    for name, (layer, scope) in MEMORIES.items():
        world.names[(await world.admin.add(name, layer, **scope)).name] = f"memory {name}"
    for name, (layer, scope) in ITEMS.items():
        world.names[await _add_item(world.admin, layer, scope)] = f"item {name}"


async def _add_item(by: Someone, layer: str, scope: dict[str, str]) -> str:
    item = kb.KnowledgeItem(
        kind=kb.KNOWLEDGE_KIND_ADR,
        layer=kb.KnowledgeLayer.Value(f"KNOWLEDGE_LAYER_{layer.upper()}"),
        scope=scope_pb2.Scope(**scope),
        title="t",
        content="c",
    )
    request = kb.CreateKnowledgeItemRequest(knowledge_item=item)
    made = await by.suite.knowledge.CreateKnowledgeItem(request, metadata=by.metadata)
    return str(made.name)


_RED = {"memory red", "memory x", "item red", "item x"}


@pytest.mark.parametrize(
    ("person", "heard"),
    [
        ("tea", {*_RED, "memory tea in red"}),
        ("pro", {"memory x", "item x"}),
        ("oscar", {*_RED, "memory blue", "memory x of blue", "item blue"}),
        ("both", {*_RED, "memory abroad"}),
    ],
)
async def test_a_role_in_a_place_hears_of_what_changes_there_and_nothing_else(
    world: World, person: str, heard: set[str]
) -> None:
    assert await world.heard(world.ruled.someone(person)) == heard


async def test_who_has_no_role_anywhere_may_not_ask(world: World) -> None:
    nobody = world.ruled.someone("nobody")

    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await world.heard(nobody)
    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await _next(_subscribe(nobody, 0))


async def test_a_subscription_tells_the_same_as_it_happens(world: World) -> None:
    tea = world.ruled.someone("tea")
    call = _subscribe(tea, 0)
    expected = {*_RED, "memory tea in red"}
    assert {world.names[(await _next(call)).resource] for _ in expected} == expected

    await world.admin.add("more of blue", "team", team_id="blue")
    await world.admin.add("more of all")
    red = await world.admin.add("more of red", "team", team_id="red")
    request = memory_pb2.DeleteMemoryRequest(name=red.name)
    await tea.suite.memory.DeleteMemory(request, metadata=world.admin.metadata)

    changes = [await _next(call) for _ in range(2)]
    assert [each.resource for each in changes] == [red.name] * 2
    assert [each.scope.team_id for each in changes] == ["red"] * 2


async def test_a_change_says_where_it_is(world: World) -> None:
    request = pb.ListChangesRequest(page_size=1000)
    metadata = world.admin.metadata
    answer = await world.admin.suite.sync.ListChanges(request, metadata=metadata)

    places = {world.names[each.resource]: each.scope for each in answer.changes if each.layer}
    ids = {"org_id", "team_id", "project_id"}
    for name, (_, scope) in MEMORIES.items():
        there = {each: value for each, value in scope.items() if each in ids}
        assert places[f"memory {name}"] == scope_pb2.Scope(**there)
    assert all(each.HasField("scope") for each in answer.changes if each.layer)


async def test_links_are_heard_of_where_both_ends_are(world: World) -> None:
    by_name = {name: resource for resource, name in world.names.items()}
    for target in ("item x", "item blue", "item all"):
        relation = kb.Relation(
            source=by_name["item red"], target=by_name[target], kind=kb.RELATION_KIND_CLARIFIES
        )
        made = await world.admin.suite.knowledge.CreateRelation(
            kb.CreateRelationRequest(relation=relation), metadata=world.admin.metadata
        )
        world.names[made.name] = f"red to {target}"

    async def links(person: str) -> set[str]:
        heard = await world.heard(world.ruled.someone(person))
        return {each for each in heard if each.startswith("red to")}

    assert await links("tea") == {"red to item x"}
    assert await links("oscar") == {"red to item x", "red to item blue"}
    assert await links("pro") == set()


async def test_of_changes_before_the_log_said_where_nobody_bound_hears(world: World) -> None:
    async with world.ruled.suite.database.connect() as conn, conn.transaction():
        await conn.execute(_WRITE)
        await conn.execute(_APPEND, "memories/old", None)
        await conn.execute(_APPEND, "memories/new", [json.dumps({"team": "red"})])

    assert "memories/old" in await world.heard(world.admin)
    heard = await world.heard(world.ruled.someone("tea"))
    assert "memories/old" not in heard
    assert "memories/new" in heard


async def test_a_forbid_of_one_team_hides_that_team_alone(suite: Suite) -> None:
    await suite.create_tenant("acme")
    ruled = Ruled(suite, "acme")
    await ruled.policy(
        "no-red",
        'forbid(principal in Aeterna::Role::"developer", action in [Aeterna::Action::"memory:read",'
        ' Aeterna::Action::"knowledge:read"], resource) when { resource.team == "red" };',
    )
    world = World(ruled, ruled.someone("root", Role.TENANT_ADMIN), {})
    await _fill(world)

    heard = await world.heard(ruled.someone("ann", Role.DEVELOPER))

    assert {each for each in heard if each.startswith(("memory", "item"))} == {
        "memory all",
        "memory blue",
        "memory x of blue",
        "memory abroad",
        "item all",
        "item blue",
    }


def _subscribe(someone: Someone, since: int) -> Any:
    return someone.suite.sync.Subscribe(pb.SubscribeRequest(since=since), metadata=someone.metadata)


async def _next(call: Any) -> Change:
    """The next change."""
    async with asyncio.timeout(SOON):
        while True:
            response = await call.read()
            assert response is not grpc.aio.EOF, "the call has ended"
            if response.HasField("change"):
                return Change.FromString(response.change.SerializeToString())
