"""Memories that say nearly the same as others, as clients of the service meet them."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from aeterna.common.v1 import change_pb2, scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import settings_pb2
from tests.databases import Database, holds_up
from tests.eventually import eventually
from tests.fakes.qdrant_server import QdrantServer
from tests.suite import Metadata, Suite, open_suite

OFF = settings_pb2.NEAR_DUPLICATE_POLICY_OFF
REPORT = settings_pb2.NEAR_DUPLICATE_POLICY_REPORT
MERGE = settings_pb2.NEAR_DUPLICATE_POLICY_MERGE
BUTTERFLIES = "Bob keeps his large collection of butterflies in the shed behind the greenhouse."
ANN = scope_pb2.Scope(user_id="ann")


@dataclass(frozen=True)
class Tenant:
    """The memory service as an administrator of one tenant sees it."""

    suite: Suite
    metadata: Metadata

    @classmethod
    async def create(cls, suite: Suite, name: str = "acme") -> Tenant:
        return cls(suite, await suite.create_tenant(name))

    async def wants(self, policy: settings_pb2.NearDuplicatePolicy.ValueType) -> None:
        settings = settings_pb2.MemorySettings(name="memorySettings", near_duplicates=policy)
        request = settings_pb2.UpdateMemorySettingsRequest(
            memory_settings=settings, update_mask=FieldMask(paths=["near_duplicates"])
        )
        await self.call(self.suite.memory_settings.UpdateMemorySettings, request)

    async def call(self, method: Any, request: Any) -> Any:
        return await method(request, metadata=self.metadata)

    async def add(self, content: str, **values: Any) -> Any:
        envelope = {"request_id": values.pop("request_id", "")}
        request = pb.CreateMemoryRequest(memory=memory(content, **values), **envelope)
        return await self.call(self.suite.memory.CreateMemory, request)

    async def batch(self, *contents: str, request_id: str = "") -> list[pb.Memory]:
        requests = [pb.CreateMemoryRequest(memory=memory(each)) for each in contents]
        request = pb.BatchCreateMemoriesRequest(requests=requests, request_id=request_id)
        return list((await self.call(self.suite.memory.BatchCreateMemories, request)).memories)

    async def stream(self, content: str) -> Any:
        request = pb.CreateMemoryRequest(memory=memory(content))
        call = self.suite.memory.StreamCreateMemories(iter([request]), metadata=self.metadata)
        answers = [answer async for answer in call]
        return answers[0].memory

    async def get(self, name: str) -> Any:
        return await self.call(self.suite.memory.GetMemory, pb.GetMemoryRequest(name=name))

    async def contents(self) -> list[str]:
        found = await self.call(self.suite.memory.ListMemories, pb.ListMemoriesRequest())
        return [each.content for each in found.memories]

    async def history(self, name: str) -> Any:
        request = pb.ListMemoryRevisionsRequest(name=name)
        return (await self.call(self.suite.memory.ListMemoryRevisions, request)).revisions


@pytest.fixture
async def acme(suite: Suite) -> Tenant:
    tenant = await Tenant.create(suite)
    await tenant.wants(REPORT)
    return tenant


def memory(content: str, **values: Any) -> pb.Memory:
    return pb.Memory(**{"layer": pb.LAYER_USER, "scope": ANN, "content": content, **values})


def names(created: pb.Memory) -> list[str]:
    return [each.name for each in created.near_duplicates]


async def test_a_near_duplicate_is_reported_and_stored(acme: Tenant) -> None:
    first = await acme.add("The deployment runs on Friday evenings.")
    other = await acme.add("Bob's cat is called Findus.")
    second = await acme.add("the deployment runs on a Friday evening")

    assert names(first) == names(other) == []
    assert names(second) == [first.name]
    assert second.near_duplicates[0].similarity > 0.8
    assert second.name != first.name
    assert (second.occurrences, second.version) == (1, 1)
    assert names(await acme.get(second.name)) == []
    assert len(await acme.contents()) == 3


async def test_at_most_three_are_reported_the_most_alike_first(acme: Tenant) -> None:
    await acme.batch(*[BUTTERFLIES.replace("large ", "")] * 4)
    last = await acme.add(BUTTERFLIES)
    again = await acme.add(BUTTERFLIES)

    assert len(names(last)) == 3
    assert names(again)[0] == last.name
    similarities = [each.similarity for each in again.near_duplicates]
    assert similarities == sorted(similarities, reverse=True)
    assert similarities[0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I like green tea with milk.", "I do not like green tea with milk."),
        ("We meet at 5 in the office.", "We meet at 6 in the office."),
        ("The parcel from Oslo weighs 5 kg.", "The parcel from Oslo weighs 5 g."),
        ("Ann likes Bob.", "Bob likes Ann."),
        ("Ann likes strong coffee.", "Eve likes strong coffee."),
        ("Rollbacks are allowed for admins.", "Rollbacks are forbidden for admins."),
        ("She lives in Berlin.", "She used to live in Berlin."),
        ("Restart if it fails.", "Restart only if it fails."),
    ],
)
async def test_what_says_something_else_is_no_near_duplicate(
    acme: Tenant, one: str, other: str
) -> None:
    await acme.wants(MERGE)
    first = await acme.add(one)

    assert names(await acme.add(other)) == []
    assert names(await acme.add(one, author="Carl")) == []
    assert await acme.get(first.name) == first


async def test_what_others_see_is_not_reported(acme: Tenant) -> None:
    bolt = await Tenant.create(acme.suite, "bolt")
    text = "The deployment runs on Friday evenings."
    team = scope_pb2.Scope(team_id="payments")
    for policy in (REPORT, MERGE):
        for tenant in (acme, bolt):
            await tenant.wants(policy)
        for tenant in (acme, bolt):
            await tenant.add(text, scope=scope_pb2.Scope(user_id="bob"))
            created = await tenant.add(text, scope=scope_pb2.Scope(user_id=f"new-{policy}"))
            assert (names(created), created.version) == ([], 1)
        org = scope_pb2.Scope(team_id="payments", org_id=f"org-{policy}")
        for values in ({"scope": team}, {"scope": org}):
            created = await acme.add(text, layer=pb.LAYER_TEAM, **values)
            again = await acme.add(text, layer=pb.LAYER_TEAM, **values)
            assert created.name in [*names(again), again.name]
        assert names(await acme.add(text, layer=pb.LAYER_TEAM, scope=org)) != []
    company = await acme.add(text, layer=pb.LAYER_COMPANY, scope=None)
    assert names(company) == []


async def test_what_is_no_longer_valid_is_not_reported(acme: Tenant) -> None:
    text = "The deployment runs on Friday evenings."
    first = await acme.add(text)
    request = pb.SupersedeMemoryRequest(name=first.name, memory=pb.Memory(content="It is manual."))
    await acme.call(acme.suite.memory.SupersedeMemory, request)

    assert names(await acme.add(text)) == []


@pytest.mark.parametrize("policy", [settings_pb2.NEAR_DUPLICATE_POLICY_UNSPECIFIED, OFF])
async def test_nothing_is_looked_for_unless_the_tenant_wants_it(acme: Tenant, policy: Any) -> None:
    await acme.wants(policy)

    answers = [await acme.add("Bob's cat is called Findus.") for _ in range(2)]

    assert [names(each) for each in answers] == [[], []]
    assert len(await acme.contents()) == 2


async def test_batches_and_streams_are_looked_at_like_single_memories(acme: Tenant) -> None:
    text = "Bob's cat is called Findus."
    first = await acme.add(text)
    (batched,), streamed = await acme.batch(text), await acme.stream(text)
    assert (len(names(batched)), len(names(streamed))) == (1, 2)

    await acme.wants(MERGE)
    (batched,), streamed = await acme.batch(text), await acme.stream(text)

    assert (batched.occurrences, streamed.occurrences) in [(2, 3), (2, 2)]
    assert first.occurrences == 1


async def test_a_memory_that_says_nothing_more_is_counted(acme: Tenant) -> None:
    await acme.wants(MERGE)
    values = {"author": "Ann", "source": "chat", "metadata": {"topic": "tea"}}
    first = await acme.add("I don't like the green tea.", **values)

    second = await acme.add("I do not like green tea!", author="Ann", importance=0.9, trust=0.5)
    third = await acme.add("I don't like green tea", importance=0.1, **values)

    assert second.name == third.name == first.name
    assert (second.occurrences, third.occurrences) == (2, 3)
    assert (second.importance, third.importance, third.trust) == (0.9, 0.9, 1)
    assert (third.version, third.content, third.source) == (3, first.content, "chat")
    assert third.event_time == first.event_time
    assert names(third) == []
    assert await acme.get(first.name) == third
    history = await acme.history(first.name)
    merged = change_pb2.OPERATION_MERGED
    operations = [each.change.operation for each in history]
    assert operations == [change_pb2.OPERATION_CREATED, merged, merged]
    assert [each.memory for each in history] == [first, second, third]
    search = pb.SearchMemoriesRequest(query="Who likes tea?")
    found = await acme.call(acme.suite.memory.SearchMemories, search)
    assert [each.memory for each in found.results] == [third]


@pytest.mark.parametrize(
    "values",
    [
        {"content": BUTTERFLIES},
        {"source": "crm"},
        {"metadata": {"topic": "dogs"}},
        {"trust": 0.9},
        {"valid_until": {"seconds": 4_000_000_000}},
        {"valid_from": {"seconds": 1_000_000_000}},
    ],
)
async def test_what_says_more_is_stored(acme: Tenant, values: dict[str, Any]) -> None:
    await acme.wants(MERGE)
    old = {"source": "chat", "metadata": {"topic": "cats"}, "trust": 0.5}
    first = await acme.add(BUTTERFLIES.replace("large ", ""), **old)

    second = await acme.add(**{"content": first.content, "trust": 0.5, **values})

    assert (second.name != first.name, second.occurrences) == (True, 1)
    assert names(second) == [first.name]
    assert await acme.get(first.name) == first


async def test_what_points_to_a_moment_or_an_unknown_speaker_is_stored(acme: Tenant) -> None:
    await acme.wants(MERGE)
    for text in ("The dentist comes tomorrow.", "I live in Oslo."):
        first = await acme.add(text, layer=pb.LAYER_COMPANY, scope=None)
        second = await acme.add(text, layer=pb.LAYER_COMPANY, scope=None)
        assert names(second) == [first.name]
        assert second.name != first.name


async def test_a_repeat_gets_the_first_answer(acme: Tenant) -> None:
    text = "Bob's cat is called Findus."
    ids = [str(uuid4()) for _ in range(3)]
    reported = await acme.add(text, request_id=ids[0])
    assert await acme.add(text, request_id=ids[0]) == reported

    await acme.wants(MERGE)
    merged = await acme.add(text, request_id=ids[1])
    again = await acme.add(text, request_id=ids[1])

    assert again == merged == await acme.get(reported.name)
    assert merged.occurrences == 2
    batch = await acme.batch(text, "The owl is grey.", text, request_id=ids[2])
    assert await acme.batch(text, "The owl is grey.", text, request_id=ids[2]) == batch
    assert [each.occurrences for each in batch] == [3, 1, 4]


async def test_a_batch_is_held_against_itself(acme: Tenant) -> None:
    text = "Bob's cat is called Findus."
    await acme.wants(REPORT)
    reported = await acme.batch("The owl is grey.", text, text)
    assert [names(each) for each in reported] == [[], [], [reported[1].name]]
    await acme.wants(MERGE)

    owl, fox, same, last = await acme.batch("An owl.", "A red fox.", "the red fox", "A red fox.")

    assert (fox.name == same.name == last.name, owl.name != fox.name) == (True, True)
    assert [each.occurrences for each in (owl, fox, same, last)] == [1, 1, 2, 3]
    assert await acme.get(fox.name) == last
    assert [each.memory for each in await acme.history(fox.name)] == [fox, same, last]


async def test_memories_that_are_merged_at_once_all_count(acme: Tenant) -> None:
    await acme.wants(MERGE)
    first = await acme.add("Bob's cat is called Findus.")

    answers = await asyncio.gather(*(acme.add(first.content) for _ in range(8)))

    assert sorted(each.occurrences for each in answers) == list(range(2, 10))
    assert {each.name for each in answers} == {first.name}
    assert (await acme.get(first.name)).version == 9


@pytest.mark.parametrize("change", ["DeleteMemory", "UpdateMemory", "SupersedeMemory"])
async def test_a_memory_that_is_gone_meanwhile_takes_nothing_in(acme: Tenant, change: str) -> None:
    await acme.wants(MERGE)
    first = await acme.add("The door is red.")
    correction = pb.Memory(content="Blue.")
    requests = {
        "DeleteMemory": pb.DeleteMemoryRequest(name=first.name),
        "UpdateMemory": pb.UpdateMemoryRequest(memory=pb.Memory(name=first.name, content="Blue.")),
        "SupersedeMemory": pb.SupersedeMemoryRequest(name=first.name, memory=correction),
    }
    async with (
        acme.suite.database.connect() as superuser,
        asyncio.TaskGroup() as group,
        superuser.transaction(),
    ):
        await superuser.execute("SELECT FROM aeterna.tenant_state FOR UPDATE")
        method = getattr(acme.suite.memory, change)
        group.create_task(acme.call(method, requests[change]))
        await eventually(lambda: holds_up(superuser))
        adding = group.create_task(acme.add("The door is red."))  # after it, in a later group
        for _ in range(20):  # meanwhile it finds the first one
            await acme.get(first.name)

    second = adding.result()

    assert (second.name != first.name, second.occurrences) == (True, 1)
    assert names(second) == [first.name]
    assert (await acme.get(second.name)).content == "The door is red."


async def test_counted_memories_are_promoted_and_corrected_like_others(acme: Tenant) -> None:
    await acme.wants(MERGE)
    await acme.batch("Bob's cat is called Findus.", "Bob's cat is called Findus.")
    (name,) = [each.name for each in await acme.batch("Bob's cat is called Findus.")]
    request = pb.PromoteMemoryRequest(
        name=name, layer=pb.LAYER_PROJECT, scope=scope_pb2.Scope(project_id="cats")
    )

    promoted = await acme.call(acme.suite.memory.PromoteMemory, request)

    assert promoted.occurrences == 3
    again = await acme.add(
        "Bob's cat is called Findus.",
        layer=pb.LAYER_PROJECT,
        scope=scope_pb2.Scope(project_id="cats", user_id="ann"),
    )
    assert (again.name, again.occurrences) == (name, 4)
    superseding = pb.SupersedeMemoryRequest(name=name, memory=pb.Memory(content="It is Rex."))
    new = await acme.call(acme.suite.memory.SupersedeMemory, superseding)
    assert (new.occurrences, (await acme.get(name)).occurrences) == (1, 4)


async def test_without_the_index_memories_are_stored_and_nothing_is_reported(
    database: Database, tmp_path: Path, qdrant_server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_INDEX__PROVIDER", "qdrant")
    monkeypatch.setenv("MEMORY_INDEX__URL", qdrant_server.url)
    text = "Bob's cat is called Findus."
    async with open_suite(database, tmp_path) as suite:
        acme = await Tenant.create(suite)
        await acme.wants(MERGE)
        first = await acme.add(text)
        assert (await acme.add(text)).occurrences == 2
        qdrant_server.stop()

        second = await acme.add(text)

        assert (names(second), second.occurrences) == ([], 1)
        assert second.name != first.name
        assert len(await acme.contents()) == 2
