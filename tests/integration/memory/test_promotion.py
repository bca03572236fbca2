"""Promotion as a client meets it: more people see a memory, and no personal data in it."""

from __future__ import annotations  # enums have their ValueType in the stubs only

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from aeterna.common.v1 import change_pb2, scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth import Role
from services.memory.operations import MemoryOperations
from services.memory.promotion import Promotion
from tests.errors import fails_with
from tests.integration.memory.aged import ARCHIVED_DAYS, WARM_DAYS, Aged
from tests.suite import Metadata, Suite

TEAM = scope_pb2.Scope(team_id="payments")
LOUD = "Ask Lena (lena@example.com, +47 22 12 34 56) about the pool."
QUIET = "Ask Lena ([email], [phone]) about the pool."
STRATEGIES = [
    pb.SEARCH_STRATEGY_SEMANTIC,
    pb.SEARCH_STRATEGY_LEXICAL,
    pb.SEARCH_STRATEGY_HYBRID,
    pb.SEARCH_STRATEGY_REASONED,
]


@dataclass(frozen=True)
class Client:
    """The memory service as one caller sees it."""

    suite: Suite
    metadata: Metadata

    async def add(self, content: str = LOUD, **values: Any) -> pb.Memory:
        scope = scope_pb2.Scope(user_id="ann")
        memory = pb.Memory(layer=pb.LAYER_USER, scope=scope, content=content)
        memory.metadata.update(values.pop("metadata", {}))
        memory.MergeFrom(pb.Memory(**values))
        return await self.suite.memory.CreateMemory(
            pb.CreateMemoryRequest(memory=memory), metadata=self.metadata
        )

    async def update(self, name: str, **values: Any) -> pb.Memory:
        request = pb.UpdateMemoryRequest(memory=pb.Memory(name=name, **values))
        return await self.suite.memory.UpdateMemory(request, metadata=self.metadata)

    async def promote(self, name: str, **values: Any) -> pb.Memory:
        values = {"layer": pb.LAYER_TEAM, "scope": TEAM, **values}
        request = pb.PromoteMemoryRequest(name=name, **values)
        return await self.suite.memory.PromoteMemory(request, metadata=self.metadata)

    async def get(self, name: str) -> pb.Memory:
        request = pb.GetMemoryRequest(name=name)
        return await self.suite.memory.GetMemory(request, metadata=self.metadata)

    async def search(self, query: str, strategy: pb.SearchStrategy.ValueType) -> list[str]:
        request = pb.SearchMemoriesRequest(query=query, scope=TEAM, strategy=strategy)
        found = await self.suite.memory.SearchMemories(request, metadata=self.metadata)
        return [each.memory.content for each in found.results]

    async def history(self, name: str) -> list[tuple[change_pb2.Operation.ValueType, str]]:
        request = pb.ListMemoryRevisionsRequest(name=name)
        answer = await self.suite.memory.ListMemoryRevisions(request, metadata=self.metadata)
        return [(each.change.operation, each.memory.content) for each in answer.revisions]


@pytest.fixture
async def client(suite: Suite) -> Client:
    return Client(suite, await suite.create_tenant("acme"))


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_the_team_finds_what_is_left(
    client: Client, strategy: pb.SearchStrategy.ValueType
) -> None:
    created = await client.add()

    promoted = await client.promote(created.name)

    assert (promoted.content, promoted.version) == (QUIET, 2)
    assert promoted.redacted == ["email", "phone"]
    assert await client.search("whom to ask about the pool", strategy) == [QUIET]
    promoted.ClearField("redacted")
    assert await client.get(created.name) == promoted


async def test_its_words_and_meaning_are_those_of_what_is_left(client: Client) -> None:
    await client.promote((await client.add()).name)

    async def score(query: str, strategy: pb.SearchStrategy.ValueType) -> float:
        request = pb.SearchMemoriesRequest(query=query, scope=TEAM, strategy=strategy)
        found = await client.suite.memory.SearchMemories(request, metadata=client.metadata)
        return found.results[0].score if found.results else 0.0

    assert await client.search("lena@example.com", pb.SEARCH_STRATEGY_LEXICAL) == [QUIET]  # Lena
    assert await score("example.com", pb.SEARCH_STRATEGY_LEXICAL) == 0
    assert await score(QUIET, pb.SEARCH_STRATEGY_SEMANTIC) == pytest.approx(1, abs=1e-3)


