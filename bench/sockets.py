"""Ten thousand WebSockets of one sync service, beside as many of Centrifugo: memory and fan-out.

The clients are another process on the same cores. And what a tenant notices while another one
floods the service: calls and sockets, side by side with quiet times.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Spread
from bench.report import Report, Row, Section
from bench.socket_crowd import allow_files
from bench.socket_floods import flood_rows
from bench.socket_sides import (
    TOOLS,
    Crowd,
    Receipts,
    Side,
    open_centrifugo,
    open_crowd,
    open_ours,
)
from bench.stack import open_stack
from tests.servers import free_ports

_FILES = 50_000
_OTHER_FILES = 700  # that the server and the clients have open
_WARM = 200  # sockets that come and go before memory is looked at
_SETTLE = 2.0  # seconds
_PAUSE = 0.3  # seconds between events
_ALIVE_EVERY = 20  # events; then everybody gives a sign of life
_LIMITS = {
    "SYNC_WEB__CONNECTIONS": str(_FILES),
    "SYNC_LIVE__CONNECTIONS_PER_TENANT": str(_FILES),
    "SYNC_LIVE__TENANT_MESSAGES_PER_SECOND": "0",
}


@dataclass
class Found:
    """Of one server with so many sockets."""

    name: str
    sockets: int
    before_kib: int = 0
    after_kib: int = 0
    later_kib: int = 0
    opening: float = 0  # seconds
    cpu: float = 0  # seconds of the server for one event
    rounds: list[Receipts] = field(default_factory=list)

    @property
    def kib_each(self) -> float:
        return (self.after_kib - self.before_kib) / self.sockets

    @property
    def missing(self) -> int:
        return sum(each.missing for each in self.rounds)

    def all(self) -> Receipts:
        """Every receipt of every event."""
        latencies = [each for one in self.rounds for each in one.latencies]
        return Receipts(latencies, self.missing)

    def row(self) -> Row:
        every = self.all()
        return {
            "server": self.name,
            "sockets": f"{self.sockets}",
            "KiB each": f"{self.kib_each:.1f}",
            "KiB each, later": f"{(self.later_kib - self.before_kib) / self.sockets:.1f}",
            "opened per second": f"{self.sockets / self.opening:.0f}",
            "median, ms": every.quantile(0.5),
            "p99, ms": every.quantile(0.99),
            "p99 of each event, ms": Spread.of(each.quantile(0.99) for each in self.rounds),
            "last, ms": Spread.of(max(each.latencies) * 1000 for each in self.rounds),
            "server CPU for an event, ms": f"{self.cpu * 1000:.0f}",
            "not received": f"{self.missing}",
        }


async def run(*, quick: bool) -> Report:
    """Ours and Centrifugo, then with twice as many, or as many as there may be; then floods."""
    most = min(20_000, allow_files(_FILES) - _OTHER_FILES)
    counts = [300] if quick else sorted({min(10_000, most), most})
    rounds = 5 if quick else 50
    found = []
    async with open_stack() as stack:
        for count in counts:
            async with open_ours(stack, f"crowd-{count}", _LIMITS) as ours:
                found.append(await measured("aeterna", ours, count, rounds))
            async with _peer() as peers:
                found += [await measured("Centrifugo", each, count, rounds) for each in peers]
        floods = await flood_rows(stack, quick=quick)
    return _report(found, floods)


async def measured(name: str, side: Side, count: int, rounds: int) -> Found:
    """Sockets are opened; then one event after another goes to all."""
    found = Found(name, count)
    async with open_crowd(side.dialect) as crowd:
        await crowd.do("open", count=min(_WARM, count))
        await side.hear(crowd, 0)
        await crowd.do("close")
        await asyncio.sleep(_SETTLE)
        found.before_kib = side.rss_kib
        found.opening = (await crowd.do("open", count=count))["seconds"]
        await asyncio.sleep(_SETTLE)
        found.after_kib = side.rss_kib
        await _events(found, side, crowd, rounds)
        found.later_kib = side.rss_kib
    return found


async def _events(found: Found, side: Side, crowd: Crowd, rounds: int) -> None:
    await side.hear(crowd, 0)
    for number in range(1, rounds + 1):
        await asyncio.sleep(_PAUSE)
        before = side.cpu
        found.rounds.append(await side.hear(crowd, number))
        found.cpu += (side.cpu - before) / rounds
        if number % _ALIVE_EVERY == 0 and side.dialect.ping:
            await crowd.do("ping")


@asynccontextmanager
async def _peer() -> AsyncIterator[Sequence[Side]]:
    """Centrifugo, where it was built."""
    if not (TOOLS / "centrifugo").exists():
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        async with open_centrifugo(Path(folder), free_ports(1)[0]) as peer:
            yield [peer]


def _report(found: Sequence[Found], floods: Sequence[Row]) -> Report:
    ours = found[0]
    return Report(
        "sockets",
        "WebSockets",
        [
            Section("One event to all", [each.row() for each in found]),
            Section("What another tenant notices of a flood", floods),
        ],
        [
            "One sync service, one process; its clients are another process on the same cores,"
            " which reads by epoll and decodes nothing.",
            "aeterna: from the beginning of the transaction that writes a memory (a call of the"
            " memory service, a third process) to each client's receipt, PostgreSQL's NOTIFY"
            " included. Centrifugo: from the call of its API, memory engine, no history.",
            f"Memory: resident set before and after the sockets were opened, {_WARM} having come"
            " and gone before. Clients are of 100 people of one tenant, in the room `changes`.",
            "A flood is sent by a process of its own, as fast as it can with what the others leave"
            " of the cores; calls and pings of the other tenant go on one after the other. p99 is"
            " of all rounds together.",
        ],
        {
            "kib_per_socket": round(ours.kib_each, 2),
            "p50_ms": round(ours.all().quantile(0.5), 1),
            "p99_ms": round(ours.all().quantile(0.99), 1),
            "missing": ours.missing,
        },
    )
