"""Searches by words, by meaning and by both, as a client of the service meets them."""

from __future__ import annotations  # enums have their ValueType in the stubs only

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.common.v1 import scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from tests.errors import fails_with
from tests.suite import Metadata, Suite

LEXICAL = pb.SEARCH_STRATEGY_LEXICAL
SEMANTIC = pb.SEARCH_STRATEGY_SEMANTIC
HYBRID = pb.SEARCH_STRATEGY_HYBRID
CHAT = scope_pb2.Scope(user_id="ann", session_id="chat")


@dataclass(frozen=True)
class Client:
    """The memory service as one caller sees it."""

    suite: Suite
    metadata: Metadata

    async def add(self, content: str, **values: Any) -> pb.Memory:
        memory = pb.Memory(layer=pb.LAYER_COMPANY, content=content)
        memory.MergeFrom(pb.Memory(**values))
        request = pb.CreateMemoryRequest(memory=memory)
        return await self.suite.memory.CreateMemory(request, metadata=self.metadata)

    async def converse(self, *turns: str) -> None:
        """Stores the turns of a session, in their order."""
        for turn in turns:
            await self.add(turn, layer=pb.LAYER_SESSION, scope=CHAT)

    async def answer(self, query: str, **values: Any) -> pb.SearchMemoriesResponse:
        request = pb.SearchMemoriesRequest(query=query, **values)
        return await self.suite.memory.SearchMemories(request, metadata=self.metadata)

    async def search(self, query: str, **values: Any) -> list[str]:
        answer = await self.answer(query, **values)
        return [result.memory.content for result in answer.results]

    async def update(self, memory: pb.Memory) -> pb.Memory:
        request = pb.UpdateMemoryRequest(memory=memory)
        return await self.suite.memory.UpdateMemory(request, metadata=self.metadata)


@pytest.fixture
async def client(suite: Suite) -> Client:
    return Client(suite, await suite.create_tenant("acme"))


async def test_words_find_what_holds_them_in_any_form(client: Client) -> None:
    for text in ("We were painting sunsets.", "A sunset over the sea.", "The invoice is late."):
        await client.add(text)

    found = await client.search("Which sunsets did they paint?", strategy=LEXICAL)

    assert found == ["We were painting sunsets.", "A sunset over the sea."]
    assert await client.search("what is it?", strategy=LEXICAL) == []


async def test_words_follow_updates_and_deletes(client: Client) -> None:
    changed, gone = await client.add("the parrot talks"), await client.add("a parrot sings")
    await client.update(pb.Memory(name=changed.name, content="the owl talks"))
    request = pb.DeleteMemoryRequest(name=gone.name)
    await client.suite.memory.DeleteMemory(request, metadata=client.metadata)

    assert await client.search("parrot", strategy=LEXICAL) == []
    assert await client.search("owl", strategy=LEXICAL) == ["the owl talks"]


async def test_an_identifier_is_found_though_it_means_nothing(client: Client) -> None:
    for number in range(30):
        await client.add(f"Ticket QX-{4100 + number} was closed by the network team.")

    for strategy in (LEXICAL, HYBRID):
        found = await client.search("QX-4117", strategy=strategy, limit=1)
        assert found == ["Ticket QX-4117 was closed by the network team."]


async def test_hybrid_finds_by_meaning_what_shares_no_word(client: Client) -> None:
    for text in ("Postgres was down for an hour.", "We ate pasta.", "A bicycle for sale."):
        await client.add(text)

    assert await client.search("database outage", strategy=LEXICAL) == []
    assert (await client.search("database outage"))[0] == "Postgres was down for an hour."


async def test_an_answer_is_found_beside_its_question(client: Client) -> None:
    await client.converse(
        "Which film did you see on the ferry?",
        "Amber, it was long but worth it.",
        "Which colour did you pick for the kitchen walls?",
        "Sage, it goes with everything.",
        "Lovely. How is your brother?",
        "Fine, he moved to the coast.",
    )

    answer = await client.answer("colour of the kitchen walls", explain=True)

    contents = [result.memory.content for result in answer.results]
    found = contents.index("Sage, it goes with everything.")
    assert found < contents.index("Amber, it was long but worth it.")
    signals = {each.name: each for each in answer.results[found].signals}
    assert signals["answers"].value == 1
    assert signals["asked_before"].contribution > 0


