"""Search policies over an index of shortened vectors, as a client of the service meets them."""

from __future__ import annotations  # enums have their ValueType in the stubs only

from datetime import timedelta
from typing import Any

import pytest

from aeterna.memory.v1 import memory_pb2 as pb
from tests.errors import fails_with
from tests.eventually import eventually
from tests.suite import Metadata, Suite

SEMANTIC = pb.SEARCH_STRATEGY_SEMANTIC
_LAY = """
    INSERT INTO aeterna.vector_layout (tenant_id, collection, space, searched)
    VALUES ('acme', 'memories', 'wordllama-l2-supercat/256/sif-1', 64)
"""
TEXTS = (
    "The cat sleeps on the sofa.",
    "A kitten plays with wool.",
    "Dogs bark at the postman.",
    "The invoice of October is overdue.",
    "Our deployment failed on Friday.",
)


async def add(suite: Suite, metadata: Metadata, content: str) -> None:
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content=content)
    request = pb.CreateMemoryRequest(memory=memory)
    await suite.memory.CreateMemory(request, metadata=metadata)


async def search(suite: Suite, metadata: Metadata, **values: Any) -> pb.SearchMemoriesResponse:
    budget = values.pop("budget", None)
    request = pb.SearchMemoriesRequest(query="a sleeping cat", **values)
    if budget is not None:
        request.latency_budget.FromTimedelta(budget)
    return await suite.memory.SearchMemories(request, metadata=metadata)


def shown(answer: pb.SearchMemoriesResponse) -> list[tuple[str, Any]]:
    return [(each.memory.content, pytest.approx(each.score, abs=2e-3)) for each in answer.results]


@pytest.fixture
async def whole(suite: Suite) -> Metadata:
    """A tenant whose index has whole vectors."""
    metadata = await suite.create_tenant("bolt")
    for text in TEXTS:
        await add(suite, metadata, text)
    return metadata


@pytest.fixture
async def short(suite: Suite) -> Metadata:
    """One whose index has prefixes of 64."""
    metadata = await suite.create_tenant("acme")
    async with suite.database.connect() as superuser:
        await superuser.execute(_LAY)
    for text in TEXTS:
        await add(suite, metadata, text)
    return metadata


async def test_scores_are_those_of_whole_vectors_unless_it_has_to_be_fast(
    suite: Suite, short: Metadata, whole: Metadata
) -> None:
    truth = await search(suite, whole, strategy=SEMANTIC)
    for policy in (pb.SEARCH_POLICY_BALANCED, pb.SEARCH_POLICY_RANKING, pb.SEARCH_POLICY_PRECISE):
        assert shown(await search(suite, short, strategy=SEMANTIC, policy=policy)) == shown(truth)

    fast = await search(suite, short, strategy=SEMANTIC, policy=pb.SEARCH_POLICY_FAST)
    assert len(fast.results) == len(TEXTS)
    assert [each.score for each in fast.results] != [each.score for each in truth.results]


async def test_the_answer_says_how_the_index_was_asked(
    suite: Suite, short: Metadata, whole: Metadata
) -> None:
    expected = {
        pb.SEARCH_POLICY_UNSPECIFIED: (pb.SEARCH_POLICY_BALANCED, 64, 256, 8),
        pb.SEARCH_POLICY_FAST: (pb.SEARCH_POLICY_FAST, 64, 64, 1),
        pb.SEARCH_POLICY_BALANCED: (pb.SEARCH_POLICY_BALANCED, 64, 256, 8),
        pb.SEARCH_POLICY_RANKING: (pb.SEARCH_POLICY_RANKING, 64, 256, 16),
        pb.SEARCH_POLICY_PRECISE: (pb.SEARCH_POLICY_PRECISE, 64, 256, 40),
    }
    for policy, values in expected.items():
        used = (await search(suite, short, policy=policy)).vector_use
        assert (
            used.policy,
            used.searched_dimensions,
            used.scored_dimensions,
            used.oversampling,
        ) == values
    used = (await search(suite, whole, policy=pb.SEARCH_POLICY_RANKING)).vector_use
    assert (used.searched_dimensions, used.scored_dimensions, used.oversampling) == (256, 256, 1)
    lexical = await search(suite, short, strategy=pb.SEARCH_STRATEGY_LEXICAL)
    assert not lexical.HasField("vector_use")


