"""Filters of searches, which mean what those of lists mean, whatever the strategy."""

from __future__ import annotations  # enums have their ValueType in the stubs only

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.service.convert import timestamp
from tests.errors import fails_with
from tests.suite import Metadata, Suite

STRATEGIES = [
    pb.SEARCH_STRATEGY_SEMANTIC,
    pb.SEARCH_STRATEGY_LEXICAL,
    pb.SEARCH_STRATEGY_HYBRID,
    pb.SEARCH_STRATEGY_REASONED,
]
DAY = datetime(2026, 3, 1, tzinfo=UTC)
FILTERS = [
    'layer = "user"',
    'layer != "user"',
    'layer = "session" AND session_id = "s1"',
    'user_id = "ann"',
    'user_id != "ann"',
    'user_id = ""',
    'org_id = "harbor" AND team_id != "red"',
    'project_id = "p" AND agent_id = "scribe"',
    "trust >= 0.5",
    "trust < 0.5 AND importance > 0.6",
    "importance != 0.5",
    f'event_time < "{DAY.isoformat().replace("+00:00", "Z")}"',
    "event_time >= 2026-03-02T00:00:00Z AND event_time < 2026-03-04T00:00:00Z",
    "valid_from > 2020-01-01T00:00:00Z",
    "valid_from <= 2020-01-01T00:00:00Z AND valid_until > 2500-01-01T00:00:00Z",
    "valid_until != 2900-01-01T00:00:00Z",
    "create_time > 2020-01-01T00:00:00Z AND update_time > 2020-01-01T00:00:00Z",
    "create_time < 2020-01-01T00:00:00Z",
    "confirm_time > 2020-01-01T00:00:00Z",
    "tier = hot",
    "tier != hot",
    'user_id = "%" AND org_id = "\'; --"',
]


@dataclass(frozen=True)
class Client:
    """The memory service as one caller sees it."""

    suite: Suite
    metadata: Metadata

    async def add(self, *memories: pb.Memory) -> None:
        requests = [pb.CreateMemoryRequest(memory=each) for each in memories]
        request = pb.BatchCreateMemoriesRequest(requests=requests)
        await self.suite.memory.BatchCreateMemories(request, metadata=self.metadata)

    async def listed(self, filter: str) -> set[str]:
        request = pb.ListMemoriesRequest(filter=filter, page_size=1000)
        answer = await self.suite.memory.ListMemories(request, metadata=self.metadata)
        return {each.content for each in answer.memories}

    async def search(
        self, filter: str, strategy: pb.SearchStrategy.ValueType, limit: int = 100
    ) -> list[str]:
        request = pb.SearchMemoriesRequest(
            query="harbour crane", filter=filter, strategy=strategy, limit=limit
        )
        found = await self.suite.memory.SearchMemories(request, metadata=self.metadata)
        return [each.memory.content for each in found.results]

    async def steps(self, filter: str) -> AsyncIterator[pb.ReasonMemoriesResponse]:
        search = pb.SearchMemoriesRequest(query="harbour crane", filter=filter)
        request = pb.ReasonMemoriesRequest(search=search)
        async for event in self.suite.memory.ReasonMemories(request, metadata=self.metadata):
            yield event


def memory(text: str, layer: pb.Layer.ValueType, **values: object) -> pb.Memory:
    ids = {name: str(value) for name, value in values.items() if name.endswith("_id")}
    made = pb.Memory(content=f"harbour crane {text}", layer=layer, scope=scope_pb2.Scope(**ids))
    for name, value in values.items():
        if isinstance(value, float):
            setattr(made, name, value)
        elif isinstance(value, datetime):
            getattr(made, name).CopyFrom(timestamp(value))
    return made


@pytest.fixture
async def client(suite: Suite) -> Client:
    return Client(suite, await suite.create_tenant("acme"))


async def fill(client: Client) -> None:
    """Memories that differ in everything that can be filtered by; origins beside binding ids."""
    ann = {"user_id": "ann"}
    await client.add(
        memory("one", pb.LAYER_USER, **ann, trust=0.2, importance=0.9),
        memory("two", pb.LAYER_USER, user_id="bob", org_id="harbor", event_time=DAY),
        memory("three", pb.LAYER_TEAM, **ann, team_id="red", org_id="harbor", trust=0.4),
        memory("four", pb.LAYER_TEAM, team_id="blue", org_id="harbor"),
        memory("five", pb.LAYER_PROJECT, project_id="p", agent_id="scribe", importance=0.1),
        memory("six", pb.LAYER_COMPANY, user_id="ann", event_time=DAY + timedelta(days=2)),
        memory("seven", pb.LAYER_COMPANY, valid_from=datetime(2026, 1, 1, tzinfo=UTC)),
        memory("eight", pb.LAYER_SESSION, **ann, session_id="s1"),
        memory("nine", pb.LAYER_SESSION, **ann, session_id="s2", event_time=DAY - timedelta(1)),
        memory("ten", pb.LAYER_COMPANY, valid_until=datetime(2900, 1, 1, tzinfo=UTC)),
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_filter_of_a_search_means_what_that_of_a_list_means(
    client: Client, strategy: pb.SearchStrategy.ValueType
) -> None:
    await fill(client)

    assert len(await client.search("", strategy)) == 10
    for text in FILTERS:
        assert set(await client.search(text, strategy)) == await client.listed(text), text


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_what_ranks_behind_many_others_is_found(
    client: Client, strategy: pb.SearchStrategy.ValueType
) -> None:
    for _ in range(2):
        await client.add(*(memory("", pb.LAYER_COMPANY, trust=1.0) for _ in range(100)))
    rare = memory("among very many other words that nobody asked for", pb.LAYER_COMPANY, trust=0.25)
    await client.add(rare)

    assert await client.search("trust < 0.5", strategy, limit=1) == [rare.content]


async def test_neighbours_in_a_session_are_filtered_too(client: Client) -> None:
    session = {"user_id": "ann", "session_id": "s1"}
    turns = [memory(each, pb.LAYER_SESSION, **session) for each in ("a", "b", "c")]
    turns[1].content, turns[1].trust = "We ate soup.", 0.1
    await client.add(*turns)

    everything = await client.search("", pb.SEARCH_STRATEGY_HYBRID)
    trusted = await client.search("trust > 0.5", pb.SEARCH_STRATEGY_HYBRID)

    assert set(everything) - set(trusted) == {"We ate soup."}


async def test_every_step_of_a_reasoned_search_keeps_to_the_filter(client: Client) -> None:
    await fill(client)
    wanted = await client.listed('user_id = "ann"')

    events = [event async for event in client.steps('user_id = "ann"')]

    assert {each.memory.content for each in events[-1].answer.results} == wanted
    assert all(len(event.step.best) <= len(wanted) for event in events[:-1])
    assert sum(event.step.new_memories for event in events[:-1]) == len(wanted)


@pytest.mark.parametrize(
    "text",
    ['content = "x"', 'metadata.a = "x"', "trust = high", 'layer = "galaxy"', "trust > 1 OR trust"],
)
async def test_what_cannot_be_filtered_by_is_refused(client: Client, text: str) -> None:
    for strategy in STRATEGIES:
        with fails_with("INVALID_REQUEST", "filter"):
            await client.search(text, strategy)
    with fails_with("INVALID_REQUEST", "filter"):
        async for _ in client.steps(text):
            pass
