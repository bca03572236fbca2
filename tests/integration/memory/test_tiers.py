"""How memories fade, and where that puts them, as clients of the service meet it."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from math import exp
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.longrunning import operations_pb2

from aeterna.common.v1 import change_pb2, operation_pb2
from aeterna.memory.v1 import maintenance_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth import Role
from libs.vectors.reindexing import Reindexing
from services.memory.maintenance.optimize import Optimize
from tests.databases import Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.fakes.qdrant_server import QdrantServer
from tests.integration.memory.aged import (
    ALL,
    ARCHIVED_DAYS,
    BY_MEANING,
    BY_WORDS,
    HYBRID,
    WARM_DAYS,
    Aged,
)
from tests.suite import Suite, open_suite

FRESH, OLD, OLDER = "A fresh fox.", "An old fox.", "An older fox."


@pytest.fixture(params=["pgvector", "qdrant"])
async def store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Where vectors are."""
    if request.param == "pgvector":
        yield
        return
    server = QdrantServer()
    server.start()
    monkeypatch.setenv("MEMORY_INDEX__PROVIDER", "qdrant")
    monkeypatch.setenv("MEMORY_INDEX__URL", server.url)
    yield
    server.stop()


@pytest.fixture
async def anywhere(
    store: None, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Aged]:
    """A tenant, whose index changes its length without waiting for searches."""
    monkeypatch.setattr("libs.vectors.layouts.TRUSTED", 0.0)
    monkeypatch.setattr(
        "services.memory.wiring.Reindexing", partial(Reindexing, grace=timedelta(0))
    )
    async with open_suite(database, tmp_path) as suite:
        yield await Aged.create(suite)


@pytest.fixture
async def acme(suite: Suite) -> Aged:
    return await Aged.create(suite)


async def three(acme: Aged) -> tuple[Any, Any, Any]:
    """Memories of which each belongs in another tier."""
    return (
        await acme.add(FRESH),
        await acme.add(OLD, WARM_DAYS),
        await acme.add(OLDER, ARCHIVED_DAYS),
    )


async def test_importance_fades_by_the_layer_and_by_the_whole_day(acme: Aged) -> None:
    session = await acme.add(OLD, 10.9)
    company = await acme.add(OLD, 10.9, layer=pb.LAYER_COMPANY, importance=0.8)

    assert (await acme.get(session)).effective_importance == pytest.approx(0.5 * exp(-0.5))
    assert (await acme.get(company)).effective_importance == pytest.approx(0.8 * exp(-0.02))
    assert (await acme.get(session)).importance == session.effective_importance == 0.5


async def test_a_tenant_has_rates_of_its_own(acme: Aged) -> None:
    session, company = await acme.add(OLD, 10), await acme.add(OLD, 10, layer=pb.LAYER_COMPANY)

    settings = await acme.set(decay_rates={"session": 0, "company": 0.2})

    assert dict(settings.decay_rates) == {"session": 0, "company": 0.2}
    assert (await acme.get(session)).effective_importance == 0.5
    assert (await acme.get(company)).effective_importance == pytest.approx(0.5 * exp(-2))
    await acme.set(decay_rates={})
    assert (await acme.get(session)).effective_importance == pytest.approx(0.5 * exp(-0.5))


async def test_settings_that_make_no_sense_are_refused(acme: Aged) -> None:
    field = "memory_settings.decay_rates"
    for rates in ({"galaxy": 0.1}, {"user": 11}, {"user": -0.1}, {"user": float("nan")}):
        with fails_with("INVALID_REQUEST", field, code=grpc.StatusCode.INVALID_ARGUMENT):
            await acme.set(decay_rates=rates)
    with fails_with("INVALID_REQUEST", "memory_settings.warm_below"):
        await acme.set(warm_below=1.5)
    with fails_with("INVALID_REQUEST", "memory_settings.archived_below"):
        await acme.set(archived_below=0.2)
    with fails_with("INVALID_REQUEST", "memory_settings.warm_below"):
        await acme.set(warm_below=0.001)

    assert (await acme.set(warm_below=0.3, archived_below=0.2)).version == 2