async def test_metadata_author_and_source_are_looked_at_and_keys_stay(client: Client) -> None:
    created = await client.add(
        "The pool is small.",
        metadata={"a@example.com": ["b@example.com", 7], "card": "4111 1111 1111 1111"},
        author="lena@example.com",
        source="mailto:lena@example.com",
    )

    promoted = await client.promote(created.name)

    assert MessageToDict(promoted.metadata) == {
        "a@example.com": ["[email]", 7],
        "card": "[card]",
    }
    assert (promoted.author, promoted.source) == ("[email]", "mailto:[email]")
    assert promoted.content == "The pool is small."
    assert promoted.redacted == ["email", "card"]


async def test_nobody_reads_it_in_earlier_versions(client: Client) -> None:
    name = (await client.add()).name
    await client.update(name, importance=0.9)

    await client.promote(name)
    await client.update(name, importance=0.1)

    assert await client.history(name) == [
        (change_pb2.OPERATION_CREATED, ""),
        (change_pb2.OPERATION_UPDATED, ""),
        (change_pb2.OPERATION_PROMOTED, QUIET),
        (change_pb2.OPERATION_UPDATED, QUIET),
    ]
    assert await stored_versions(client.suite, name) == [3]


async def test_what_only_an_earlier_version_holds_goes_too(client: Client) -> None:
    name = (await client.add()).name
    await client.update(name, content="Ask Lena about the pool.")

    promoted = await client.promote(name)

    assert promoted.content == "Ask Lena about the pool."
    assert promoted.redacted == []
    assert await client.history(name) == [
        (change_pb2.OPERATION_CREATED, ""),
        (change_pb2.OPERATION_UPDATED, ""),
        (change_pb2.OPERATION_PROMOTED, "Ask Lena about the pool."),
    ]


async def test_history_without_personal_data_stays(client: Client) -> None:
    name = (await client.add("The pool has 40 connections.")).name
    await client.update(name, content="The pool has 24 connections.")

    promoted = await client.promote(name)

    assert promoted.redacted == []
    assert [content for _, content in await client.history(name)] == [
        "The pool has 40 connections.",
        "The pool has 24 connections.",
        "The pool has 24 connections.",
    ]


async def test_a_trial_tells_and_changes_nothing(client: Client) -> None:
    created = await client.add()

    tried = await client.promote(created.name, validate_only=True)

    assert (tried.content, tried.layer, tried.version) == (QUIET, pb.LAYER_TEAM, 2)
    assert tried.redacted == ["email", "phone"]
    assert tried.change_number == 0
    assert await client.get(created.name) == created
    assert await client.history(created.name) == [(change_pb2.OPERATION_CREATED, LOUD)]
    with fails_with("LAYER_NOT_BROADER"):
        await client.promote(created.name, layer=pb.LAYER_USER, validate_only=True)
    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await client.promote(created.name, version=7, validate_only=True)


@pytest.mark.parametrize("days", [WARM_DAYS, ARCHIVED_DAYS])
@pytest.mark.parametrize("redaction", [pb.REDACTION_PERSONAL_DATA, pb.REDACTION_NONE])
@pytest.mark.parametrize("noted", ["content", "source"])
async def test_one_that_had_faded_comes_back_as_it_is_left(
    suite: Suite, days: float, redaction: pb.Redaction.ValueType, noted: str
) -> None:
    acme = await Aged.create(suite)
    client = Client(suite, acme.metadata)
    content = LOUD if noted == "content" else "Ask about the pool."
    created = await acme.add(content, days, source="mailto:lena@example.com")
    await acme.optimize()
    left = QUIET if redaction == pb.REDACTION_PERSONAL_DATA and noted == "content" else content

    tried = await client.promote(created.name, redaction=redaction, validate_only=True)
    assert (await acme.get(created)).tier != pb.TIER_HOT
    promoted = await client.promote(created.name, redaction=redaction)

    assert (promoted.content, promoted.tier) == (left, pb.TIER_HOT) == (tried.content, tried.tier)
    for strategy in (pb.SEARCH_STRATEGY_SEMANTIC, pb.SEARCH_STRATEGY_LEXICAL):
        assert await client.search("whom to ask about the pool", strategy) == [left]


