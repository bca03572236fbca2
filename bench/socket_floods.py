"""What a tenant notices while another one floods the sync service."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc

from aeterna.sync.v1 import sync_pb2 as pb
from aeterna.sync.v1 import sync_pb2_grpc as pb_grpc
from bench.corpus import ROOT
from bench.measure import Sample, Spread
from bench.report import Row
from bench.socket_crowd import client_frame, handshake
from bench.socket_flood import KINDS
from bench.socket_sides import Ours, open_ours
from bench.stack import Stack

_QUIET, _LOUD = "quiet", "loud"
_PAUSE = 0.022  # seconds between two requests of the other tenant: within the rate of a connection
_BEGIN = 1.0  # seconds until a flood has begun

Probe = Callable[[], Awaitable[object]]


async def flood_rows(stack: Stack, *, quick: bool) -> list[Row]:
    """For each kind of flood: latencies without and with it, taking turns."""
    seconds, rounds = (1.0, 1) if quick else (3.0, 5)
    await stack.add_tenants([_LOUD])
    async with (
        open_ours(stack, _QUIET, {}) as ours,
        _call(ours) as call,
        _socket(ours) as ping,
    ):
        for probe in (call, ping):  # whatever happens once has happened
            await _sample(probe, 1.0)
        return [
            await _row(kind, ours, stack.token(_LOUD), call, ping, seconds, rounds)
            for kind in KINDS
        ]


async def _row(
    kind: str, ours: Ours, token: str, call: Probe, ping: Probe, seconds: float, rounds: int
) -> Row:
    calm: list[tuple[float, float]] = []
    loud: list[tuple[float, float]] = []
    for _ in range(rounds):
        calm.append(await _both(call, ping, seconds))
        async with _flood(kind, ours.dialect.address, token):
            loud.append(await _both(call, ping, seconds))
    row: dict[str, str | float | Spread] = {"flood": kind}
    for place, name in enumerate(("call", "socket")):
        before, during = [each[place] for each in calm], [each[place] for each in loud]
        row[f"{name} p99 without, ms"] = Spread.of(before)
        row[f"{name} p99 with, ms"] = Spread.of(during)
        row[f"{name}, times"] = Spread.ratio(during, before)
    return row


async def _both(call: Probe, ping: Probe, seconds: float) -> tuple[float, float]:
    samples = await asyncio.gather(_sample(call, seconds), _sample(ping, seconds))
    return samples[0].quantile(0.99), samples[1].quantile(0.99)


async def _sample(probe: Probe, seconds: float) -> Sample:
    latencies, begun = [], time.perf_counter()
    while time.perf_counter() < begun + seconds:
        before = time.perf_counter()
        await probe()
        latencies.append(time.perf_counter() - before)
        await asyncio.sleep(_PAUSE)
    return Sample(time.perf_counter() - begun, latencies)


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
