"""Where memories come from, when they are true, and what corrects them, as a client meets it."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from aeterna.common.v1 import change_pb2, scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth import Role
from libs.service.convert import timestamp
from tests.errors import fails_with, reason_of
from tests.suite import Metadata, Suite

STRATEGIES = [
    pb.SEARCH_STRATEGY_SEMANTIC,
    pb.SEARCH_STRATEGY_LEXICAL,
    pb.SEARCH_STRATEGY_HYBRID,
    pb.SEARCH_STRATEGY_REASONED,
]
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Client:
    """The memory service as one caller sees it."""

    suite: Suite
    metadata: Metadata

    async def add(self, content: str, **values: Any) -> pb.Memory:
        scope = scope_pb2.Scope(user_id="ann")
        values = {"layer": pb.LAYER_USER, **values}
        memory = pb.Memory(scope=scope, content=content, **values)
        request = pb.CreateMemoryRequest(memory=memory)
        return await self.suite.memory.CreateMemory(request, metadata=self.metadata)

    async def get(self, name: str) -> pb.Memory:
        request = pb.GetMemoryRequest(name=name)
        return await self.suite.memory.GetMemory(request, metadata=self.metadata)

    async def update(self, memory: pb.Memory, *paths: str) -> pb.Memory:
        request = pb.UpdateMemoryRequest(memory=memory, update_mask=FieldMask(paths=paths))
        return await self.suite.memory.UpdateMemory(request, metadata=self.metadata)

    async def supersede(self, old: pb.Memory, content: str, **values: Any) -> pb.Memory:
        """`values` of the new memory, but for version and request_id."""
        own = {each: values.pop(each) for each in ("version", "request_id") if each in values}
        request = pb.SupersedeMemoryRequest(
            name=old.name, memory=pb.Memory(content=content, **values), **own
        )
        return await self.suite.memory.SupersedeMemory(request, metadata=self.metadata)

    async def search(self, query: str, **values: Any) -> list[str]:
        request = pb.SearchMemoriesRequest(query=query, **values)
        found = await self.suite.memory.SearchMemories(request, metadata=self.metadata)
        return [result.memory.content for result in found.results]

    async def list(self, filter: str) -> list[str]:
        request = pb.ListMemoriesRequest(filter=filter)
        page = await self.suite.memory.ListMemories(request, metadata=self.metadata)
        return [each.content for each in page.memories]


@pytest.fixture
async def client(suite: Suite) -> Client:
    return Client(suite, await suite.create_tenant("acme"))


async def test_provenance_is_told_wherever_a_memory_is(client: Client) -> None:
    created = await client.add(
        "The fox is red.", source="https://wiki/fox", trust=0.25, valid_from=NOW - DAY
    )

    request = pb.SearchMemoriesRequest(query="fox")
    (found,) = (await client.suite.memory.SearchMemories(request, metadata=client.metadata)).results

    assert (created.source, created.trust) == ("https://wiki/fox", 0.25)
    assert created.valid_from.ToDatetime(UTC) == NOW - DAY
    assert not created.HasField("valid_until")
    assert found.memory == created == await client.get(created.name)
    plain = await client.add("The fox is shy.")
    assert (plain.source, plain.trust, plain.HasField("valid_from")) == ("", 1, False)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_searches_are_not_short_of_what_is_valid_at_their_time(
    client: Client, strategy: pb.SearchStrategy.ValueType
) -> None:
    for place in range(90):
        await client.add(f"The fox was seen {place} times.", valid_until=NOW)
    later = await client.add("The fox will be seen.", valid_from=NOW + DAY)
    valid = {(await client.add(f"Some fox of {name}.")).content for name in ("ann", "bob", "eve")}

    now = await client.search("The fox was seen", strategy=strategy, limit=3)
    then = await client.search("fox", strategy=strategy, valid_at=NOW + DAY, limit=100)
    before = await client.search("fox", strategy=strategy, valid_at=NOW - DAY, limit=100)

    assert set(now) == valid
    assert set(then) == {*valid, later.content}
    assert later.content not in before
    assert len(before) > 50


async def test_a_validity_is_closed_and_opened_again(client: Client) -> None:
    memory = await client.add("The fox is red.")

    closed = await client.update(pb.Memory(name=memory.name, valid_until=timestamp(NOW - DAY)))
    assert await client.search("fox") == []
    opened = await client.update(pb.Memory(name=memory.name), "valid_until")

    assert closed.valid_until.ToDatetime(UTC) == NOW - DAY
    assert not opened.HasField("valid_until")
    for strategy in STRATEGIES:
        assert await client.search("fox", strategy=strategy) == ["The fox is red."]


async def test_a_validity_does_not_end_before_it_begins(client: Client) -> None:
    memory = await client.add("x", valid_from=NOW)

    with fails_with("INVALID_REQUEST", "memory.valid_until"):
        await client.add("y", valid_from=NOW, valid_until=NOW)
    with fails_with("INVALID_REQUEST", "memory.valid_until"):
        await client.update(pb.Memory(name=memory.name, valid_until=timestamp(NOW - DAY)))

    assert await client.list("") == ["x"]
    assert await client.get(memory.name) == memory


async def test_a_correction_closes_the_old_fact_and_links_both(client: Client) -> None:
    old = await client.add("Ann lives in Rome.", importance=0.75)

    new = await client.supersede(old, "Ann lives in Oslo.", source="call", version=1)
    closed = await client.get(old.name)

    assert (new.supersedes, closed.superseded_by) == (old.name, new.name)
    assert (new.layer, new.scope, new.importance) == (old.layer, old.scope, 0.75)
    assert (new.source, new.version, closed.version) == ("call", 1, 2)
    assert closed.valid_until == new.valid_from
    for strategy in STRATEGIES:
        assert await client.search("Where does Ann live?", strategy=strategy) == [new.content]
        past = {"strategy": strategy, "valid_at": old.create_time}
        assert await client.search("Where does Ann live?", **past) == [old.content]
    request = pb.ListMemoryRevisionsRequest(name=old.name)
    history = await client.suite.memory.ListMemoryRevisions(request, metadata=client.metadata)
    assert [each.change.operation for each in history.revisions] == [
        change_pb2.OPERATION_CREATED,
        change_pb2.OPERATION_SUPERSEDED,
    ]
    assert [each.memory for each in history.revisions] == [old, closed]


async def test_of_corrections_at_once_one_wins_and_its_repeats_get_its_answer(
    client: Client,
) -> None:
    old = await client.add("Ann lives in Rome.")
    ids = [str(uuid4()) for _ in range(4)]

    async def correct(request_id: str) -> pb.Memory | None:
        try:
            return await client.supersede(old, f"{request_id}", request_id=request_id)
        except grpc.aio.AioRpcError as error:
            return None if reason_of(error) == "ALREADY_SUPERSEDED" else pytest.fail(f"{error}")

    answers = await asyncio.gather(*map(correct, ids * 3))

    won = [each for each in answers if each]
    assert len(won) == 3
    assert won[0] == won[1] == won[2]
    assert len(await client.list("")) == 2


async def test_a_correction_that_is_refused_changes_nothing(client: Client) -> None:
    old = await client.add("Ann lives in Rome.", valid_from=NOW)

    with fails_with("INVALID_REQUEST", "memory.valid_from"):
        await client.supersede(old, "x", valid_from=NOW)
    with fails_with("INVALID_REQUEST", "memory.content"):
        await client.supersede(old, "")
    with fails_with("INVALID_REQUEST", "memory.layer"):
        await client.supersede(old, "x", layer=pb.LAYER_TEAM)
    with fails_with("INVALID_REQUEST", "memory.scope"):
        await client.supersede(old, "x", scope={"user_id": "bob"})
    with fails_with("VERSION_MISMATCH"):
        await client.supersede(old, "x", version=7)
    with fails_with("MEMORY_NOT_FOUND"):
        await client.supersede(pb.Memory(name=f"memories/{uuid4()}"), "x")

    assert await client.list("") == ["Ann lives in Rome."]
    assert await client.get(old.name) == old


async def test_lists_are_filtered_by_trust_and_validity(client: Client) -> None:
    await client.add("always")
    await client.add("past", trust=0.5, valid_until=NOW - DAY)
    await client.add("future", trust=0, valid_from=NOW + DAY)
    now = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")

    assert await client.list("trust < 0.75") == ["future", "past"]
    assert await client.list(f'valid_from > "{now}"') == ["future"]
    assert await client.list(f'valid_until <= "{now}"') == ["past"]
    assert await client.list(f'valid_from <= "{now}" AND valid_until > "{now}"') == ["always"]


async def test_only_administrators_raise_trust(client: Client) -> None:
    memory = await client.add("x", layer=pb.LAYER_COMPANY, trust=0.5)
    metadata = client.suite.auth("acme", "dev", (Role.DEVELOPER,))
    developer = Client(client.suite, metadata)

    with fails_with("TRUST_NEEDS_ADMINISTRATOR", code=grpc.StatusCode.PERMISSION_DENIED):
        await developer.update(pb.Memory(name=memory.name, trust=0.75))
    lowered = await developer.update(pb.Memory(name=memory.name, trust=0.25))
    raised = await client.update(pb.Memory(name=memory.name, trust=1))

    assert (lowered.trust, raised.trust) == (0.25, 1)


async def test_of_those_that_fit_alike_the_trusted_one_is_first(client: Client) -> None:
    for text in (
        "We ate pasta.",
        "Taxes are due in May.",
        "A bike leans at the wall.",
        "It rains.",
    ):
        await client.add(text)
    await client.add("The deploy key is in the vault.")
    for claimed in ("chat", "safe"):
        await client.add(f"The deploy key is in the {claimed}.", trust=0, importance=1)

    best, *_ = await client.search("Where is the deploy key?")

    assert best == "The deploy key is in the vault."
