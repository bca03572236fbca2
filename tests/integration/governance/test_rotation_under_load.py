"""Rotation while 64 readers and writers go on through RPCs: none of them notices.

AETERNA_ROTATIONS sets how often everything is rotated, sealed anew and retired; 2 unless told.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from tests.databases import Database
from tests.integration.governance.administering_keys import Keys
from tests.suite import Suite, open_suite

_ROTATIONS = int(os.environ.get("AETERNA_ROTATIONS", "2"))
_READERS, _WRITERS = 48, 16
_USERS = 8
_PAUSE = 0.01  # seconds between the calls of one client: they share two cores with the servers


@dataclass
class Load:
    """What clients did, and what failed."""

    keys: list[Keys]  # of one tenant, through several replicas
    written: dict[str, str] = field(default_factory=dict)  # memory -> what it says
    reads: int = 0
    writes: int = 0
    failures: list[str] = field(default_factory=list)
    stopping: bool = False

    async def write(self, place: int) -> None:
        """Adds memories and changes them, one of its own at a time."""
        own: list[str] = []
        while not self.stopping:
            keys = random.choice(self.keys)
            try:
                if len(own) < 5:
                    memory = await keys.remember(f"{place} {self.writes}", f"user{place % _USERS}")
                    own.append(memory.name)
                else:
                    name = random.choice(own)
                    self.written.pop(name, None)  # what it says is unknown for a moment
                    memory = await keys.update(name, f"{place} {self.writes}")
                self.written[memory.name] = memory.content
                self.writes += 1
            except grpc.aio.AioRpcError as error:
                self.failures.append(f"write: {error.details()}")
            await asyncio.sleep(_PAUSE)

    async def read(self) -> None:
        """Reads any memory, alone or with its earlier versions."""
        while not self.stopping:
            if self.written:
                await self._read_one(*random.choice(list(self.written.items())))
            await asyncio.sleep(_PAUSE)

    async def _read_one(self, name: str, expected: str) -> None:
        keys = random.choice(self.keys)
        try:
            if random.random() < 0.2:
                revisions = await keys.revisions(name)
                found = revisions[-1]
            else:
                found = (await keys.get(name)).content
        except grpc.aio.AioRpcError as error:
            self.failures.append(f"read: {error.details()}")
            return
        self.reads += 1
        if found != expected and self.written.get(name) == expected:
            self.failures.append(f"read: {name} says {found}, not {expected}")


@pytest.fixture
async def replicas(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[Suite]]:
    """Two of every service: what one rotates, the other has in its cache."""
    monkeypatch.setenv("GOVERNANCE_KEYS__RETIRE_GRACE", "PT2S")
    async with open_suite(database, tmp_path) as one, open_suite(database, tmp_path) as other:
        yield [one, other]


async def test_no_read_and_no_write_fails_while_keys_are_rotated(replicas: list[Suite]) -> None:
    metadata = await replicas[0].create_tenant("acme")
    load = Load([Keys(suite, "acme", metadata) for suite in replicas])
    keys = load.keys[0]
    destroyed = 0
    async with asyncio.TaskGroup() as group:
        for place in range(_WRITERS):
            group.create_task(load.write(place))
        for _ in range(_READERS):
            group.create_task(load.read())
        for _ in range(_ROTATIONS):
            await keys.rotate_tenant_key()
            await keys.rotate_all()
            await asyncio.sleep(6)  # until the other replicas have heard of it
            await keys.reencrypt()
            await keys.rewrap()
            destroyed += (await keys.retire()).subject_keys
        load.stopping = True

    print(f"{load.reads} reads, {load.writes} writes, {destroyed} keys destroyed")
    assert load.failures == []
    assert destroyed > 0
    assert load.reads > 100
    everything = await keys.contents()
    assert set(load.written.values()) <= everything
