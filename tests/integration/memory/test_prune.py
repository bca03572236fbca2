"""Deleting what nobody needs any more, as clients of the service meet it."""

from __future__ import annotations  # enums have their ValueType in the stubs only

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.common.v1 import change_pb2
from aeterna.memory.v1 import maintenance_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth import Role
from services.memory.maintenance.prune import Pruning
from tests.errors import fails_with
from tests.integration.memory.aged import ALL, ARCHIVED_DAYS, WARM_DAYS, Aged
from tests.suite import Suite

FRESH, WARM, RESTING, FORGOTTEN = "Fresh fox.", "Warm fox.", "Resting fox.", "Forgotten fox."
UNTRUE, LATELY = "Untrue fox.", "Lately untrue fox."


def days(count: float) -> Any:
    return Duration(seconds=round(count * 86400))


def ago(count: float) -> Any:
    moment = Timestamp()
    moment.FromDatetime(datetime.now(UTC) - timedelta(days=count))
    return moment


@pytest.fixture
async def acme(suite: Suite) -> Aged:
    return await Aged.create(suite)


async def filled(acme: Aged) -> dict[str, Any]:
    """Two archived, one of them for fifty days; two untrue, one of them for fifty days."""
    memories = [
        await acme.add(FRESH),
        await acme.add(WARM, WARM_DAYS),
        await acme.add(RESTING, ARCHIVED_DAYS),
        await acme.add(FORGOTTEN, ARCHIVED_DAYS),
        await acme.add(UNTRUE, valid_from=ago(60), valid_until=ago(50)),
        await acme.add(LATELY, valid_from=ago(60), valid_until=ago(5)),
    ]
    await acme.optimize()
    await acme.age(memories[3], 50)
    return {each.content: each for each in memories}


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({"archived_for": days(30)}, {FORGOTTEN}),
        ({"archived_for": days(0)}, {RESTING, FORGOTTEN}),
        ({"archived_for": days(51)}, set()),
        ({"invalid_for": days(30)}, {UNTRUE}),
        ({"invalid_for": days(0)}, {UNTRUE, LATELY}),
        ({"archived_for": days(30), "invalid_for": days(1)}, {FORGOTTEN, UNTRUE, LATELY}),
    ],
)
async def test_the_right_ones_are_deleted(
    acme: Aged, given: dict[str, Any], gone: set[str]
) -> None:
    memories = await filled(acme)

    assert await acme.prune(**given, validate_only=True) == len(gone)
    assert await acme.listed() == set(memories)
    assert await acme.prune(**given) == len(gone)

    assert await acme.listed() == set(memories) - gone
    assert await acme.prune(**given) == 0


async def test_nothing_of_them_is_left_but_the_change_log(acme: Aged) -> None:
    memories = await filled(acme)
    await acme.rate(memories[UNTRUE], pb.FEEDBACK_INACCURATE)

    await acme.prune(archived_for=days(30), invalid_for=days(30))

    for content in (FORGOTTEN, UNTRUE):
        with fails_with("MEMORY_NOT_FOUND"):
            await acme.get(memories[content])
        last = (await acme.history(memories[content]))[-1]
        assert last.change.operation == change_pb2.OPERATION_DELETED
        assert last.change.actor == "user:ann"
        assert all(not each.HasField("memory") for each in await acme.history(memories[content]))
    ids = [memories[each].name.removeprefix("memories/") for each in (FORGOTTEN, UNTRUE)]
    async with acme.suite.database.connect() as superuser:
        for table, column in (
            ("memory_version", "id"),
            ("memory_feedback", "memory_id"),
            ("document", "entity_id"),
            ("posting", "entity_id"),
            ("vector_256", "entity_id"),
        ):
            query = f"SELECT count(*) FROM aeterna.{table} WHERE {column}::text = ANY($1)"
            assert await superuser.fetchval(query, ids) == 0
    for strategy in ALL:
        assert await acme.found("forgotten untrue fox", strategy) <= {FRESH, WARM}


async def test_what_is_restored_or_corrected_meanwhile_survives(
    acme: Aged, monkeypatch: pytest.MonkeyPatch
) -> None:
    memories = await filled(acme)
    prune = Pruning.__call__

    async def overtaken(self: Pruning, *arguments: Any) -> Any:
        await acme.update(pb.Memory(name=memories[FORGOTTEN].name, tier=pb.TIER_HOT), "tier")
        await acme.update(pb.Memory(name=memories[UNTRUE].name), "valid_until")
        return await prune(self, *arguments)

    monkeypatch.setattr(Pruning, "__call__", overtaken)

    assert await acme.prune(archived_for=days(30), invalid_for=days(1)) == 1
    assert await acme.listed() == set(memories) - {LATELY}


async def test_one_who_asks_for_nothing_or_nonsense_is_refused(acme: Aged) -> None:
    memories = await filled(acme)

    for given, field in (
        ({}, "archived_for"),
        ({"validate_only": True}, "archived_for"),
        ({"archived_for": days(-1)}, "archived_for"),
        ({"invalid_for": days(-1)}, "invalid_for"),
        ({"invalid_for": days(40_000)}, "invalid_for"),
    ):
        with fails_with("INVALID_REQUEST", field, code=grpc.StatusCode.INVALID_ARGUMENT):
            await acme.prune(**given)
    assert await acme.listed() == set(memories)


async def test_only_administrators_prune_and_only_their_own(acme: Aged) -> None:
    memories = await filled(acme)
    bolt = await Aged.create(acme.suite, "bolt")
    request = maintenance_pb2.PruneMemoriesRequest(archived_for=days(0))
    developer = acme.suite.auth("acme", "dan", (Role.DEVELOPER,))

    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await acme.suite.memory_maintenance.PruneMemories(request, metadata=developer)
    assert await bolt.prune(archived_for=days(0), invalid_for=days(0)) == 0
    assert await acme.listed() == set(memories)
