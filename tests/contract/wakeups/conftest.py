"""Two `Wakeups` that stand for two processes, over each transport, and a server to take away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from libs.postgres import DatabaseSettings, open_pool
from libs.tenancy import TenantId
from libs.wakeups import Wakeups
from libs.wakeups.relay import open_relay
from libs.wakeups.settings import WakeupSettings, open_wakeups
from tests.servers import postgres_server, redis_server

SOON = 20.0  # seconds: far more than any hint needs, far less than a hanging test may take
UNUSED = "postgresql://nowhere.invalid/none"

Processes = tuple[Wakeups, Wakeups]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    with postgres_server() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def tenant() -> TenantId:
    """Nobody else's: other tests may share the server and its channel."""
    return new_tenant()


def new_tenant() -> TenantId:
    return TenantId(f"t-{uuid4().hex}")


@asynccontextmanager
async def control_pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """As services open it."""
    async with open_pool(DatabaseSettings(dsn=dsn, user=urlsplit(dsn).username or "")) as pool:
        yield pool


@asynccontextmanager
async def process(settings: WakeupSettings, dsn: str = UNUSED) -> AsyncIterator[Wakeups]:
    async with control_pool(dsn) as pool, open_wakeups(settings, pool) as wakeups:
        yield wakeups


@dataclass
class Bus:
    """The in-memory `Transport`: hands on at once, unless it is told to fail or to wait."""

    sent: list[str] = field(default_factory=list)
    failing: bool = False
    through: asyncio.Event = field(default_factory=asyncio.Event)
    sending: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _hearers: list[Callable[[str], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.through.set()

    async def send(self, hints: Sequence[str]) -> None:
        self.sending.release()
        await self.through.wait()
        if self.failing:
            raise ConnectionError
        for hint in hints:
            self.put(hint)

    def put(self, hint: str) -> None:
        self.sent.append(hint)
        for hear in self._hearers:
            hear(hint)

    async def listen(self, ready: Callable[[], None], hear: Callable[[str], None]) -> None:
        self._hearers.append(hear)
        ready()
        try:
            await asyncio.Event().wait()
        finally:
            self._hearers.remove(hear)


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture(params=["none", "memory", "redis", "postgres"])
def transport(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Which one, and where its server is."""
    servers = {"redis": "redis_url", "postgres": "postgres_dsn"}
    server = servers.get(request.param)
    return request.param, request.getfixturevalue(server) if server else ""


@pytest.fixture
async def processes(transport: tuple[str, str], bus: Bus) -> AsyncIterator[Processes]:
    """Here and there; the same one where there are no others."""
    name, server = transport
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        match name:
            case "none":
                alone = await enter(process(WakeupSettings(transport="none")))
                yield alone, alone
            case "memory":
                yield await enter(open_relay(bus)), await enter(open_relay(bus))
            case "redis":
                settings = WakeupSettings(transport="redis", redis_url=SecretStr(server))
                yield await enter(process(settings)), await enter(process(settings))
            case _:
                settings = WakeupSettings(transport="postgres")
                yield await enter(process(settings, server)), await enter(process(settings, server))


class Gate:
    """A way to a server that can be shut (connections end, new ones are refused) or frozen."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self.arrivals = asyncio.Semaphore(0)  # released by each new connection
        self._connect = connect
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.close()

    def freeze(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrivals.release()
        far_reader, far_writer = await self._connect()
        ends = {writer, far_writer}
        self._writers |= ends
        with suppress(OSError):
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        for end in ends:
            end.close()
        self._writers -= ends

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def gate_to(url: str) -> AsyncIterator[Gate]:
    gate = Gate(lambda: connect(url))
    await gate.open()
    try:
        yield gate
    finally:
        gate.thaw()
        await gate.shut()


async def connect(url: str) -> Streams:
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    if folder := options.get("host"):
        return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{options['port'][0]}")
    return await asyncio.open_connection(parts.hostname, parts.port)


def through(gate: Gate, url: str) -> str:
    """The same address, reached through the gate."""
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    address = f"{who}@127.0.0.1:{gate.port}" if who else f"127.0.0.1:{gate.port}"
    return parts._replace(netloc=address, query="").geturl()
