"""What a tenant notices while another one floods the sync service."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import grpc

from aeterna.sync.v1 import sync_pb2 as pb
from aeterna.sync.v1 import sync_pb2_grpc as pb_grpc
from bench.corpus import ROOT
from bench.measure import Sample
from bench.report import Row
from bench.socket_crowd import client_frame, handshake
from bench.socket_flood import KINDS
from bench.socket_sides import Ours, open_ours
from bench.stack import Stack

_QUIET, _LOUD = "quiet", "loud"
_PAUSE = 0.011  # seconds between two requests of the other tenant: within the rate of a connection
_CALLERS, _PINGING = 2, 4
_BEGIN = 1.0  # seconds until a flood has begun, and what may come at once has come

Probe = Callable[[], Awaitable[object]]
Probes = Sequence[Sequence[Probe]]  # that call, and that ping
Latencies = Sequence[list[float]]  # of calls, and of pings


async def flood_rows(stack: Stack, *, quick: bool) -> list[Row]:
    """For each kind of flood: latencies without and with it, taking turns."""
    seconds, rounds = (1.0, 1) if quick else (5.0, 6)
    await stack.add_tenants([_LOUD])
    async with open_ours(stack, _QUIET, {}) as ours, AsyncExitStack() as opened:
        calls = [await opened.enter_async_context(_call(ours)) for _ in range(_CALLERS)]
        pings = [await opened.enter_async_context(_socket(ours)) for _ in range(_PINGING)]
        probes = (calls, pings)
        await _both(probes, 1.0)  # whatever happens once has happened
        return [
            await _row(kind, ours, stack.token(_LOUD), probes, seconds, rounds) for kind in KINDS
        ]


async def _row(
    kind: str, ours: Ours, token: str, probes: Probes, seconds: float, rounds: int
) -> Row:
    calm: list[Latencies] = []
    loud: list[Latencies] = []
    for _ in range(rounds):
        calm.append(await _both(probes, seconds))
        async with _flood(kind, ours.dialect.address, token):
            loud.append(await _both(probes, seconds))
    row: dict[str, str] = {"flood": kind}
    for place, name in enumerate(("call", "socket")):
        before, during = _p99(each[place] for each in calm), _p99(each[place] for each in loud)
        row[f"{name} p99 without, ms"] = f"{before:.2f}"
        row[f"{name} p99 with, ms"] = f"{during:.2f}"
        row[f"{name}, times"] = f"{during / before:.2f}"
    return row


def _p99(rounds: Iterable[list[float]]) -> float:
    """Of all rounds together: one of five seconds has too few of the slowest."""
    return Sample(0, [each for one in rounds for each in one]).quantile(0.99)


async def _both(probes: Probes, seconds: float) -> Latencies:
    return await asyncio.gather(*[_samples(each, seconds) for each in probes])


async def _samples(probes: Sequence[Probe], seconds: float) -> list[float]:
    several = await asyncio.gather(*[_sample(probe, seconds) for probe in probes])
    return [each for one in several for each in one]


async def _sample(probe: Probe, seconds: float) -> list[float]:
    latencies, begun = [], time.perf_counter()
    while time.perf_counter() < begun + seconds:
        before = time.perf_counter()
        await probe()
        latencies.append(time.perf_counter() - before)
        await asyncio.sleep(_PAUSE)
    return latencies


@asynccontextmanager
async def _call(ours: Ours) -> AsyncIterator[Probe]:
    """A call of the sync service."""
    async with grpc.aio.insecure_channel(ours.sync) as channel:
        stub = pb_grpc.SyncServiceStub(channel)
        request = pb.ListChangesRequest(since=0, page_size=10)
        yield lambda: stub.ListChanges(request, metadata=ours.metadata)


@asynccontextmanager
async def _socket(ours: Ours) -> AsyncIterator[Probe]:
    """A ping on a WebSocket, and its pong."""
    host, _, port = ours.dialect.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(handshake(ours.dialect.path, ours.token))
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b'"welcome"')

    async def ping() -> None:
        writer.write(client_frame(ours.dialect.ping))
        await reader.readuntil(ours.dialect.pong.encode())

    yield ping
    writer.close()


@asynccontextmanager
async def _flood(kind: str, address: str, token: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.socket_flood", kind, address, token, cwd=ROOT
    )
    await asyncio.sleep(_BEGIN)
    try:
        yield
    finally:
        process.kill()
        await process.wait()
