"""Decisions are kept, counted and bounded; losing them costs nobody anything."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from libs.auth import Role
from libs.authorization.asking import Decision, Principal
from libs.authorization.recording import DecisionRecorder, open_recorder
from libs.authorization.things import MEMORY, Thing
from libs.spine import read
from libs.tenancy import Route
from tests.integration.authorization.erased import forget

DEV = Principal("acme", "dev", frozenset({Role.DEVELOPER}))
ALLOWED = Decision(True, ("aeterna:developer-memories",), "permitted")
_ROWS = "SELECT person, action, allowed, policies, asked FROM aeterna.decision WHERE tenant_id = $1"


def memory(user: str = "") -> Thing:
    return Thing(MEMORY, "acme", layer="company", user=user)


async def rows(route: Route) -> list[asyncpg.Record]:
    return await read(route, f"{_ROWS} ORDER BY asked")


async def test_the_same_question_is_counted(route: Route) -> None:
    recorder = DecisionRecorder()
    for _ in range(3):
        recorder.record(route, DEV, "GetMemory", memory(), ALLOWED)
    recorder.record(route, DEV, "CreateMemory", None, Decision(False, (), "no policy permits it"))
    await recorder.flush()
    recorder.record(route, DEV, "GetMemory", memory(), ALLOWED)
    await recorder.flush()

    assert [tuple(row) for row in await rows(route)] == [
        ("dev", "CreateMemory", False, [], 1),
        ("dev", "GetMemory", True, ["aeterna:developer-memories"], 4),
    ]


async def test_what_is_left_is_written_at_the_end(route: Route) -> None:
    async with open_recorder() as recorder:
        recorder.record(route, DEV, "GetMemory", memory(), ALLOWED)

    assert len(await rows(route)) == 1


async def test_nothing_is_kept_of_who_was_erased(route: Route) -> None:
    """Though it was heard before, or is asked with a token that still holds."""
    recorder = DecisionRecorder()
    ann = replace(DEV, person="ann")
    recorder.record(route, ann, "GetMemory", memory(), ALLOWED)
    recorder.record(route, DEV, "GetMemory", memory("ann"), ALLOWED)
    recorder.record(route, DEV, "GetMemory", memory("bob"), ALLOWED)

    await forget(route, "ann")
    await recorder.flush()
    recorder.record(route, ann, "ListMemories", None, ALLOWED)
    await recorder.flush()

    assert [tuple(row)[:2] for row in await rows(route)] == [("dev", "GetMemory")]


@pytest.mark.parametrize(("at_once", "in_all", "kept"), [(5, 9, 5), (9, 3, 3), (9, 9, 9)])
async def test_of_different_questions_so_many_are_kept(
    route: Route, monkeypatch: pytest.MonkeyPatch, at_once: int, in_all: int, kept: int
) -> None:
    monkeypatch.setattr("libs.authorization.recording._MOST_AT_ONCE", at_once)
    monkeypatch.setattr("libs.authorization.recording.MOST", in_all)
    recorder = DecisionRecorder()
    for number in range(9):
        recorder.record(route, DEV, "GetMemory", memory(str(number)), ALLOWED)
    await recorder.flush()
    assert len(await rows(route)) == kept


async def test_tenants_do_not_mix_and_one_that_fails_does_not_stop_others(
    new_route: Callable[[str], Any],
) -> None:
    acme, bolt = await new_route("acme"), await new_route("bolt")
    moved = Route(acme.tenant, acme.shard, acme.epoch + 1, acme.pool)
    recorder = DecisionRecorder()
    recorder.record(moved, DEV, "GetMemory", memory(), ALLOWED)
    recorder.record(bolt, DEV, "GetMemory", memory(), ALLOWED)
    await recorder.flush()

    assert await rows(acme) == []
    assert len(await rows(bolt)) == 1