async def test_a_hybrid_search_is_the_same_by_prefixes_that_are_rescored(
    suite: Suite, short: Metadata, whole: Metadata
) -> None:
    found, truth = await search(suite, short), await search(suite, whole)

    assert shown(found) == shown(truth)


async def test_a_generous_budget_gets_the_most_precise_search(
    suite: Suite, short: Metadata
) -> None:
    generous = timedelta(seconds=60)
    used = [
        (
            await search(suite, short, policy=pb.SEARCH_POLICY_ADAPTIVE, budget=generous)
        ).vector_use.policy
        for _ in range(4)
    ]
    assert used == [
        pb.SEARCH_POLICY_FAST,
        pb.SEARCH_POLICY_BALANCED,
        pb.SEARCH_POLICY_RANKING,
        pb.SEARCH_POLICY_PRECISE,
    ]

    tight = timedelta(microseconds=1)
    answer = await search(suite, short, policy=pb.SEARCH_POLICY_ADAPTIVE, budget=tight)
    assert answer.vector_use.policy == pb.SEARCH_POLICY_FAST


async def adaptive(suite: Suite, metadata: Metadata) -> pb.VectorUse:
    budget = timedelta(seconds=60)
    values = {"strategy": SEMANTIC, "policy": pb.SEARCH_POLICY_ADAPTIVE, "budget": budget}
    return (await search(suite, metadata, **values)).vector_use


async def test_where_prefixes_lose_nothing_the_fastest_is_chosen(
    suite: Suite, short: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.memory.policies._EVERY", 1)

    async def is_measured() -> bool:
        return (await adaptive(suite, short)).HasField("measured_loss")

    await eventually(is_measured)
    used = await adaptive(suite, short)

    assert (used.policy, used.measured_loss) == (pb.SEARCH_POLICY_FAST, 0)


async def test_where_they_lose_much_a_more_precise_one_is_chosen(
    suite: Suite, short: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.memory.policies._EVERY", 1)
    animals, places = ("cat", "dog", "fox", "owl", "hen", "cow"), ("sofa", "roof", "barn", "hill")
    verbs = ("sleeps", "dozes", "rests", "plays", "waits", "hides")
    for text in (f"The {a} {v} on the {p}." for a in animals for v in verbs for p in places):
        await add(suite, short, text)

    async def is_measured() -> bool:
        await adaptive(suite, short)
        fast = await search(suite, short, strategy=SEMANTIC, policy=pb.SEARCH_POLICY_FAST)
        return fast.vector_use.HasField("measured_loss")

    await eventually(is_measured)
    fast = await search(suite, short, strategy=SEMANTIC, policy=pb.SEARCH_POLICY_FAST)
    used = await adaptive(suite, short)

    assert fast.vector_use.measured_loss > 0.01
    assert used.policy != pb.SEARCH_POLICY_FAST
    assert used.measured_loss <= 0.01


async def test_nothing_is_measured_of_whole_vectors(
    suite: Suite, whole: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.memory.policies._EVERY", 1)

    used = [await adaptive(suite, whole) for _ in range(30)]

    assert not any(each.HasField("measured_loss") for each in used)


@pytest.mark.parametrize(
    "values",
    [
        {"policy": pb.SEARCH_POLICY_ADAPTIVE},
        {"policy": pb.SEARCH_POLICY_ADAPTIVE, "budget": timedelta()},
        {"policy": pb.SEARCH_POLICY_ADAPTIVE, "budget": timedelta(minutes=2)},
        {"policy": pb.SEARCH_POLICY_FAST, "budget": timedelta(seconds=1)},
        {"budget": timedelta(seconds=1)},
    ],
)
async def test_a_budget_goes_with_the_adaptive_policy_only(
    suite: Suite, values: dict[str, Any]
) -> None:
    acme = await suite.create_tenant("acme")
    with fails_with("INVALID_REQUEST", "latency_budget"):
        await search(suite, acme, **values)