async def test_what_was_confirmed_comes_before_what_faded(acme: Aged) -> None:
    await acme.add("The fox is red.", 30, metadata={"is": "faded"})
    await acme.add("The fox is red.", metadata={"is": "fresh"})

    request = pb.SearchMemoriesRequest(query="fox", strategy=HYBRID, explain=True)
    answer = await acme.suite.memory.SearchMemories(request, metadata=acme.metadata)

    assert [each.memory.metadata["is"] for each in answer.results] == ["fresh", "faded"]
    told = [
        signal.contribution
        for each in answer.results
        for signal in each.signals
        if signal.name == "importance"
    ]
    assert told[0] - told[1] == pytest.approx(0.4 * 0.5 * (1 - exp(-1.5)))


async def test_each_goes_where_its_importance_says_and_is_found_so(anywhere: Aged) -> None:
    acme, (fresh, old, older) = anywhere, await three(anywhere)

    assert await acme.optimize() == (0, 1, 1)

    tiers = [(await acme.get(each)).tier for each in (fresh, old, older)]
    assert tiers == [pb.TIER_HOT, pb.TIER_WARM, pb.TIER_ARCHIVED]
    assert await acme.found("fox", BY_MEANING) == {FRESH}
    assert await acme.found("fox", BY_WORDS) == {FRESH, OLD}
    assert await acme.found("fox", HYBRID) == {FRESH, OLD}
    assert await acme.listed() == {FRESH, OLD, OLDER}
    assert await acme.listed('tier = "archived"') == {OLDER}
    assert await acme.listed('tier = "warm"') == {OLD}
    assert await acme.optimize() == (0, 0, 0)


async def test_warm_ones_alone_are_found_by_words(acme: Aged) -> None:
    await acme.add(OLD, WARM_DAYS)
    await acme.optimize()

    for strategy in ALL:
        assert await acme.found("fox", strategy) == (set() if strategy is BY_MEANING else {OLD})


async def test_a_turn_beside_what_is_found_is_not_shown_when_archived(acme: Aged) -> None:
    await acme.add("What colour is the fox?")
    await acme.add("Red, I think.", ARCHIVED_DAYS)
    question = "What colour is the fox?"
    assert await acme.found(question, HYBRID) == {question, "Red, I think."}

    await acme.optimize()

    for strategy in ALL:
        assert await acme.found(question, strategy) == {question}


async def test_a_move_is_in_the_history_and_no_confirmation(acme: Aged) -> None:
    old = await acme.add(OLD, WARM_DAYS)
    before = await acme.get(old)

    await acme.optimize()

    after = await acme.get(old)
    assert (after.version, after.confirm_time) == (2, before.confirm_time)
    assert after.effective_importance == before.effective_importance
    assert after.update_time.ToDatetime() > before.update_time.ToDatetime()
    last = (await acme.history(old))[-1]
    assert last.change.operation == change_pb2.OPERATION_TIERED
    assert (last.change.actor, last.memory) == ("user:ann", after)
    assert await acme.optimize() == (0, 0, 0)


