"""What people say of memories, as clients of the service meet it."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.common.v1 import change_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth import Role
from libs.tenancy import TenantId
from tests.errors import fails_with
from tests.suite import Suite


@dataclass(frozen=True)
class Person:
    """The memory service as one person sees it, perhaps through an agent."""

    suite: Suite
    name: str
    role: Role = Role.DEVELOPER
    agent: str = ""

    async def call(self, method: Any, request: Any) -> Any:
        token = self.suite.issuer.mint(
            TenantId("acme"),
            self.name,
            [self.role],
            agent=self.agent,
            capabilities=["memory:read", "memory:write"],
        )
        return await method(request, metadata=(("authorization", f"Bearer {token}"),))

    async def add(self, content: str, **values: Any) -> Any:
        memory = pb.Memory(layer=pb.LAYER_COMPANY, content=content, **values)
        request = pb.CreateMemoryRequest(memory=memory)
        return await self.call(self.suite.memory.CreateMemory, request)

    async def say(self, memory: pb.Memory, feedback: pb.Feedback.ValueType, **values: Any) -> Any:
        request = pb.FeedbackMemoryRequest(name=memory.name, feedback=feedback, **values)
        return await self.call(self.suite.memory.FeedbackMemory, request)

    async def get(self, memory: pb.Memory) -> Any:
        request = pb.GetMemoryRequest(name=memory.name)
        return await self.call(self.suite.memory.GetMemory, request)

    async def search(self, query: str, **values: Any) -> list[str]:
        request = pb.SearchMemoriesRequest(query=query, **values)
        found = await self.call(self.suite.memory.SearchMemories, request)
        return [result.memory.content for result in found.results]


@pytest.fixture
async def ann(suite: Suite) -> Person:
    await suite.create_tenant("acme")
    return Person(suite, "ann")


async def test_everybody_counts_and_importance_follows(ann: Person) -> None:
    memory = await ann.add("The fox is red.")
    people = [Person(ann.suite, f"p{place}") for place in range(6)]

    await asyncio.gather(*(each.say(memory, pb.FEEDBACK_HELPFUL) for each in people))
    await ann.say(memory, pb.FEEDBACK_DUPLICATE)
    said = await ann.get(memory)

    assert said.feedback == pb.FeedbackCounts(helpful=6, duplicate=1)
    assert said.importance == 0.5
    assert said.effective_importance == pytest.approx(0.5 + 0.3 * 5.5 / 8.5)
    assert memory.effective_importance == 0.5


async def test_of_one_person_the_last_word_counts_through_whatever_agent(ann: Person) -> None:
    memory = await ann.add("The fox is red.")

    await ann.say(memory, pb.FEEDBACK_INACCURATE)
    await Person(ann.suite, "ann", agent="planner").say(memory, pb.FEEDBACK_INACCURATE)
    said = await Person(ann.suite, "ann", agent="router").say(memory, pb.FEEDBACK_HELPFUL)

    assert said.feedback == pb.FeedbackCounts(helpful=1)


async def test_feedback_is_in_the_history_and_survives_other_changes(ann: Person) -> None:
    memory = await ann.add("The fox is red.")
    said = await Person(ann.suite, "bob").say(memory, pb.FEEDBACK_HELPFUL)
    request = pb.UpdateMemoryRequest(memory=pb.Memory(name=memory.name, content="It is brown."))
    changed = await ann.call(ann.suite.memory.UpdateMemory, request)

    history = await ann.call(
        ann.suite.memory.ListMemoryRevisions, pb.ListMemoryRevisionsRequest(name=memory.name)
    )

    assert [each.change.operation for each in history.revisions] == [
        change_pb2.OPERATION_CREATED,
        change_pb2.OPERATION_RATED,
        change_pb2.OPERATION_UPDATED,
    ]
    assert [each.memory for each in history.revisions] == [memory, said, changed]
    assert history.revisions[1].change.actor == "user:bob"
    assert changed.feedback == said.feedback == pb.FeedbackCounts(helpful=1)


async def test_a_repeated_request_counts_once(ann: Person) -> None:
    memory = await ann.add("The fox is red.")
    request_id = str(uuid4())

    answers = [await ann.say(memory, pb.FEEDBACK_HELPFUL, request_id=request_id) for _ in range(3)]

    assert answers[0] == answers[1] == answers[2] == await ann.get(memory)
    assert answers[0].version == 2
    with fails_with("REQUEST_ID_REUSED"):
        await ann.say(memory, pb.FEEDBACK_OUTDATED, request_id=request_id)


async def test_a_deleted_memory_takes_what_was_said_with_it(ann: Person) -> None:
    memory, kept = await ann.add("The fox is red."), await ann.add("The owl is grey.")
    for each in (memory, kept):
        await ann.say(each, pb.FEEDBACK_HELPFUL)
    late = Person(ann.suite, "bob").say(memory, pb.FEEDBACK_HELPFUL)
    delete = ann.call(ann.suite.memory.DeleteMemory, pb.DeleteMemoryRequest(name=memory.name))

    await asyncio.gather(late, delete, return_exceptions=True)

    async with ann.suite.database.connect() as superuser:
        rows = await superuser.fetch("SELECT memory_id, person FROM aeterna.memory_feedback")
    assert [(f"memories/{row[0]}", row[1]) for row in rows] == [(kept.name, "user:ann")]
    with fails_with("MEMORY_NOT_FOUND"):
        await ann.get(memory)


@pytest.mark.parametrize(
    ("sayer", "ends"),
    [
        (("ann", Role.DEVELOPER, "planner"), True),  # who stored it, through an agent
        (("bob", Role.ADMIN, ""), True),
        (("bob", Role.DEVELOPER, ""), False),
        (("bob", Role.DEVELOPER, "ann"), False),
    ],
)
async def test_who_may_says_outdated_and_ends_the_validity(
    ann: Person, sayer: tuple[str, Role, str], ends: bool
) -> None:
    memory = await ann.add("The fox is red.")

    said = await Person(ann.suite, *sayer).say(memory, pb.FEEDBACK_OUTDATED)

    assert said.feedback == pb.FeedbackCounts(outdated=1)
    assert said.HasField("valid_until") == ends
    assert await ann.search("fox") == ([] if ends else ["The fox is red."])


async def test_what_helped_comes_before_what_is_wrong(ann: Person) -> None:
    wrong, right = await ann.add("The fox is red."), await ann.add("The fox is red.")
    for name in ("bob", "eve", "joe"):
        await Person(ann.suite, name).say(wrong, pb.FEEDBACK_INACCURATE)
        await Person(ann.suite, name).say(right, pb.FEEDBACK_HELPFUL)

    request = pb.SearchMemoriesRequest(query="fox")
    found = await ann.call(ann.suite.memory.SearchMemories, request)

    assert [each.memory.name for each in found.results] == [right.name, wrong.name]


async def test_what_is_refused_changes_nothing(ann: Person) -> None:
    memory = await ann.add("The fox is red.")

    with fails_with("INVALID_REQUEST", "feedback"):
        await ann.say(memory, pb.FEEDBACK_UNSPECIFIED)
    with fails_with("MEMORY_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await ann.say(pb.Memory(name=f"memories/{uuid4()}"), pb.FEEDBACK_HELPFUL)
    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await Person(ann.suite, "eve", Role.VIEWER).say(memory, pb.FEEDBACK_HELPFUL)

    assert await ann.get(memory) == memory
