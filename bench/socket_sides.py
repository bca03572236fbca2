"""What sockets are measured on: the sync service as a process of its own, and Centrifugo."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from array import array
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import grpc
import httpx

from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from bench.corpus import ROOT
from bench.processes import cpu_seconds
from bench.socket_crowd import Dialect
from bench.stack import Stack
from cli.embedded import DATABASE
from cli.session import KEYRING
from libs.auth import Role
from libs.tenancy import TenantId

CHANNEL, KEY = "news", "bench"
PEOPLE = 100  # whose tokens the clients have
TOOLS = Path(os.environ.get("AETERNA_TOOLS", Path.home() / ".cache/aeterna/tools"))
_PATIENCE = 120  # seconds


@dataclass(frozen=True)
class Receipts:
    """When each client got an event, in seconds after it had happened."""

    latencies: list[float]
    missing: int

    def quantile(self, share: float) -> float:
        """In milliseconds."""
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] * 1000


@dataclass
class Crowd:
    """A process full of clients."""

    process: asyncio.subprocess.Process

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """What comes of a command."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
        return await self.said()

    async def said(self) -> dict[str, Any]:
        """The next answer."""
        assert self.process.stdout
        async with asyncio.timeout(_PATIENCE):
            line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError("the clients ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def open_crowd(dialect: Dialect) -> AsyncIterator[Crowd]:
    """Clients, none connected yet."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.socket_crowd",
        dialect.to_json(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=1 << 24,
    )
    try:
        yield Crowd(process)
    finally:
        process.kill()
        await process.wait()


@dataclass(frozen=True)
class Side:
    """A server and how it is spoken to. `tell` has something happen; gives when it did."""

    pid: int
    dialect: Dialect

    async def tell(self, number: int) -> tuple[float, float]:
        """Moments of the wall clock: when it was asked for, and when the answer was there."""
        raise NotImplementedError

    def happened(self, event: str, asked: float) -> float:
        """The moment from which on clients could have heard of it."""
        raise NotImplementedError

    @property
    def rss_kib(self) -> int:
        """Resident memory."""
        fields = Path(f"/proc/{self.pid}/status").read_text()
        return int(fields.partition("VmRSS:")[2].split()[0])

    @property
    def cpu(self) -> float:
        return cpu_seconds([self.pid])

    async def hear(self, crowd: Crowd, number: int, seconds: float = 30.0) -> Receipts:
        """One event to everybody."""
        await crowd.do("listen", seconds=seconds)
        asked, _ = await self.tell(number)
        said = await crowd.said()
        times = array("d")
        times.frombytes(base64.b64decode(said["times"]))
        begin = self.happened(said["event"], asked)
        return Receipts([each - begin for each in times], said["missing"])


@dataclass(frozen=True)
class Ours(Side):
    """The sync service; what happens is a memory that the memory service commits."""

    memory: Any
    token: str
    sync: str

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)

    async def tell(self, number: int) -> tuple[float, float]:
        memory = pb.Memory(layer=pb.LAYER_COMPANY, content=f"Release {number} ships on a Tuesday.")
        asked = time.time()
        await self.memory.CreateMemory(
            pb.CreateMemoryRequest(memory=memory), metadata=self.metadata
        )
        return asked, time.time()

    def happened(self, event: str, asked: float) -> float:
        """The beginning of the transaction, which is a little before its commit."""
        text = event[event.index('"commitTime":"') + 14 :].partition('"')[0]
        return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True)
class Centrifugo(Side):
    """Centrifugo with its memory engine; what happens is a call of its HTTP API."""

    api: httpx.AsyncClient

    async def tell(self, number: int) -> tuple[float, float]:
        data = {"room": "changes", "number": str(number), "text": "x" * 350}
        asked = time.time()
        answer = await self.api.post("/api/publish", json={"channel": CHANNEL, "data": data})
        answer.raise_for_status()
        return asked, time.time()

    def happened(self, event: str, asked: float) -> float:
        return asked

    async def ready(self) -> Self:
        """Once it answers."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    await self.tell(0)
                    return self
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)


