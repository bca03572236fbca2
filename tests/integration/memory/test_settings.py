"""The memory settings of a tenant as its administrators and its searches meet them."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from aeterna.memory.v1 import memory_pb2, settings_pb2
from aeterna.sync.v1 import sync_pb2
from libs.auth import Role
from libs.wakeups.settings import WakeupSettings
from tests.databases import Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.suite import Metadata, Suite, open_suite

NAME = "memorySettings"
LEXICAL = memory_pb2.SEARCH_STRATEGY_LEXICAL
SEMANTIC = memory_pb2.SEARCH_STRATEGY_SEMANTIC


async def get(suite: Suite, metadata: Metadata) -> settings_pb2.MemorySettings:
    request = settings_pb2.GetMemorySettingsRequest(name=NAME)
    return await suite.memory_settings.GetMemorySettings(request, metadata=metadata)


async def change(suite: Suite, metadata: Metadata, **values: Any) -> settings_pb2.MemorySettings:
    envelope = {key: values.pop(key) for key in ("request_id", "update_mask") if key in values}
    settings = settings_pb2.MemorySettings(name=NAME, **values)
    request = settings_pb2.UpdateMemorySettingsRequest(memory_settings=settings, **envelope)
    return await suite.memory_settings.UpdateMemorySettings(request, metadata=metadata)


async def signals(suite: Suite, metadata: Metadata) -> set[str]:
    """Those that a search looks at which does not say how to search."""
    request = memory_pb2.SearchMemoriesRequest(query="fox", explain=True)
    found = await suite.memory.SearchMemories(request, metadata=metadata)
    return {signal.name for result in found.results for signal in result.signals}


async def remember(suite: Suite, metadata: Metadata) -> None:
    memory = memory_pb2.Memory(content="A fox.", layer=memory_pb2.LAYER_COMPANY)
    request = memory_pb2.CreateMemoryRequest(memory=memory)
    await suite.memory.CreateMemory(request, metadata=metadata)


async def test_a_search_that_does_not_say_how_follows_the_tenants_default(suite: Suite) -> None:
    acme, bolt = await suite.create_tenant("acme"), await suite.create_tenant("bolt")
    for metadata in (acme, bolt):
        await remember(suite, metadata)
    assert len(await signals(suite, acme)) > 1

    await change(suite, acme, default_search_strategy=LEXICAL)

    assert await signals(suite, acme) == {"lexical"}
    assert len(await signals(suite, bolt)) > 1


async def test_a_change_is_versioned_logged_and_kept(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    first = await get(suite, acme)
    assert (first.name, first.version, first.change_number) == (NAME, 1, 0)

    changed = await change(suite, acme, default_search_strategy=LEXICAL, version=1)

    assert (changed.version, changed.change_number) == (2, 2)
    assert changed.default_search_strategy == LEXICAL
    assert await get(suite, acme) == changed
    log = await suite.sync.ListChanges(sync_pb2.ListChangesRequest(since=1), metadata=acme)
    assert [each.resource for each in log.changes] == [NAME]


async def test_the_mask_resets_what_it_names(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    await change(suite, acme, default_search_strategy=LEXICAL)

    reset = await change(suite, acme, update_mask={"paths": ["default_search_strategy"]})

    assert reset.default_search_strategy == memory_pb2.SEARCH_STRATEGY_UNSPECIFIED
    assert reset.version == 3


async def test_a_version_that_is_gone_is_refused(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    changed = await change(suite, acme, default_search_strategy=LEXICAL)

    with fails_with("VERSION_MISMATCH", code=grpc.StatusCode.ABORTED):
        await change(suite, acme, default_search_strategy=SEMANTIC, version=1)

    assert await get(suite, acme) == changed


async def test_a_repeat_gets_the_first_answer(suite: Suite) -> None:
    acme, request_id = await suite.create_tenant("acme"), str(uuid4())
    first = await change(suite, acme, default_search_strategy=LEXICAL, request_id=request_id)
    second = await change(suite, acme, default_search_strategy=SEMANTIC)

    again = await change(suite, acme, default_search_strategy=LEXICAL, request_id=request_id)

    assert again == first
    assert await get(suite, acme) == second
    with fails_with("REQUEST_ID_REUSED"):
        await change(suite, acme, default_search_strategy=SEMANTIC, request_id=request_id)


async def test_changes_at_once_leave_no_gap(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")

    calls = [change(suite, acme, default_search_strategy=LEXICAL) for _ in range(8)]
    versions = [each.version for each in await asyncio.gather(*calls)]

    assert sorted(versions) == list(range(2, 10))
    assert (await get(suite, acme)).version == 9


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER, Role.AGENT])
async def test_only_administrators_change_settings(suite: Suite, role: Role) -> None:
    await suite.create_tenant("acme")
    metadata = suite.auth("acme", "bob", (role,))

    with fails_with("PERMISSION_DENIED"):
        await change(suite, metadata, default_search_strategy=LEXICAL)

    assert (await get(suite, metadata)).version == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "update_mask"),
        ({"update_mask": {"paths": ["version"]}}, "update_mask"),
        ({"default_search_strategy": 99}, "memory_settings.default_search_strategy"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    suite: Suite, values: dict[str, Any], field: str
) -> None:
    acme = await suite.create_tenant("acme")

    with fails_with("INVALID_REQUEST", field):
        await change(suite, acme, **values)


async def test_other_replicas_hear_of_a_change(database: Database, tmp_path: Path) -> None:
    wakeups = WakeupSettings(transport="postgres")
    async with (
        open_suite(database, tmp_path, wakeups) as one,
        open_suite(database, tmp_path, wakeups) as other,
    ):
        acme = await one.create_tenant("acme")
        await remember(one, acme)
        assert len(await signals(other, acme)) > 1

        await change(one, acme, default_search_strategy=LEXICAL)

        async def follows() -> bool:
            return await signals(other, acme) == {"lexical"}

        await eventually(follows, seconds=10)


async def test_every_strategy_can_be_the_default(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    await remember(suite, acme)

    for strategy in memory_pb2.SearchStrategy.values()[1:]:
        changed = await change(suite, acme, default_search_strategy=strategy)

        assert changed.default_search_strategy == strategy
        assert await signals(suite, acme)