async def test_only_administrators_promote_as_it_is(client: Client) -> None:
    created = await client.add()
    developer = Client(client.suite, client.suite.auth("acme", "bob", (Role.DEVELOPER,)))

    for trial in (True, False):
        with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
            await developer.promote(created.name, redaction=pb.REDACTION_NONE, validate_only=trial)
    assert await client.get(created.name) == created
    promoted = await client.promote(created.name, redaction=pb.REDACTION_NONE)

    assert promoted.content == LOUD
    assert promoted.redacted == []
    assert [content for _, content in await client.history(created.name)] == [LOUD, LOUD]


async def test_a_repeat_does_nothing_more(client: Client) -> None:
    created, request_id = await client.add(), str(uuid4())

    first = await client.promote(created.name, request_id=request_id)
    again = await client.promote(created.name, request_id=request_id)

    first.ClearField("redacted")
    assert again == first
    assert len(await client.history(created.name)) == 2


async def test_a_repeat_whose_version_is_removed_gets_the_one_that_is_kept(client: Client) -> None:
    memory = pb.Memory(content=LOUD, layer=pb.LAYER_USER, scope=scope_pb2.Scope(user_id="ann"))
    request = pb.CreateMemoryRequest(memory=memory, request_id=str(uuid4()))
    created = await client.suite.memory.CreateMemory(request, metadata=client.metadata)
    await client.promote(created.name)

    again = await client.suite.memory.CreateMemory(request, metadata=client.metadata)

    assert (again.name, again.content) == (created.name, QUIET)


async def test_a_text_that_changes_meanwhile_is_redacted_as_it_is_then(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (await client.add("Ask Lena.")).name
    rest = [LOUD]  # what others write once the memory was read
    _between(monkeypatch, client, name, rest)

    promoted = await client.promote(name)

    assert (promoted.content, rest) == (QUIET, [])
    assert LOUD not in [content for _, content in await client.history(name)]


async def test_an_update_does_not_bring_the_author_back_into_the_indexes(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (await client.add("Ask about the pool.", author="lena@example.com")).name
    sealed, moves = MemoryOperations._seal_patch, [name]

    async def late(self: MemoryOperations, *arguments: Any) -> Any:
        if moves:
            await client.promote(moves.pop())
        return await sealed(self, *arguments)

    monkeypatch.setattr(MemoryOperations, "_seal_patch", late)

    updated = await client.update(name, content="Ask about the pool today.")

    assert (updated.content, updated.layer) == ("Ask about the pool today.", pb.LAYER_TEAM)
    assert "lena" not in updated.author
    assert await client.search("example", pb.SEARCH_STRATEGY_LEXICAL) == []


async def test_a_text_that_keeps_changing_is_not_promoted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (await client.add("Ask Lena.")).name
    _between(monkeypatch, client, name, [f"{LOUD} {place}" for place in range(9)])

    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await client.promote(name)

    assert (await client.get(name)).layer == pb.LAYER_USER


def _between(
    monkeypatch: pytest.MonkeyPatch, client: Client, name: str, contents: list[str]
) -> None:
    """Between reading a memory and moving it, its next content is stored."""
    redacting = Promotion._redacting

    async def late(self: Promotion, *arguments: Any, **more: Any) -> Any:
        if contents:
            await client.update(name, content=contents.pop(0))
        return await redacting(self, *arguments, **more)

    monkeypatch.setattr(Promotion, "_redacting", late)


async def stored_versions(suite: Suite, name: str) -> list[int]:
    """The earlier versions that the shard still has."""
    sql = "SELECT version FROM aeterna.memory_version WHERE id = $1"
    async with suite.database.connect() as connection:
        rows = await connection.fetch(sql, UUID(name.removeprefix("memories/")))
    return [row["version"] for row in rows]
