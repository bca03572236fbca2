"""Services as processes of their own on stores that a test stops and starts: two replicas of sync,
one of memory."""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from aeterna.memory.v1 import memory_pb2_grpc
from aeterna.sync.v1 import live_pb2_grpc, sync_pb2_grpc
from libs.auth import LocalIssuer, Role
from libs.live import Live, Pauses
from libs.tenancy import TenantId
from tests.databases import PASSWORD, TEMPLATE, Database, make_template
from tests.servers import (
    StoppablePostgres,
    free_ports,
    redis_program,
    stoppable_postgres,
)
from tests.suite import open_suite

TENANT = TenantId("live")
_START_SECONDS = 60
_PAUSES = Pauses(first=0.05, longest=0.5, crowded=0.2)  # seconds: tests wait for nothing
_CHANNEL = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50)]


@dataclass
class Process:
    """A process that is started, killed and started again."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, env={**os.environ, **self.environment}, stdout=log, stderr=log
            )

    async def stop(self) -> int:
        """SIGTERM: it drains first. How it ended."""
        assert self.process
        self.process.terminate()
        return await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class Rig:
    """Everything that runs; `webs` are the replicas' WebSockets."""

    postgres: StoppablePostgres
    redis: Process
    syncs: list[Process]
    webs: list[str]
    addresses: Mapping[str, str]
    issuer: LocalIssuer
    channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)

    def token(self) -> str:
        return self.issuer.mint(TENANT, "ann", [Role.ADMIN])

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token()}"),)

    @property
    def memory(self) -> memory_pb2_grpc.MemoryServiceAsyncStub:
        return memory_pb2_grpc.MemoryServiceStub(self._channel("memory"))

    @property
    def sync(self) -> sync_pb2_grpc.SyncServiceAsyncStub:
        return sync_pb2_grpc.SyncServiceStub(self._channel("sync-0"))

    @property
    def presence(self) -> live_pb2_grpc.LiveServiceAsyncStub:
        return live_pb2_grpc.LiveServiceStub(self._channel("sync-0"))

    def live(self, **values: Any) -> Live:
        """A client of both replicas."""
        urls = values.pop("urls", [f"ws://{each}/v1/live" for each in self.webs])
        return Live(urls, self.token, pauses=_PAUSES, **values)

    async def answers(self, place: int) -> None:
        """Returns once a replica lets clients in."""
        async with self.live(urls=f"ws://{self.webs[place]}/v1/live") as live:
            try:
                await asyncio.wait_for(live.online(), _START_SECONDS)
            except TimeoutError:
                raise AssertionError(self.syncs[place].log.read_text()) from None

    def _channel(self, name: str) -> grpc.aio.Channel:
        if name not in self.channels:
            self.channels[name] = grpc.aio.insecure_channel(self.addresses[name], _CHANNEL)
        return self.channels[name]


@asynccontextmanager
async def open_rig(folder: Path) -> AsyncIterator[Rig]:
    """Runs until the block ends."""
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(stoppable_postgres())
        await make_template(postgres.dsn())
        database = Database(postgres.dsn(TEMPLATE), TEMPLATE)
        async with open_suite(database, folder) as suite:
            await suite.create_tenant(TENANT)
            issuer = suite.issuer
        ports = [f"127.0.0.1:{port}" for port in free_ports(6)]
        redis = _redis(folder, ports[0])
        addresses = {"memory": ports[1], "sync-0": ports[2], "sync-1": ports[3]}
        platform = _platform(folder, database, f"redis://{ports[0]}/0")
        webs = ports[4:6]
        processes = [redis, _service("memory", folder, addresses["memory"], platform)]
        syncs = [
            _service("sync", folder, addresses[f"sync-{place}"], platform, web=web)
            for place, web in enumerate(webs)
        ]
        rig = Rig(postgres, redis, syncs, webs, addresses, issuer)
        try:
            for each in [*processes, *syncs]:
                await each.start()
            for place in range(len(syncs)):
                await rig.answers(place)
            yield rig
        finally:
            for channel in rig.channels.values():
                await channel.close()
            for each in [*syncs, *processes]:
                await each.kill()


def _redis(folder: Path, address: str) -> Process:
    port = address.rpartition(":")[2]
    command = (str(redis_program()), "--bind", "127.0.0.1", "--port", port)
    keeps = ("--save", "", "--appendonly", "no", "--dir", str(folder))
    return Process((*command, *keeps), {}, folder / "redis.log")


def _service(
    name: str, folder: Path, address: str, platform: Mapping[str, str], *, web: str = ""
) -> Process:
    prefix = name.upper()
    environment = {f"{prefix}_PLATFORM__{key}": value for key, value in platform.items()}
    environment |= {
        f"{prefix}_SERVER__ADDRESS": address,
        f"{prefix}_SERVER__METRICS_PORT": "0",
    }
    if web:
        environment[f"{prefix}_WEB__ADDRESS"] = web
    log = folder / f"{name}-{address.rpartition(':')[2]}.log"
    return Process((sys.executable, "-m", f"services.{name}"), environment, log)


def _platform(folder: Path, database: Database, redis: str) -> dict[str, str]:
    control = database.settings()
    return {
        "CONTROL__DSN": control.dsn,
        "CONTROL__USER": control.user or "",
        "CONTROL__PASSWORD": PASSWORD,
        "AUTH__LOCAL_ISSUER": str(folder),
        "KMS__KEYRING": str(folder / "keyring.json"),
        "WAKEUPS__TRANSPORT": "redis",
        "WAKEUPS__REDIS_URL": redis,
        "LOG_LEVEL": "error",
    }
