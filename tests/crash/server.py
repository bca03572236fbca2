"""`aeterna serve all` as a process of its own that can be killed and started again."""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc

from aeterna.governance.v1 import tenants_pb2, tenants_pb2_grpc
from cli.session import KEYRING
from libs.auth import LocalIssuer, Role
from libs.encryption.kms_local import LocalKms
from libs.tenancy import TenantId
from tests.servers import free_ports

START_SECONDS = 60


@dataclass
class Server:
    """`aeterna serve all` on a folder; always on the same ports."""

    folder: Path
    port: int
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = ("-m", "cli.main", "serve", "all", "--log-level", "error")
        with (self.folder.parent / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                *("--metrics-port", "0", "--web-port", "0"),
                "--port",
                str(self.port),
                "--data",
                str(self.folder),
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout
        async with asyncio.timeout(START_SECONDS):
            assert await self.process.stdout.readline(), (self.folder.parent / "log").read_text()

    async def kill(self, *, database_too: bool) -> None:
        """SIGKILL; with PostgreSQL's own processes, or leaving them to notice."""
        assert self.process
        children = _descendants(self.process.pid) if database_too else []
        self.process.kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        assert self.process
        self.process.terminate()
        return await self.process.wait()

    def channel(self, place: int) -> grpc.aio.Channel:
        """To the service at this place: memory, knowledge, governance, sync."""
        options = [
            ("grpc.max_reconnect_backoff_ms", 200),
            ("grpc.initial_reconnect_backoff_ms", 50),
        ]
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.port + place}", options)

    async def token(self, tenant: TenantId, role: Role) -> tuple[tuple[str, str], ...]:
        """Metadata of a caller."""
        issuer = await LocalIssuer.open(self.folder, LocalKms.open(self.folder / KEYRING))
        return (("authorization", f"Bearer {issuer.mint(tenant, 'jepsen', [role])}"),)

    async def create_tenant(self, tenant: TenantId) -> None:
        metadata = await self.token(TenantId("platform"), Role.PLATFORM_ADMIN)
        async with self.channel(2) as channel:
            stub = tenants_pb2_grpc.TenantServiceStub(channel)
            request = tenants_pb2.CreateTenantRequest(tenant_id=tenant)
            await stub.CreateTenant(request, metadata=metadata)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Server]:
    server = Server(folder, free_ports(4)[0])
    await server.start()
    try:
        yield server
    finally:
        if server.process and server.process.returncode is None:
            await server.kill(database_too=True)
