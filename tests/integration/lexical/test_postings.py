"""The blind index against BM25 computed from scratch, over any history of writes."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.changes import Terms
from libs.lexical import Document
from libs.lexical.postings import Postings
from libs.lexical.statistics import Statistics
from libs.postgres import open_pool
from libs.spine import writing
from libs.tenancy import Route
from libs.vectors import Filter
from tests.contract.vectors.builders import make_route
from tests.databases import Database, add_tenant

MEMORIES = Postings("memories")


@pytest.fixture
async def shard(postgres: str) -> AsyncIterator[tuple[Database, asyncpg.Pool]]:
    async with Database.copy(postgres) as database, open_pool(database.settings()) as pool:
        yield database, pool


async def new_tenant(shard: tuple[Database, asyncpg.Pool]) -> Route:
    database, pool = shard
    route = make_route(pool)
    await add_tenant(database, route.tenant)
    return route


@pytest.fixture
async def acme(shard: tuple[Database, asyncpg.Pool]) -> Route:
    return await new_tenant(shard)


async def put(
    route: Route,
    documents: Sequence[Document],
    gone: Sequence[UUID] = (),
    index: Postings = MEMORIES,
) -> None:
    async with writing(route) as write:
        index.join(write, documents, gone)


def document(terms: Terms | None, entity: UUID | None = None, /, **payload: str) -> Document:
    return Document(entity or uuid4(), terms, payload)


async def found(route: Route, *terms: int, where: Filter | None = None) -> dict[UUID, float]:
    return dict((await MEMORIES.search(route, terms, where or {}, 100)).best)


def bm25(documents: Mapping[UUID, Terms], asked: Sequence[int]) -> dict[UUID, float]:
    """Robertson and Zaragoza 2009, with k1 = 1.2 and b = 0.75."""
    lengths = {id_: sum(terms.values()) for id_, terms in documents.items()}
    mean = sum(lengths.values()) / max(1, len(lengths))
    scores = dict.fromkeys(documents, 0.0)
    for term in set(asked):
        holding = [id_ for id_, terms in documents.items() if term in terms]
        rarity = math.log(1 + (len(documents) - len(holding) + 0.5) / (len(holding) + 0.5))
        for id_ in holding:
            frequency = documents[id_][term]
            norm = 1.2 * (0.25 + 0.75 * lengths[id_] / mean)
            scores[id_] += rarity * frequency * 2.2 / (frequency + norm)
    return {id_: score for id_, score in scores.items() if score > 0}


term_counts = st.dictionaries(st.integers(-3, 6), st.integers(1, 4), max_size=5)
entities = st.sampled_from([UUID(int=number) for number in range(6)])
writes = st.lists(
    st.tuples(st.dictionaries(entities, term_counts, max_size=4), st.sets(entities, max_size=2)),
    max_size=6,
)


@given(writes, st.lists(st.integers(-3, 7), max_size=4))
@settings(
    max_examples=40,
    deadline=None,  # a server does the work
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example has its own tenants
)
async def test_scores_are_right_after_any_adds_updates_and_deletes(
    shard: tuple[Database, asyncpg.Pool],
    history: list[tuple[dict[UUID, Terms], set[UUID]]],
    asked: list[int],
) -> None:
    acme = await new_tenant(shard)
    kept: dict[UUID, Terms] = {}
    for entered, gone in history:
        entered = {id_: terms for id_, terms in entered.items() if id_ not in gone}
        await put(acme, [Document(id_, terms, {}) for id_, terms in entered.items()], list(gone))
        kept = {id_: terms for id_, terms in {**kept, **entered}.items() if id_ not in gone}

    assert await found(acme, *set(asked)) == pytest.approx(bm25(kept, asked))


async def test_the_best_come_first_and_no_more_than_the_limit(acme: Route) -> None:
    weak, strong = document({1: 1, 2: 1}), document({1: 1, 3: 1})
    await put(acme, [weak, strong, document({2: 1}), document({4: 1})])

    matches = (await MEMORIES.search(acme, [1, 3], {}, 100)).best

    assert [match.id for match in matches] == [strong.id, weak.id]
    assert (await MEMORIES.search(acme, [1, 3], {}, 1)).best == matches[:1]


async def test_a_filter_is_applied_before_the_limit(acme: Route) -> None:
    others = [document({1: 9}, user_id="bob") for _ in range(5)]
    mine, shared = document({1: 1, 2: 5}, user_id="ann"), document({1: 1, 2: 6})
    await put(acme, [*others, mine, shared])

    matches = (await MEMORIES.search(acme, [1], {"user_id": ["", "ann"]}, 2)).best

    assert [match.id for match in matches] == [mine.id, shared.id]


async def test_an_entity_can_move_without_its_terms(acme: Route) -> None:
    before = document({1: 2}, layer="user")
    await put(acme, [before])
    score = await found(acme, 1)

    await put(acme, [document(None, before.id, layer="team")])

    assert await found(acme, 1, where={"layer": ["user"]}) == {}
    assert await found(acme, 1, where={"layer": ["team"]}) == score


async def test_nothing_is_asked_for_and_nothing_is_there(acme: Route) -> None:
    assert await found(acme, 1) == {}
    await put(acme, [document({}), document({1: 1})], [uuid4()])

    assert await found(acme) == {}
    assert await found(acme, 2) == {}
    assert len(await found(acme, 1)) == 1


async def test_tenants_and_collections_do_not_meet(
    shard: tuple[Database, asyncpg.Pool], acme: Route
) -> None:
    other, entity = await new_tenant(shard), uuid4()
    await put(acme, [document({1: 1}, entity)])
    await put(other, [document({1: 1}, entity), document({1: 1}), document({2: 1})])
    await put(acme, [document({1: 1})], index=Postings("items"))
    alone = bm25({entity: {1: 1}}, [1])

    assert await found(acme, 1) == pytest.approx(alone)
    await put(other, [], [entity])
    assert await found(acme, 1) == pytest.approx(alone)


async def test_of_a_term_that_all_hold_the_newest_are_read(acme: Route) -> None:
    every = [document({1: 1}, UUID(int=number)) for number in range(1, 9)]
    await put(acme, every)

    matches = (await Postings("memories", most=3).search(acme, [1], {}, 100)).best

    assert {match.id for match in matches} == {each.id for each in every[-3:]}


async def test_statistics_are_those_of_the_whole_collection(acme: Route) -> None:
    await put(acme, [document({1: 1, 2: 3}, user_id="ann"), document({1: 2}), document({4: 2})])

    found = await MEMORIES.search(acme, [1, 2, 3], {"user_id": ["ann"]}, 1)

    assert found.statistics == Statistics(3, 8 / 3, {1: 2, 2: 1})
    assert (await MEMORIES.search(acme, [3], {}, 1)).statistics == Statistics(3, 8 / 3, {})


async def test_a_write_that_is_rolled_back_leaves_nothing(acme: Route) -> None:
    async def fail() -> None:
        async with writing(acme) as write:
            MEMORIES.join(write, [document({1: 1})], [])
            await write.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await found(acme, 1) == {}
