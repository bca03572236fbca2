"""`Wakeups` that stand for processes, over each transport."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
from pydantic import SecretStr

from libs.postgres import DatabaseSettings, open_pool
from libs.tenancy import TenantId
from libs.wakeups import Wakeups
from libs.wakeups.relay import open_relay
from libs.wakeups.settings import WakeupSettings, open_wakeups
from tests.sentinels import MASTER, PASSWORD

SOON = 20.0  # seconds: far more than any hint needs
UNUSED = "postgresql://someone@nowhere.invalid/none"

_SETTINGS: dict[str, Callable[[str], WakeupSettings]] = {
    "none": lambda _: WakeupSettings(transport="none"),
    "postgres": lambda _: WakeupSettings(transport="postgres"),
    "redis": lambda url: WakeupSettings(transport="redis", redis_url=SecretStr(url)),
    "sentinel": lambda sentinels: WakeupSettings(
        transport="redis", sentinels=sentinels, master=MASTER, password=SecretStr(PASSWORD)
    ),
}

Processes = tuple[Wakeups, Wakeups]


def new_tenant() -> TenantId:
    """Nobody else's: other tests may share the server and its channel."""
    return TenantId(f"t-{uuid4().hex}")


@dataclass
class Bus:
    """The in-memory `Transport`: hands on at once, unless it is told to fail or to wait."""

    sent: list[str] = field(default_factory=list)
    failing: bool = False
    waiting: asyncio.Event | None = None
    attempts: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _hearers: list[Callable[[str], None]] = field(default_factory=list)

    async def send(self, hints: Sequence[str]) -> None:
        self.attempts.release()
        if self.waiting:
            await self.waiting.wait()
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


@asynccontextmanager
async def open_process(transport: str, server: str, bus: Bus) -> AsyncIterator[Wakeups]:
    """`server` is a Redis URL, a superuser's DSN, or `host:port` of Sentinels; `bus` is for
    `memory`."""
    if transport == "memory":
        async with open_relay(bus) as wakeups:
            yield wakeups
        return
    dsn = server if transport == "postgres" else UNUSED
    async with (
        control_pool(dsn) as pool,
        open_wakeups(_SETTINGS[transport](server), pool) as opened,
    ):
        yield opened


@asynccontextmanager
async def control_pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """As services open it."""
    async with open_pool(DatabaseSettings(dsn=dsn, user=urlsplit(dsn).username or "")) as pool:
        yield pool