async def test_turns_are_in_the_order_of_their_times_however_they_were_stored(
    client: Client,
) -> None:
    turns = ("Which colour did you pick?", "Sage.", "Lovely. How is your brother?", "Fine.")
    for number in (2, 3, 1, 0):
        time = Timestamp(seconds=1_700_000_000 + number)
        await client.add(turns[number], layer=pb.LAYER_SESSION, scope=CHAT, event_time=time)

    answer = await client.answer("Which colour?", explain=True)

    follows = {
        result.memory.content: {each.name: each.value for each in result.signals}["answers"]
        for result in answer.results
    }
    assert follows == dict(zip(turns, (0, 1, 0, 1), strict=True))


async def test_sessions_of_others_are_no_neighbours(client: Client) -> None:
    await client.converse("Which colour did you pick for the kitchen walls?")
    bob = scope_pb2.Scope(user_id="bob", session_id="chat")
    await client.add("Sage, it goes with everything.", layer=pb.LAYER_SESSION, scope=bob)

    answer = await client.answer("colour of the kitchen walls", explain=True)

    for result in answer.results:
        near = {each.name: each.value for each in result.signals}
        assert (near["next"], near["answers"], near["asked_before"]) == (0, 0, 0)


async def test_signals_are_told_when_asked_for_and_sum_up_to_the_score(client: Client) -> None:
    for text in ("a red fox", "a red kite", "a blue whale"):
        await client.add(text)

    for strategy in (SEMANTIC, LEXICAL, HYBRID):
        quiet = await client.answer("red fox", strategy=strategy)
        assert not any(result.signals for result in quiet.results)
        told = await client.answer("red fox", strategy=strategy, explain=True)
        assert [result.memory for result in told.results] == [
            result.memory for result in quiet.results
        ]
        for result in told.results:
            parts = sum(each.contribution for each in result.signals)
            assert parts == pytest.approx(result.score)
        assert told.missing_signals == []


async def test_who_said_it_counts(client: Client) -> None:
    for author in ("Caroline", "Melanie"):
        await client.add("I signed up for a pottery class.", author=author)

    for strategy in (LEXICAL, HYBRID):
        answer = await client.answer("Did Melanie sign up for pottery?", strategy=strategy)
        assert answer.results[0].memory.author == "Melanie"


async def test_a_search_tells_whether_an_answer_is_likely(client: Client) -> None:
    for author, text in (("Ann", "I bought a red kayak."), ("Bob", "I sold my old car.")):
        for _ in range(3):
            await client.add(text, author=author)

    said = await client.answer("Which kayak did Ann buy?")
    never = await client.answer("Which kayak did Bob buy?")

    assert 0 <= never.answerable < said.answerable <= 1
    for strategy in (SEMANTIC, LEXICAL):
        assert not (await client.answer("kayak", strategy=strategy)).HasField("answerable")


async def test_an_empty_memory_has_no_answer(client: Client) -> None:
    answer = await client.answer("anything?")

    assert not answer.results
    assert answer.HasField("answerable")
    assert answer.answerable == 0


async def test_an_author_stays_whatever_is_changed(client: Client) -> None:
    created = await client.add("I like tea.", author="Zoë")

    changed = await client.update(pb.Memory(name=created.name, content="I like mate."))

    assert changed.author == "Zoë"
    assert await client.search("Zoë", strategy=LEXICAL) == ["I like mate."]
    with fails_with("INVALID_REQUEST", "update_mask"):
        request = pb.UpdateMemoryRequest(memory=pb.Memory(name=created.name, author="Eve"))
        request.update_mask.paths.append("author")
        await client.suite.memory.UpdateMemory(request, metadata=client.metadata)