@pytest.mark.parametrize("days", [WARM_DAYS, ARCHIVED_DAYS])
async def test_who_confirms_a_memory_brings_it_back(anywhere: Aged, days: int) -> None:
    acme = anywhere
    olds = [await acme.add(f"Fox number {n} is old.", days) for n in range(5)]
    await acme.optimize()
    assert await acme.found("fox", BY_MEANING) == set()

    back = [
        await acme.update(pb.Memory(name=olds[0].name, tier=pb.TIER_HOT), "tier"),
        await acme.update(pb.Memory(name=olds[1].name, content="Fox number 1 is new.")),
        await acme.update(pb.Memory(name=olds[2].name, importance=0.6)),
        await acme.rate(olds[3], pb.FEEDBACK_HELPFUL),
        await promoted(acme, olds[4]),
    ]

    assert {each.tier for each in back} == {pb.TIER_HOT}
    assert all(each.confirm_time == each.update_time for each in back)
    assert back[0].effective_importance == 0.5
    for strategy in (BY_MEANING, BY_WORDS, HYBRID):
        assert await acme.found("fox", strategy) == {each.content for each in back}
    assert await acme.found("new", BY_WORDS) == {"Fox number 1 is new."}
    assert await acme.optimize() == (0, 0, 0)


async def promoted(acme: Aged, memory: Any) -> Any:
    request = pb.PromoteMemoryRequest(name=memory.name, layer=pb.LAYER_COMPANY)
    return await acme.suite.memory.PromoteMemory(request, metadata=acme.metadata)


async def test_who_finds_fault_brings_nothing_back(acme: Aged) -> None:
    _, old, older = await three(acme)
    await acme.optimize()

    for each in (old, older):
        said = await acme.rate(each, pb.FEEDBACK_OUTDATED)
        assert said.tier != pb.TIER_HOT
        assert said.HasField("valid_until")
        reopened = await acme.get(each)
        assert reopened.confirm_time == said.confirm_time

    assert await acme.found("fox", BY_MEANING) == {FRESH}
    assert await acme.found("fox", BY_WORDS) == {FRESH}


async def test_nobody_moves_a_memory_down_by_hand(acme: Aged) -> None:
    memory = await acme.add(FRESH)

    for tier in (pb.TIER_WARM, pb.TIER_ARCHIVED, pb.TIER_UNSPECIFIED):
        with fails_with("INVALID_REQUEST", "memory.tier"):
            await acme.update(pb.Memory(name=memory.name, tier=tier), "tier")
    with fails_with("INVALID_REQUEST", "memory.tier"):
        await acme.update(pb.Memory(name=memory.name, tier=pb.TIER_WARM))
    assert await acme.get(memory) == memory

    memory.content, memory.tier = "A new fox.", pb.TIER_WARM  # as it was read with the rest
    assert (await acme.update(memory)).tier == pb.TIER_HOT


async def test_a_dry_run_counts_and_changes_nothing(acme: Aged) -> None:
    memories = await three(acme)
    before = [await acme.get(each) for each in memories]

    assert await acme.optimize(validate_only=True) == (0, 1, 1)

    assert [await acme.get(each) for each in memories] == before
    assert await acme.found("fox", BY_MEANING) == {FRESH, OLD, OLDER}


async def test_other_rates_bring_memories_up_again(anywhere: Aged) -> None:
    acme, _ = anywhere, await three(anywhere)
    await acme.optimize()

    await acme.set(decay_rates={"session": 0.02})  # 0.5 exp(-2) after a hundred days: warm
    assert await acme.optimize() == (1, 1, 0)
    assert await acme.found("fox", BY_MEANING) == {FRESH, OLD}
    assert await acme.found("fox", BY_WORDS) == {FRESH, OLD, OLDER}

    await acme.set(warm_below=0.0, archived_below=0.0)
    assert await acme.optimize() == (1, 0, 0)
    assert await acme.found("fox", BY_MEANING) == {FRESH, OLD, OLDER}


async def test_new_indexes_hold_what_the_tiers_say(anywhere: Aged) -> None:
    acme, _ = anywhere, await three(anywhere)
    await acme.optimize()

    await acme.reindex()
    assert await acme.found("fox", BY_MEANING) == {FRESH}
    assert await acme.found("fox", BY_WORDS) == {FRESH, OLD}

    await acme.set(index_dimensions=64)
    await eventually(partial(searches_by, acme, 64))
    assert await acme.found("fox", BY_MEANING) == {FRESH}
    assert await acme.found("fox", BY_WORDS) == {FRESH, OLD}
    assert await vectors(acme) in ({1}, set())  # none in PostgreSQL when Qdrant has them


