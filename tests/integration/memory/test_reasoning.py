"""Questions whose answer is in several places, as a client of the service meets them."""

from datetime import timedelta
from typing import Any

import pytest

from aeterna.common.v1 import scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from tests.errors import fails_with
from tests.suite import Metadata, Suite

NOISE = (
    "The train was late again.",
    "Bob cooked lentils for everybody.",
    "Rain is expected for the weekend.",
    "The office moves to the third floor.",
)


@pytest.fixture
async def acme(suite: Suite) -> Metadata:
    """A tenant that remembers 100 things of no interest and three of Ann's hobbies."""
    metadata = await suite.create_tenant("acme")
    texts = [f"{NOISE[number % len(NOISE)]} Note {number}." for number in range(100)]
    texts += [
        "Ann: I spend my free time at the climbing hall with the Tuesday crew.",
        "Ann: The Tuesday crew also meets for pottery at the studio.",
        "Ann: At the studio we glazed bowls, and Carl joined in.",
    ]
    drafts = [pb.Memory(layer=pb.LAYER_COMPANY, content=text) for text in texts]
    for start in range(0, len(drafts), 50):
        requests = [pb.CreateMemoryRequest(memory=each) for each in drafts[start : start + 50]]
        request = pb.BatchCreateMemoriesRequest(requests=requests)
        await suite.memory.BatchCreateMemories(request, metadata=metadata)
    return metadata


async def reason(
    suite: Suite, metadata: Metadata, question: str, **values: Any
) -> tuple[list[pb.ReasoningStep], pb.SearchMemoriesResponse]:
    """The steps and the answer."""
    search = pb.SearchMemoriesRequest(query=question, limit=5)
    search.time_limit.FromTimedelta(timedelta(seconds=30))  # machines may be slow
    request = pb.ReasonMemoriesRequest(search=search, **values)
    events = [each async for each in suite.memory.ReasonMemories(request, metadata=metadata)]
    assert all(each.HasField("step") for each in events[:-1])
    return [each.step for each in events[:-1]], events[-1].answer


def contents(answer: pb.SearchMemoriesResponse) -> list[str]:
    return [result.memory.content for result in answer.results]


async def test_every_hop_asks_for_what_was_not_seen(suite: Suite, acme: Metadata) -> None:
    steps, answer = await reason(suite, acme, "What does Ann do in her free time with juggling?")

    assert steps[0].planner == ""
    assert list(steps[0].queries) == ["What does Ann do in her free time with juggling?"]
    assert "juggling" in steps[0].missing
    assert {step.planner for step in steps[1:]} == {"rules"}
    asked = [query for step in steps for query in step.queries]
    assert len(set(asked)) == len(asked) >= 2
    assert all(step.new_memories for step in steps[:-1])
    assert "Ann: I spend my free time at the climbing hall with the Tuesday crew." in contents(
        answer
    )
    assert not answer.partial


async def test_a_reasoned_search_gives_what_the_stream_ends_with(
    suite: Suite, acme: Metadata
) -> None:
    question = "Which hobbies does Ann have?"
    request = pb.SearchMemoriesRequest(
        query=question, limit=5, strategy=pb.SEARCH_STRATEGY_REASONED
    )

    answer = await suite.memory.SearchMemories(request, metadata=acme)

    _, streamed = await reason(suite, acme, question)
    assert contents(answer) == contents(streamed)
    assert all(0 <= result.relevance <= 1 for result in answer.results)
    assert answer.HasField("answerable")


async def test_an_answer_is_replayed_by_its_steps(suite: Suite, acme: Metadata) -> None:
    steps, answer = await reason(suite, acme, "What does Ann do with the Tuesday crew?")

    again, same = await reason(suite, acme, "What does Ann do with the Tuesday crew?", replay=steps)

    assert [list(step.queries) for step in again] == [list(step.queries) for step in steps]
    assert [list(step.best) for step in again] == [list(step.best) for step in steps]
    assert {step.planner for step in again[1:]} <= {"replay"}
    assert contents(same) == contents(answer)


async def test_one_hop_is_the_question_alone(suite: Suite, acme: Metadata) -> None:
    steps, _ = await reason(suite, acme, "What does Ann do on the moon?", max_hops=1)

    assert len(steps) == 1


async def test_when_time_is_over_the_best_so_far_is_given(suite: Suite, acme: Metadata) -> None:
    request = pb.SearchMemoriesRequest(
        query="What does Ann do in her free time?", strategy=pb.SEARCH_STRATEGY_REASONED
    )
    request.time_limit.FromTimedelta(timedelta(microseconds=1))

    answer = await suite.memory.SearchMemories(request, metadata=acme)

    assert answer.partial
    assert "free time" in answer.results[0].memory.content


async def test_results_of_little_relevance_are_left_out(suite: Suite, acme: Metadata) -> None:
    request = pb.SearchMemoriesRequest(query="glazed bowls", min_relevance=0.2, limit=100)

    answer = await suite.memory.SearchMemories(request, metadata=acme)

    assert contents(answer)[0] == "Ann: At the studio we glazed bowls, and Carl joined in."
    assert len(answer.results) < 5
    assert all(result.relevance >= 0.2 for result in answer.results)


async def test_who_remembers_nothing_gets_no_steps(suite: Suite) -> None:
    steps, answer = await reason(suite, await suite.create_tenant("empty"), "Where is Ann?")

    assert steps == []
    assert (answer.answerable, list(answer.results)) == (0.0, [])


async def test_another_tenant_and_another_user_are_not_seen(suite: Suite, acme: Metadata) -> None:
    other = await suite.create_tenant("other")
    memory = pb.Memory(
        layer=pb.LAYER_USER,
        scope=scope_pb2.Scope(user_id="ann"),
        content="Ann climbs with the crew.",
    )
    await suite.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=other)
    search = pb.SearchMemoriesRequest(
        query="climbing with the crew", scope=scope_pb2.Scope(user_id="bob")
    )

    events = [
        each
        async for each in suite.memory.ReasonMemories(
            pb.ReasonMemoriesRequest(search=search), metadata=other
        )
    ]

    assert list(events[-1].answer.results) == []


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ReasonMemoriesRequest(), "search"),
        (pb.ReasonMemoriesRequest(search=pb.SearchMemoriesRequest()), "search.query"),
        (
            pb.ReasonMemoriesRequest(search=pb.SearchMemoriesRequest(query="x"), max_hops=6),
            "max_hops",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused(
    suite: Suite, request_: pb.ReasonMemoriesRequest, field: str
) -> None:
    acme = await suite.create_tenant("acme")

    with fails_with("INVALID_REQUEST", field):
        async for _ in suite.memory.ReasonMemories(request_, metadata=acme):
            pass