async def test_the_time_of_an_event_is_its_own(client: Client) -> None:
    then, later = Timestamp(seconds=1_683_500_000), Timestamp(seconds=1_683_600_000)
    now = await client.add("no time given")
    created = await client.add("long ago", event_time=then)

    assert now.event_time == now.create_time
    assert created.event_time == then
    moved = await client.update(pb.Memory(name=created.name, event_time=later))
    assert (moved.event_time, moved.content) == (later, "long ago")
    request = pb.ListMemoriesRequest(filter='event_time < "2024-01-01T00:00:00Z"')
    page = await client.suite.memory.ListMemories(request, metadata=client.metadata)
    assert [each.content for each in page.memories] == ["long ago"]


async def test_what_is_said_of_a_time_counts_before_the_date(client: Client) -> None:
    told = {"I joined the choir two years ago.": 2024, "Ann joined the choir.": 2024}
    for text, year in (*told.items(), ("Bob joined the choir.", 2023)):
        time = Timestamp()
        time.FromDatetime(datetime(year, 3, 1, tzinfo=UTC))
        await client.add(text, event_time=time)

    assert (await client.search("Who joined the choir in 2022?"))[0].startswith("I joined")
    assert (await client.search("Who joined the choir in 2024?"))[0].startswith("Ann")
    assert (await client.search("Who joined the choir in 2023?"))[0].startswith("Bob")


async def test_a_question_may_be_relative_to_now(client: Client) -> None:
    now = datetime.now(UTC)
    for text, days in (("I baked rye bread.", 1), ("I baked white bread.", 100)):
        time = Timestamp()
        time.FromDatetime(now - timedelta(days=days))
        await client.add(text, event_time=time)

    for query in ("What bread did I bake yesterday?", "What bread did I bake a day ago?"):
        answer = await client.answer(query, explain=True)
        values = {
            result.memory.content: {each.name: each.value for each in result.signals}["day"]
            for result in answer.results
        }
        assert values == {"I baked rye bread.": 1, "I baked white bread.": 0}
        assert answer.results[0].memory.content == "I baked rye bread."


async def test_a_time_outside_of_the_calendar_is_refused(client: Client) -> None:
    with fails_with("INVALID_REQUEST", "memory.event_time"):
        await client.add("x", event_time=Timestamp(seconds=10**15))


@pytest.mark.parametrize("strategy", [SEMANTIC, LEXICAL, HYBRID])
async def test_every_strategy_keeps_the_point_of_view(
    client: Client, strategy: pb.SearchStrategy.ValueType
) -> None:
    for user in ("ann", "bob"):
        await client.add(f"fox of {user}", layer=pb.LAYER_USER, scope=scope_pb2.Scope(user_id=user))
    await client.add("fox of all")
    view = {"user_id": "ann"}

    seen = await client.search("fox", strategy=strategy, scope=view)
    assert set(seen) == {"fox of ann", "fox of all"}
    company = await client.search(
        "fox", strategy=strategy, scope=view, layers=[pb.LAYER_COMPANY], limit=1
    )
    assert company == ["fox of all"]


async def test_a_minimum_score_is_the_strategys(client: Client) -> None:
    for text in ("red fox", "red kite", "blue whale"):
        await client.add(text)
    best = (await client.answer("red fox", strategy=LEXICAL)).results[0].score

    assert await client.search("red fox", strategy=LEXICAL, min_score=best - 0.01) == ["red fox"]
    assert await client.search("red fox", strategy=LEXICAL, min_score=best + 0.01) == []


async def test_the_index_holds_no_word(client: Client) -> None:
    await client.add("xylophone xylophone", author="Quetzalcoatl")

    async with client.suite.database.connect() as superuser:
        for table in ("posting", "document", "lexicon"):
            rows = await superuser.fetch(f"SELECT t::text AS row FROM aeterna.{table} AS t")
            assert rows
            for row in rows:
                assert "xylo" not in row["row"].lower()
                assert "quetz" not in row["row"].lower()


async def test_the_same_word_of_two_tenants_has_two_hashes(client: Client, suite: Suite) -> None:
    other = Client(suite, await suite.create_tenant("bolt"))
    await client.add("xylophone")
    await other.add("xylophone")

    async with suite.database.connect() as superuser:
        rows = await superuser.fetch("SELECT tenant_id, term FROM aeterna.posting")
    assert len({row["term"] for row in rows}) == len(rows) == 2
