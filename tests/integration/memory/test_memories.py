"""Memories as a client of the service meets them: stored, read, found, changed, gone."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.common.v1 import change_pb2, scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth import Role
from tests.errors import fails_with
from tests.suite import Metadata, Suite


@dataclass(frozen=True)
class Client:
    """The memory service as one caller sees it."""

    suite: Suite
    metadata: Metadata

    async def add(self, content: str, **values: Any) -> pb.Memory:
        request = pb.CreateMemoryRequest(memory=memory(content, **values))
        return await self.suite.memory.CreateMemory(request, metadata=self.metadata)

    async def get(self, name: str) -> pb.Memory:
        request = pb.GetMemoryRequest(name=name)
        return await self.suite.memory.GetMemory(request, metadata=self.metadata)

    async def search(self, query: str, **values: Any) -> list[str]:
        request = pb.SearchMemoriesRequest(query=query, **values)
        found = await self.suite.memory.SearchMemories(request, metadata=self.metadata)
        return [result.memory.content for result in found.results]

    async def update(self, **values: Any) -> pb.Memory:
        request = pb.UpdateMemoryRequest(**values)
        return await self.suite.memory.UpdateMemory(request, metadata=self.metadata)

    async def delete(self, name: str, **values: Any) -> None:
        request = pb.DeleteMemoryRequest(name=name, **values)
        await self.suite.memory.DeleteMemory(request, metadata=self.metadata)

    async def page(self, **values: Any) -> pb.ListMemoriesResponse:
        request = pb.ListMemoriesRequest(**values)
        return await self.suite.memory.ListMemories(request, metadata=self.metadata)

    async def promote(self, name: str, layer: pb.Layer.ValueType, **values: Any) -> pb.Memory:
        request = pb.PromoteMemoryRequest(name=name, layer=layer, **values)
        return await self.suite.memory.PromoteMemory(request, metadata=self.metadata)

    async def history(self, name: str, **values: Any) -> pb.ListMemoryRevisionsResponse:
        request = pb.ListMemoryRevisionsRequest(name=name, **values)
        return await self.suite.memory.ListMemoryRevisions(request, metadata=self.metadata)


def memory(
    content: str, layer: pb.Layer.ValueType = pb.LAYER_USER, user_id: str = "ann", **values: Any
) -> pb.Memory:
    scope = values.pop("scope", {"user_id": user_id})
    return pb.Memory(content=content, layer=layer, scope=scope_pb2.Scope(**scope), **values)


@pytest.fixture
async def client(suite: Suite) -> Client:
    return Client(suite, await suite.create_tenant("acme"))


async def test_what_was_stored_is_read_back_whole(client: Client) -> None:
    metadata: Any = {"source": "chat", "turns": [1, 2.5, None, True], "deep": {"é": "🦊"}}
    request = pb.CreateMemoryRequest(memory=memory("Zoë's dog is 3.", importance=0.0))
    request.memory.metadata.update(metadata)

    created = await client.suite.memory.CreateMemory(request, metadata=client.metadata)

    assert await client.get(created.name) == created
    assert created.content == "Zoë's dog is 3."
    assert dict(created.metadata)["source"] == "chat"
    assert created.importance == 0
    assert created.version == 1
    # The first change of every tenant is its own creation.
    assert created.change_number == 2
    assert created.create_time == created.update_time


async def test_a_memory_is_found_by_meaning_as_soon_as_it_is_stored(client: Client) -> None:
    for text in ("We ate pasta for dinner.", "The release broke: Postgres was down.", "A bike."):
        await client.add(text)

    found = await client.search("deploy failed because the database was unavailable", limit=1)

    assert found == ["The release broke: Postgres was down."]


async def test_scores_order_the_results_and_a_minimum_cuts_them(client: Client) -> None:
    for text in ("a cat sleeps", "a cat naps on the sofa", "quarterly tax report"):
        await client.add(text)
    request = pb.SearchMemoriesRequest(query="a cat sleeps", strategy=pb.SEARCH_STRATEGY_SEMANTIC)

    results = (await client.suite.memory.SearchMemories(request, metadata=client.metadata)).results

    scores = [result.score for result in results]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1, abs=1e-3)
    exact = await client.search(
        "a cat sleeps", min_score=0.99, strategy=pb.SEARCH_STRATEGY_SEMANTIC
    )
    assert exact == ["a cat sleeps"]


@pytest.mark.parametrize(
    ("layer", "missing"),
    [
        (pb.LAYER_AGENT, ["agent_id", "user_id"]),
        (pb.LAYER_USER, ["user_id"]),
        (pb.LAYER_SESSION, ["session_id", "user_id"]),
        (pb.LAYER_PROJECT, ["project_id"]),
        (pb.LAYER_TEAM, ["team_id"]),
        (pb.LAYER_ORG, ["org_id"]),
    ],
)
async def test_each_layer_demands_its_ids(
    client: Client, layer: pb.Layer.ValueType, missing: list[str]
) -> None:
    with fails_with("INVALID_REQUEST", *(f"memory.scope.{name}" for name in missing)):
        await client.add("x", layer=layer, scope={})

    await client.add("x", layer=layer, scope=dict.fromkeys(missing, "1"))


async def test_a_search_sees_what_concerns_its_point_of_view(client: Client) -> None:
    await client.add("fox of ann")
    await client.add("fox of bob", user_id="bob")
    await client.add("fox of p1", layer=pb.LAYER_PROJECT, scope={"project_id": "p1"})
    await client.add("fox of p2", layer=pb.LAYER_PROJECT, scope={"project_id": "p2"})
    await client.add("fox of all", layer=pb.LAYER_COMPANY, scope={"user_id": "bob"})

    assert set(await client.search("fox", scope={"user_id": "ann", "project_id": "p1"})) == {
        "fox of ann",
        "fox of p1",
        "fox of all",
    }
    assert set(await client.search("fox", scope={"user_id": "ann"}, layers=[pb.LAYER_USER])) == {
        "fox of ann"
    }
    assert len(await client.search("fox")) == 5


async def test_an_update_replaces_what_the_mask_names(client: Client) -> None:
    created = await client.add("The meeting is on Monday.", importance=0.9)

    updated = await client.update(
        memory=pb.Memory(name=created.name, content="The meeting is on Tuesday.", importance=0.1),
        update_mask={"paths": ["content"]},
    )

    assert updated.content == "The meeting is on Tuesday."
    assert updated.importance == 0.9
    assert updated.version == 2
    assert await client.get(created.name) == updated
    assert await client.search("Monday or Tuesday?") == ["The meeting is on Tuesday."]


async def test_an_update_without_a_mask_replaces_what_is_set(client: Client) -> None:
    created = await client.add("x", importance=0.9)

    updated = await client.update(memory=pb.Memory(name=created.name, importance=0.0))

    assert (updated.content, updated.importance) == ("x", 0.0)


@pytest.mark.parametrize("path", ["name", "scope.user_id", "version", "nonsense"])
async def test_a_mask_names_only_what_may_change(client: Client, path: str) -> None:
    created = await client.add("x")

    with fails_with("INVALID_REQUEST", "update_mask"):
        await client.update(
            memory=pb.Memory(name=created.name, content="y"), update_mask={"paths": [path]}
        )


async def test_a_stale_version_changes_nothing(client: Client) -> None:
    created = await client.add("first")
    await client.update(memory=pb.Memory(name=created.name, content="second", version=1))

    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await client.update(memory=pb.Memory(name=created.name, content="third", version=1))
    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await client.delete(created.name, version=1)

    assert (await client.get(created.name)).content == "second"


async def test_of_concurrent_updates_on_one_version_one_wins(client: Client) -> None:
    created = await client.add("0")

    async def update(place: int) -> bool:
        try:
            await client.update(memory=pb.Memory(name=created.name, content=f"{place}", version=1))
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.ABORTED
        return True

    won = await asyncio.gather(*map(update, range(1, 9)))

    assert sum(won) == 1
    assert (await client.get(created.name)).content == f"{won.index(True) + 1}"


async def test_a_deleted_memory_is_gone_everywhere(client: Client) -> None:
    created = await client.add("Forget me.")
    await client.update(memory=pb.Memory(name=created.name, content="Forget me too."))

    await client.delete(created.name)

    with fails_with("MEMORY_NOT_FOUND", code=grpc.StatusCode.NOT_FOUND):
        await client.get(created.name)
    with fails_with("MEMORY_NOT_FOUND"):
        await client.delete(created.name)
    assert await client.search("Forget me") == []
    assert (await client.page()).memories == []
    history = (await client.history(created.name)).revisions
    assert [each.change.operation for each in history] == [
        change_pb2.OPERATION_CREATED,
        change_pb2.OPERATION_UPDATED,
        change_pb2.OPERATION_DELETED,
    ]
    assert not any(each.HasField("memory") for each in history)


async def test_history_tells_every_version_and_who_made_it(client: Client) -> None:
    created = await client.add("one")
    await client.update(memory=pb.Memory(name=created.name, content="two"))
    await client.promote(created.name, pb.LAYER_COMPANY)

    first = await client.history(created.name, page_size=2)
    rest = await client.history(created.name, page_size=2, page_token=first.next_page_token)

    revisions = [*first.revisions, *rest.revisions]
    assert [each.memory.content for each in revisions] == ["one", "two", "two"]
    assert [each.memory.version for each in revisions] == [1, 2, 3]
    assert [each.change.layer for each in revisions] == ["user", "user", "company"]
    assert {each.change.actor for each in revisions} == {"user:ann"}
    assert {each.change.subject for each in revisions} == {"ann"}
    assert rest.next_page_token == ""


async def test_a_history_of_large_texts_comes_in_pages_that_any_client_can_receive(
    client: Client,
) -> None:
    created = await client.add("x" * 65536)
    for number in range(59):
        changed = pb.Memory(name=created.name, content=f"{number:02}{'x' * 65534}")
        await client.update(memory=changed)

    pages = [await client.history(created.name, page_size=1000)]
    while pages[-1].next_page_token:
        token = pages[-1].next_page_token
        pages.append(await client.history(created.name, page_size=1000, page_token=token))

    assert all(page.ByteSize() < 4 * 2**20 for page in pages)
    versions = [each.memory.version for page in pages for each in page.revisions]
    assert versions == list(range(1, 61))


async def test_a_promoted_memory_is_seen_by_more_people(client: Client) -> None:
    created = await client.add("Use port 8443.")
    assert await client.search("which port?", scope={"user_id": "bob"}) == []

    promoted = await client.promote(created.name, pb.LAYER_TEAM, scope={"team_id": "sre"})

    assert (promoted.layer, promoted.version) == (pb.LAYER_TEAM, 2)
    assert await client.search("which port?", scope={"user_id": "bob"}) == ["Use port 8443."]
    assert await client.search("which port?", scope={"team_id": "design"}) == []


async def test_a_memory_is_promoted_upwards_only_and_with_the_ids_it_needs(client: Client) -> None:
    created = await client.add("x", layer=pb.LAYER_PROJECT, scope={"project_id": "p"})

    for layer in (pb.LAYER_USER, pb.LAYER_PROJECT):
        with fails_with("LAYER_NOT_BROADER", code=grpc.StatusCode.FAILED_PRECONDITION):
            await client.promote(created.name, layer, scope={"user_id": "bob"})
    with fails_with("INVALID_REQUEST", "scope.team_id"):
        await client.promote(created.name, pb.LAYER_TEAM)

    assert await client.get(created.name) == created


async def test_pages_hold_every_memory_once_newest_first(client: Client) -> None:
    for place in range(25):
        await client.add(f"{place}")

    seen, token = [], ""
    while True:
        page = await client.page(page_size=7, page_token=token)
        seen += [each.content for each in page.memories]
        if not (token := page.next_page_token):
            break

    assert seen == [f"{place}" for place in range(24, -1, -1)]


async def test_filters_choose_and_are_never_dropped(client: Client) -> None:
    await client.add("a", importance=0.2)
    await client.add("b", user_id="b%_", importance=0.9)
    await client.add("c", layer=pb.LAYER_PROJECT, scope={"project_id": "p"})

    async def contents(filter: str) -> list[str]:
        return [each.content for each in (await client.page(filter=filter)).memories]

    assert await contents('layer = "user" AND importance > 0.5') == ["b"]
    assert await contents('user_id = "b%_"') == ["b"]
    assert await contents('user_id = "%"') == []
    assert await contents('create_time > "2020-01-01T00:00:00Z" AND project_id = "p"') == ["c"]
    for bad in ("content = 'a'", "layer = 'nonsense'", "user_id", "layer OR user_id", "x = 1"):
        with fails_with("INVALID_REQUEST", "filter"):
            await contents(bad)


async def test_a_page_token_belongs_to_its_filter(client: Client) -> None:
    for _ in range(3):
        await client.add("x")
    token = (await client.page(page_size=1)).next_page_token

    with fails_with("INVALID_REQUEST", "page_token"):
        await client.page(page_size=1, page_token=token, filter='layer = "user"')


async def test_a_batch_is_stored_whole_or_not_at_all(client: Client) -> None:
    good = [pb.CreateMemoryRequest(memory=memory(f"{place}")) for place in range(5)]
    bad = pb.CreateMemoryRequest(memory=memory("x", scope={}))
    create = client.suite.memory.BatchCreateMemories

    stored = await create(pb.BatchCreateMemoriesRequest(requests=good), metadata=client.metadata)
    with fails_with("INVALID_REQUEST", "requests[5].memory.scope.user_id"):
        await create(pb.BatchCreateMemoriesRequest(requests=[*good, bad]), metadata=client.metadata)

    assert [each.content for each in stored.memories] == ["0", "1", "2", "3", "4"]
    assert [each.change_number for each in stored.memories] == [2, 3, 4, 5, 6]
    assert len((await client.page()).memories) == 5


async def test_a_stream_answers_each_request_and_survives_bad_ones(client: Client) -> None:
    async def requests() -> AsyncIterator[pb.CreateMemoryRequest]:
        for place in range(200):
            values: Any = {"scope": {}} if place % 50 == 7 else {}
            yield pb.CreateMemoryRequest(
                memory=memory(f"{place}", **values), request_id=str(uuid4())
            )

    call = client.suite.memory.StreamCreateMemories(requests(), metadata=client.metadata)
    answers = {each.index: each async for each in call}

    assert sorted(answers) == list(range(200))
    refused = {index for index, each in answers.items() if each.HasField("error")}
    assert refused == {7, 57, 107, 157}
    stored = [each for each in answers.values() if each.HasField("memory")]
    assert {each.memory.content for each in stored} == {
        f"{place}" for place in range(200) if place not in refused
    }


async def test_a_stream_answers_whether_or_not_more_requests_come(client: Client) -> None:
    call = client.suite.memory.StreamCreateMemories(metadata=client.metadata, timeout=30)

    for place in range(3):
        await call.write(pb.CreateMemoryRequest(memory=memory(f"{place}")))
        answer = await call.read()
        assert isinstance(answer, pb.StreamCreateMemoriesResponse)
        assert (answer.index, answer.memory.content) == (place, f"{place}")

    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_stream_goes_on_after_a_request_against_the_contract(client: Client) -> None:
    contents = ["first", "x" * 65537, "last"]
    requests = [pb.CreateMemoryRequest(memory=memory(content)) for content in contents]

    call = client.suite.memory.StreamCreateMemories(iter(requests), metadata=client.metadata)
    answers = {each.index: each async for each in call}

    assert [answers[place].memory.content for place in (0, 2)] == ["first", "last"]
    assert answers[1].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


async def test_a_repeated_request_gets_the_first_answer(client: Client) -> None:
    request = pb.CreateMemoryRequest(memory=memory("once"), request_id=str(uuid4()))
    create = client.suite.memory.CreateMemory

    answers = await asyncio.gather(*(create(request, metadata=client.metadata) for _ in range(8)))
    await client.update(memory=pb.Memory(name=answers[0].name, content="changed since"))
    late = await create(request, metadata=client.metadata)

    assert all(each == answers[0] for each in [*answers, late])
    assert len((await client.page()).memories) == 1


async def test_a_repeated_update_is_not_applied_twice(client: Client) -> None:
    created = await client.add("one")
    request = pb.UpdateMemoryRequest(
        memory=pb.Memory(name=created.name, content="two", version=1), request_id=str(uuid4())
    )

    first = await client.suite.memory.UpdateMemory(request, metadata=client.metadata)
    again = await client.suite.memory.UpdateMemory(request, metadata=client.metadata)

    assert first == again
    assert (await client.get(created.name)).version == 2


async def test_a_repeated_deletion_is_answered_again(client: Client) -> None:
    created, request_id = await client.add("x"), str(uuid4())

    await client.delete(created.name, request_id=request_id)
    await client.delete(created.name, request_id=request_id)


async def test_a_request_id_serves_one_request_only(client: Client) -> None:
    request_id = str(uuid4())
    first = pb.CreateMemoryRequest(memory=memory("a"), request_id=request_id)
    await client.suite.memory.CreateMemory(first, metadata=client.metadata)
    other = pb.CreateMemoryRequest(memory=memory("b"), request_id=request_id)

    with fails_with("REQUEST_ID_REUSED", code=grpc.StatusCode.INVALID_ARGUMENT):
        await client.suite.memory.CreateMemory(other, metadata=client.metadata)


async def test_an_answer_is_remembered_for_a_day_at_least(client: Client) -> None:
    request = pb.CreateMemoryRequest(memory=memory("once a day"), request_id=str(uuid4()))
    create = client.suite.memory.CreateMemory
    first = await create(request, metadata=client.metadata)
    async with client.suite.database.connect() as superuser:
        age = "UPDATE aeterna.request SET created_at = created_at - interval '{} hours'"
        await superuser.execute(age.format(23))
        assert await create(request, metadata=client.metadata) == first
        await superuser.execute(age.format(2))
        batch = pb.BatchCreateMemoriesRequest(
            requests=[pb.CreateMemoryRequest(memory=memory("later"))] * 100
        )
        for _ in range(3):  # answers are dropped with every 256th change of the tenant
            batch.request_id = str(uuid4())
            await client.suite.memory.BatchCreateMemories(batch, metadata=client.metadata)
        assert await superuser.fetchval("SELECT count(*) FROM aeterna.request") == 3

    assert (await create(request, metadata=client.metadata)).name != first.name


async def test_repeats_among_others_get_their_first_answers(client: Client) -> None:
    create, delete = client.suite.memory.CreateMemory, client.suite.memory.DeleteMemory
    requests = [
        pb.CreateMemoryRequest(memory=memory(f"note {n}"), request_id=str(uuid4()))
        for n in range(20)
    ]
    first = [await create(each, metadata=client.metadata) for each in requests[:10]]
    removal = pb.DeleteMemoryRequest(name=first[0].name, request_id=str(uuid4()))
    await delete(removal, metadata=client.metadata)

    calls = [create(each, metadata=client.metadata) for each in requests[1:]]
    again = await asyncio.gather(*calls, delete(removal, metadata=client.metadata))

    assert again[:9] == first[1:]  # though all of these shared a few transactions
    listed = {each.content for each in (await client.page(page_size=100)).memories}
    assert listed == {f"note {n}" for n in range(1, 20)}


async def test_viewers_read_and_do_not_write(client: Client) -> None:
    created = await client.add("x")
    viewer = Client(client.suite, client.suite.auth("acme", roles=[Role.VIEWER]))

    assert await viewer.get(created.name) == created
    for attempt in (viewer.add("y"), viewer.delete(created.name)):
        with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
            await attempt


async def test_content_is_nowhere_in_the_database(client: Client) -> None:
    secret = "xylophone-quokka-88231"
    request = pb.CreateMemoryRequest(memory=memory(secret))
    request.memory.metadata.update({"note": secret})
    created = await client.suite.memory.CreateMemory(request, metadata=client.metadata)
    await client.update(memory=pb.Memory(name=created.name, content=f"{secret} again"))
    await client.search(secret)

    async with client.suite.database.connect() as superuser:
        tables = await superuser.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname IN ('aeterna', 'control', 'aeterna_meta')"
        )
        for table in tables:
            rows = await superuser.fetch(f"SELECT t::text AS text FROM {table['name']} AS t")
            for row in rows:
                assert secret not in row["text"]
                assert secret.encode().hex() not in row["text"]