async def searches_by(acme: Aged, dimensions: int) -> bool:
    request = operations_pb2.ListOperationsRequest(name="operations")
    answer = await acme.suite.operations.ListOperations(request, metadata=acme.metadata)
    metadata = operation_pb2.OperationMetadata()
    done = {}
    for each in answer.operations:
        each.metadata.Unpack(metadata)
        done[metadata.kind] = (each.done, metadata.total)
    return done["ChangeIndexDimensions"] == (True, 1)


async def vectors(acme: Aged) -> set[int]:
    """How many vectors each table has that has some."""
    async with acme.suite.database.connect() as superuser:
        tables = await superuser.fetch(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname = 'aeterna' AND tablename ~ '^vector_([0-9]+|whole)$'"
        )
        counts = {await superuser.fetchval(f"SELECT count(*) FROM {each[0]}") for each in tables}
    return counts - {0}


async def test_a_memory_that_is_confirmed_meanwhile_stays_hot(
    acme: Aged, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, old, older = await three(acme)
    optimize = Optimize.__call__

    async def overtaken(self: Optimize, *arguments: Any) -> Any:
        if not arguments[1]["validate_only"]:
            await acme.rate(old, pb.FEEDBACK_HELPFUL)
            request = pb.DeleteMemoryRequest(name=older.name)
            await acme.suite.memory.DeleteMemory(request, metadata=acme.metadata)
            arguments[1]["validate_only"] = False
        return await optimize(self, *arguments)

    monkeypatch.setattr(Optimize, "__call__", overtaken)

    assert await acme.optimize() == (0, 0, 0)
    assert await acme.found("fox", BY_MEANING) == {FRESH, OLD}


async def test_a_restart_in_the_middle_goes_on(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.memory.maintenance.walk._BATCH", 3)
    optimize, begun = Optimize.__call__, asyncio.Event()

    async def stuck(self: Optimize, *arguments: Any) -> Any:
        if begun.is_set():
            await asyncio.Event().wait()
        begun.set()
        return await optimize(self, *arguments)

    async with open_suite(database, tmp_path) as suite:
        acme = await Aged.create(suite)
        for number in range(10):
            await acme.add(f"Fox number {number}.", ARCHIVED_DAYS)
        with monkeypatch.context() as patch:
            patch.setattr(Optimize, "__call__", stuck)
            request = maintenance_pb2.OptimizeMemoriesRequest()
            operation = await suite.memory_maintenance.OptimizeMemories(
                request, metadata=acme.metadata
            )
            await eventually(partial(archived, acme, 3))
            patch.undo()
    async with open_suite(database, tmp_path) as suite:
        acme = Aged(suite, "acme", acme.metadata)
        ended = await acme.ended(operation.name)

        response = maintenance_pb2.OptimizeMemoriesResponse()
        assert ended.response.Unpack(response)
        assert response.archived == 10
        assert await archived(acme, 10)


async def archived(acme: Aged, count: int) -> bool:
    return len(await acme.listed('tier = "archived"')) == count


async def test_other_tenants_are_left_alone(acme: Aged) -> None:
    bolt = await Aged.create(acme.suite, "bolt")
    memories = await three(bolt)
    before = [await bolt.get(each) for each in memories]
    await three(acme)

    await acme.optimize()

    assert [await bolt.get(each) for each in memories] == before
    assert await bolt.found("fox", BY_MEANING) == {FRESH, OLD, OLDER}


async def test_only_administrators_optimize(acme: Aged) -> None:
    developer = acme.suite.auth("acme", "dan", (Role.DEVELOPER,))
    request = maintenance_pb2.OptimizeMemoriesRequest()

    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await acme.suite.memory_maintenance.OptimizeMemories(request, metadata=developer)