@dataclass(frozen=True)
class Service:
    """A service as a process: where it listens, for gRPC and WebSockets."""

    pid: int
    address: str
    web: str


@contextmanager
def service(name: str, stack: Stack, settings: Mapping[str, str]) -> Iterator[Service]:
    """On the stores of a suite that runs."""
    prefix = name.upper()
    environment = {
        f"{prefix}_PLATFORM__CONTROL__DSN": stack.dsn(DATABASE).replace("postgres@", "", 1),
        f"{prefix}_PLATFORM__AUTH__LOCAL_ISSUER": str(stack.folder),
        f"{prefix}_PLATFORM__KMS__KEYRING": str(stack.folder / KEYRING),
        f"{prefix}_SERVER__ADDRESS": "127.0.0.1:0",
        f"{prefix}_SERVER__METRICS_PORT": "0",
        **settings,
    }
    path = stack.folder.with_name(f"{name}.log")
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "serve", name],
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            stderr=log,
        )
    try:
        yield _started(process, path)
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _started(process: subprocess.Popen[bytes], path: Path) -> Service:
    """The service, once it says that it serves."""
    while process.poll() is None:
        for line in path.read_text().splitlines():
            if '"service.started"' in line:
                found = json.loads(line)
                return Service(process.pid, found["address"], found.get("web", ""))
        time.sleep(0.1)
    raise RuntimeError(path.read_text()[-2000:])


@asynccontextmanager
async def open_ours(stack: Stack, tenant: str, settings: Mapping[str, str]) -> AsyncIterator[Ours]:
    """The sync service, and a memory service that writes."""
    await stack.add_tenants([tenant])
    web = {"SYNC_WEB__ADDRESS": "127.0.0.1:0"}
    with (
        service("sync", stack, {**web, **settings}) as sync,
        service("memory", stack, {}) as memory,
    ):
        async with grpc.aio.insecure_channel(memory.address) as channel:
            dialect = dialect_of(sync.web, people(stack, tenant))
            stub = pb_grpc.MemoryServiceStub(channel)
            yield Ours(sync.pid, dialect, stub, stack.token(tenant), sync.address)


def dialect_of(web: str, tokens: list[str]) -> Dialect:
    """Of the sync service's WebSocket."""
    return Dialect(
        web,
        "/v1/live",
        tokens,
        ['{"id":"s","subscribe":{"room":"changes"}}'],
        ready='"subscribed"',
        event='"event"',
        ping='{"id":"p","ping":{}}',
        pong='"pong"',
    )


def people(stack: Stack, tenant: str, count: int = PEOPLE) -> list[str]:
    """Tokens."""
    return [
        stack.issuer.mint(TenantId(tenant), f"person-{number}", [Role.DEVELOPER])
        for number in range(count)
    ]


@asynccontextmanager
async def open_centrifugo(folder: Path, port: int) -> AsyncIterator[Centrifugo]:
    """Centrifugo, as `scripts/tools centrifugo` has built it."""
    config = {
        "http_server": {"address": "127.0.0.1", "port": str(port)},
        "http_api": {"key": KEY},
        "client": {
            "insecure": True,
            "connection_limit": 0,
            "allowed_origins": ["*"],
            "ping_interval": "3600s",
            "pong_timeout": "60s",
        },
        "channel": {"without_namespace": {"allow_subscribe_for_client": True}},
        "log": {"level": "error"},
    }
    path = folder / "centrifugo.json"
    path.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        str(TOOLS / "centrifugo"), "--config", str(path), stdout=subprocess.DEVNULL
    )
    dialect = Dialect(
        f"127.0.0.1:{port}",
        "/connection/websocket",
        [],
        [f'{{"id":1,"connect":{{}}}}\n{{"id":2,"subscribe":{{"channel":"{CHANNEL}"}}}}'],
        ready='"id":2',
        event='"push"',
    )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}, trust_env=False
        ) as api:
            yield await Centrifugo(process.pid, dialect, api).ready()
    finally:
        process.terminate()
        await process.wait()
