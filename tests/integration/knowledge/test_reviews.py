"""How knowledge comes into force and goes out of it, as clients see it."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.common.v1 import change_pb2
from aeterna.knowledge.v1 import knowledge_pb2 as pb
from libs.auth import Role
from libs.tenancy import TenantId
from tests.errors import fails_with
from tests.integration.knowledge.client import Client

ACCEPTED, SUPERSEDED = pb.KNOWLEDGE_STATUS_ACCEPTED, pb.KNOWLEDGE_STATUS_SUPERSEDED
SUPERSEDES = pb.RELATION_KIND_SUPERSEDES


async def test_what_is_proposed_is_accepted_by_somebody_else(client: Client) -> None:
    item = await client.add()

    proposed = await client.propose(item.name, version=1)
    with fails_with("SELF_REVIEW", code=grpc.StatusCode.PERMISSION_DENIED):
        await client.as_("ann", Role.ARCHITECT).accept(item.name)
    accepted = await client.as_("bob").accept(item.name, version=2)

    assert (proposed.status, proposed.version) == (pb.KNOWLEDGE_STATUS_PROPOSED, 2)
    assert (accepted.status, accepted.version) == (ACCEPTED, 3)
    assert (accepted.author, accepted.proposer) == ("ann", "ann")
    assert accepted.content == item.content
    assert await client.get(item.name) == accepted


async def test_the_author_may_accept_what_somebody_else_proposed(client: Client) -> None:
    item = await client.add()
    bob = client.as_("bob")

    proposed = await bob.propose(item.name)
    with fails_with("SELF_REVIEW"):
        await bob.accept(item.name)
    accepted = await client.as_("ann").accept(item.name)

    assert (proposed.author, proposed.proposer) == ("ann", "bob")
    assert (accepted.status, accepted.proposer) == (ACCEPTED, "bob")


@pytest.mark.parametrize("person", ["ann", "bob"])
async def test_no_agent_reviews(client: Client, person: str) -> None:
    item = await client.add()
    agent = client.suite.issuer.mint(
        TenantId(client.tenant),
        person,
        [Role.ARCHITECT],
        agent="planner",
        capabilities=["knowledge:propose", "knowledge:edit"],
    )
    await client.propose(item.name)

    with fails_with("PERMISSION_DENIED"):
        await Client(client.suite, (("authorization", f"Bearer {agent}"),)).accept(item.name)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER, Role.AGENT])
@pytest.mark.parametrize("review", [Client.accept, Client.reject, Client.deprecate])
async def test_only_reviewers_review(
    client: Client, role: Role, review: Callable[..., Any]
) -> None:
    item = await client.add()
    await client.propose(item.name)

    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await review(client.as_("bob", role), item.name)

    assert (await client.get(item.name)).status == pb.KNOWLEDGE_STATUS_PROPOSED


@pytest.mark.parametrize("role", [Role.TECH_LEAD, Role.ARCHITECT, Role.ADMIN, Role.TENANT_ADMIN])
async def test_every_reviewer_may_accept(client: Client, role: Role) -> None:
    item = await client.add()
    await client.propose(item.name)

    assert (await client.as_("bob", role).accept(item.name)).status == ACCEPTED


async def test_nothing_is_reviewed_that_was_not_proposed(client: Client) -> None:
    item, bob = await client.add(), client.as_("bob")

    for attempt in (bob.accept(item.name), bob.reject(item.name), bob.deprecate(item.name)):
        with fails_with("ILLEGAL_TRANSITION", code=grpc.StatusCode.FAILED_PRECONDITION):
            await attempt

    assert await client.get(item.name) == item


async def test_what_was_reviewed_cannot_be_rewritten(client: Client) -> None:
    accepted = await client.in_force()
    rejected = await client.add()
    await client.propose(rejected.name)
    await client.as_("bob").reject(rejected.name)

    for name in (accepted.name, rejected.name):
        for attempt in (client.update(name, title="sneaky"), client.propose(name)):
            with fails_with("ILLEGAL_TRANSITION"):
                await attempt

    assert await client.get(accepted.name) == accepted


async def test_a_deprecated_item_is_no_longer_found(client: Client) -> None:
    item = await client.in_force("Storage")
    assert await client.search("storage") == ["Storage"]

    deprecated = await client.as_("bob").deprecate(item.name)

    assert deprecated.status == pb.KNOWLEDGE_STATUS_DEPRECATED
    assert await client.search("storage") == []
    assert await client.search("storage", statuses=[deprecated.status]) == ["Storage"]


async def test_accepting_an_item_supersedes_what_it_replaces(client: Client) -> None:
    old, other, waiting = [await client.in_force(title) for title in "abc"]
    await client.as_("bob").deprecate(other.name)
    new = await client.add("new")
    for replaced in (old, other):
        await client.link(new.name, replaced.name, SUPERSEDES)
    await client.link(new.name, waiting.name, pb.RELATION_KIND_CLARIFIES)
    proposed = await client.propose(new.name)
    assert (await client.get(old.name)).status == ACCEPTED

    accepted = await client.as_("bob").accept(new.name)

    assert (accepted.name, accepted.status) == (new.name, ACCEPTED)
    superseded = await client.get(old.name)
    assert (superseded.status, superseded.version) == (SUPERSEDED, old.version + 1)
    assert superseded.change_number == accepted.change_number + 1 == proposed.change_number + 2
    assert (await client.get(other.name)).status == pb.KNOWLEDGE_STATUS_DEPRECATED
    assert await client.get(waiting.name) == waiting
    assert set(await client.search("storage")) == {"new", "c"}
    assert (await client.history(old.name)).revisions[-1].change.actor == "user:bob"


async def test_a_repeated_acceptance_gets_the_first_answer(client: Client) -> None:
    old, new = await client.in_force("old"), await client.add("new")
    await client.link(new.name, old.name, SUPERSEDES)
    await client.propose(new.name)
    bob, request_id = client.as_("bob"), str(uuid4())

    first = await bob.accept(new.name, request_id=request_id)
    await bob.deprecate(new.name)
    again = await bob.accept(new.name, request_id=request_id)

    assert first == again
    assert (await client.get(new.name)).status == pb.KNOWLEDGE_STATUS_DEPRECATED


async def test_of_concurrent_reviews_one_decides(client: Client) -> None:
    item = await client.add()
    await client.propose(item.name)
    reviewers = [client.as_(f"reviewer-{place}") for place in range(6)]

    async def decided(place: int) -> bool:
        review = Client.accept if place % 2 else Client.reject
        try:
            await review(reviewers[place], item.name)
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.FAILED_PRECONDITION
        return True

    outcomes = await asyncio.gather(*map(decided, range(6)))

    assert sum(outcomes) == 1
    accepted = bool(outcomes.index(True) % 2)
    assert ((await client.get(item.name)).status == ACCEPTED) == accepted
    assert len((await client.history(item.name)).revisions) == 3


async def test_history_keeps_every_version_and_who_made_it(client: Client) -> None:
    item = await client.add(
        "one", "text of one", layer=pb.KNOWLEDGE_LAYER_ORG, scope={"org_id": "o"}
    )
    await client.update(item.name, title="two")
    await client.propose(item.name)
    await client.as_("bob").accept(item.name)
    await client.as_("eve").deprecate(item.name)

    first = await client.history(item.name, page_size=3)
    rest = await client.history(item.name, page_size=3, page_token=first.next_page_token)

    assert (len(first.revisions), rest.next_page_token) == (3, "")
    told = [
        (
            each.change.operation,
            each.change.actor,
            each.knowledge_item.title,
            each.knowledge_item.status,
        )
        for each in (*first.revisions, *rest.revisions)
    ]
    assert told == [
        (change_pb2.OPERATION_CREATED, "user:ann", "one", pb.KNOWLEDGE_STATUS_DRAFT),
        (change_pb2.OPERATION_UPDATED, "user:ann", "two", pb.KNOWLEDGE_STATUS_DRAFT),
        (change_pb2.OPERATION_PROPOSED, "user:ann", "two", pb.KNOWLEDGE_STATUS_PROPOSED),
        (change_pb2.OPERATION_ACCEPTED, "user:bob", "two", ACCEPTED),
        (change_pb2.OPERATION_DEPRECATED, "user:eve", "two", pb.KNOWLEDGE_STATUS_DEPRECATED),
    ]
    for place, each in enumerate((*first.revisions, *rest.revisions), start=1):
        assert each.knowledge_item.version == place
        assert each.knowledge_item.change_number == each.change.number
        assert each.knowledge_item.content == "text of one"
        assert (each.change.layer, each.change.subject) == ("org", "")
    assert rest.revisions[-1].knowledge_item == await client.get(item.name)
