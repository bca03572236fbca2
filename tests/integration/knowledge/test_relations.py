"""Links between items as clients see them."""

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.knowledge.v1 import knowledge_pb2 as pb
from libs.spine.group import GroupCommit
from libs.tenancy import Route
from tests.errors import fails_with
from tests.integration.knowledge.client import Client

_LOCK = "SELECT FROM aeterna.tenant_state WHERE tenant_id = $1 FOR UPDATE"
CLARIFIES, SUPERSEDES = pb.RELATION_KIND_CLARIFIES, pb.RELATION_KIND_SUPERSEDES


async def test_a_link_is_listed_at_both_ends(client: Client) -> None:
    one, two, three = [await client.add(title) for title in "abc"]
    first = await client.link(one.name, two.name, CLARIFIES)
    second = await client.link(two.name, three.name, pb.RELATION_KIND_DERIVED_FROM)

    assert (first.source, first.target, first.kind) == (one.name, two.name, CLARIFIES)
    assert list((await client.links(one.name)).relations) == [first]
    assert list((await client.links(two.name)).relations) == [second, first]
    assert list((await client.links(three.name)).relations) == [second]


async def test_pages_hold_every_link_once_newest_first(client: Client) -> None:
    center = await client.add("center")
    made = []
    for place in range(5):
        other = await client.add(f"{place}")
        ends = (center, other) if place % 2 else (other, center)
        made.append(await client.link(ends[0].name, ends[1].name, CLARIFIES))

    seen: list[pb.Relation] = []
    token = ""
    while True:
        page = await client.links(center.name, page_size=2, page_token=token)
        seen += page.relations
        if not (token := page.next_page_token):
            break

    assert seen == made[::-1]


async def test_the_same_link_is_made_once(client: Client) -> None:
    one, two = await client.add("a"), await client.add("b")

    async def link() -> bool:
        try:
            await client.link(one.name, two.name, CLARIFIES)
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.ALREADY_EXISTS
        return True

    assert sum(await asyncio.gather(*(link() for _ in range(6)))) == 1
    with fails_with("RELATION_ALREADY_EXISTS", code=grpc.StatusCode.ALREADY_EXISTS):
        await client.link(one.name, two.name, CLARIFIES)
    await client.link(one.name, two.name, pb.RELATION_KIND_SPECIALIZES)
    await client.link(two.name, one.name, CLARIFIES)
    assert len((await client.links(one.name)).relations) == 3


async def test_links_need_two_items_that_exist(client: Client) -> None:
    item, nobody = await client.add(), f"knowledgeItems/{uuid4()}"

    with fails_with("INVALID_REQUEST", "relation.target"):
        await client.link(item.name, item.name, CLARIFIES)
    for source, target in ((item.name, nobody), (nobody, item.name)):
        with fails_with("KNOWLEDGE_ITEM_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
            await client.link(source, target, CLARIFIES)
    with fails_with("INVALID_REQUEST", "relation.kind"):
        await client.link(item.name, nobody, pb.RELATION_KIND_UNSPECIFIED)
    with fails_with("INVALID_REQUEST", "relation.source"):
        await client.link("", item.name, CLARIFIES)

    assert (await client.links(item.name)).relations == []


async def test_a_removed_link_is_gone_and_can_be_made_again(client: Client) -> None:
    one, two, request_id = await client.add("a"), await client.add("b"), str(uuid4())
    link = await client.link(one.name, two.name, CLARIFIES)

    await client.unlink(link.name, request_id)
    await client.unlink(link.name, request_id)

    assert (await client.links(one.name)).relations == []
    with fails_with("RELATION_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await client.unlink(link.name)
    assert (await client.link(one.name, two.name, CLARIFIES)).name != link.name


async def test_a_link_may_take_the_place_of_one_that_goes_at_the_same_moment(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await client.add("a"), await client.add("b")
    old = await client.link(one.name, two.name, CLARIFIES)
    arrivals = _arrivals(monkeypatch)

    async with (
        client.suite.database.connect() as other,
        asyncio.TaskGroup() as group,
        other.transaction(),  # ends first
    ):
        # While the first waits for the tenant's lock, the others gather: they share a transaction.
        await other.execute(_LOCK, client.tenant)
        tasks: list[asyncio.Task[Any]] = []
        for call in (
            client.link(two.name, one.name, CLARIFIES),
            client.unlink(old.name),
            client.link(one.name, two.name, CLARIFIES),
        ):
            tasks.append(group.create_task(call))
            await arrivals.acquire()

    back, _, new = (task.result() for task in tasks)
    assert new.name != old.name
    assert {each.name for each in (await client.links(one.name)).relations} == {back.name, new.name}


def _arrivals(monkeypatch: pytest.MonkeyPatch) -> asyncio.Semaphore:
    """Released by each write that has come to wait for its turn."""
    arrivals, submit = asyncio.Semaphore(0), GroupCommit.submit

    async def arriving(self: Any, route: Route, command: Any) -> Any:
        arrivals.release()  # who hears of it runs after the next line has queued it
        return await submit(self, route, command)

    monkeypatch.setattr(GroupCommit, "submit", arriving)
    return arrivals


async def test_a_repeated_request_gets_the_first_answer(client: Client) -> None:
    one, two, request_id = await client.add("a"), await client.add("b"), str(uuid4())

    first = await client.link(one.name, two.name, SUPERSEDES, request_id)
    await client.propose(one.name)
    again = await client.link(one.name, two.name, SUPERSEDES, request_id)

    assert first == again
    assert list((await client.links(one.name)).relations) == [first]


async def test_what_an_item_supersedes_is_settled_when_it_is_proposed(client: Client) -> None:
    old, new = await client.in_force("old"), await client.add("new")
    kept = await client.link(new.name, old.name, SUPERSEDES)
    other = await client.in_force("other")
    await client.propose(new.name)

    for attempt in (client.link(new.name, other.name, SUPERSEDES), client.unlink(kept.name)):
        with fails_with("NOT_A_DRAFT", code=grpc.StatusCode.FAILED_PRECONDITION):
            await attempt
    await client.as_("bob").accept(new.name)

    assert (await client.get(old.name)).status == pb.KNOWLEDGE_STATUS_SUPERSEDED
    assert await client.get(other.name) == other


@pytest.mark.parametrize("kind", [CLARIFIES, SUPERSEDES])
async def test_a_removed_link_supersedes_nothing(
    client: Client, kind: pb.RelationKind.ValueType
) -> None:
    old, new = await client.in_force("old"), await client.add("new")
    link = await client.link(new.name, old.name, kind)
    await client.unlink(link.name)
    await client.propose(new.name)

    await client.as_("bob").accept(new.name)

    assert await client.get(old.name) == old
