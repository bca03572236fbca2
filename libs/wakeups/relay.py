"""Carries hints between processes over a transport, for as long as it takes to get through.

A transport that fails is logged once and tried again; what waits for it is one entry per tenant.
Knows no driver.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from uuid import uuid4

import structlog

from libs.tenancy import TenantId
from libs.wakeups import Wakeups

log = structlog.get_logger(__name__)

_SEND_SECONDS = 5.0  # for one batch
_LAST_SECONDS = 1.0  # for what is unsent at the end
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between attempts


class Transport(Protocol):
    """A way to the other processes. Both calls raise whatever their driver raises."""

    async def send(self, hints: Sequence[str]) -> None:
        """Hands the hints, in order, to every process that listens, this one included."""
        ...

    async def listen(self, ready: Callable[[], None], hear: Callable[[str], None]) -> None:
        """Calls `ready` once subscribed, within seconds, then `hear` for each hint.

        Never returns: it raises when it cannot subscribe, and when the connection is lost.
        """
        ...


@asynccontextmanager
async def open_relay(transport: Transport) -> AsyncIterator[Wakeups]:
    """Wakeups of this process that are connected to the others through `transport`.

    Subscribed when the block begins, unless the transport is down: then as soon as it is up.
    """
    relay = _Relay(transport)
    tasks = [asyncio.create_task(relay.send()), asyncio.create_task(relay.listen())]
    try:
        await relay.tried.wait()
        yield relay.wakeups
    finally:
        await _end(tasks)
        await relay.send_the_last()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels until it works: drivers may lose a cancellation to wait_for (cpython issue 86296)."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=_FIRST_PAUSE)


class _Relay:
    def __init__(self, transport: Transport) -> None:
        self.wakeups = Wakeups(self._announce)
        self.tried = asyncio.Event()  # whether the first attempt to subscribe has ended, either way
        self._transport = transport
        self._process = uuid4().hex
        self._unsent: dict[TenantId, None] = {}  # in the order of their first announcement
        self._some = asyncio.Event()

    def _announce(self, tenant: TenantId) -> None:
        self._unsent[tenant] = None
        self._some.set()

    async def send(self) -> None:
        line = _Line("send")
        while True:
            await self._some.wait()
            try:
                await self._send_unsent()
                line.works()
            except Exception as exc:  # whatever a driver raises, the next hint needs this task
                await line.failed(exc)

    async def _send_unsent(self) -> None:
        batch, self._unsent = self._unsent, {}
        self._some.clear()
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._transport.send([f"{self._process} {tenant}" for tenant in batch])
        except BaseException:  # cancellation too: the batch may not have left
            self._unsent = batch | self._unsent
            self._some.set()
            raise

    async def send_the_last(self) -> None:
        """So that the hint of a process's last write is not lost with it."""
        if self._unsent:
            with suppress(Exception):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._send_unsent()

    async def listen(self) -> None:
        line = _Line("listen")
        while True:
            try:
                await self._transport.listen(lambda: self._subscribed(line), self._hear)
            except Exception as exc:  # as in send
                self.wakeups.turn(connected=False)
                self.tried.set()
                await line.failed(exc)

    def _subscribed(self, line: "_Line") -> None:
        line.works()
        self.wakeups.turn(connected=True)
        self.wakeups.ring_all()  # nobody knows what was missed before
        self.tried.set()

    def _hear(self, hint: str) -> None:
        process, _, tenant = hint.partition(" ")
        if process != self._process:
            self.wakeups.ring(tenant)


class _Line:
    """One direction of the transport: logs when it stops and starts to work, paces the attempts."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0

    def works(self) -> None:
        if self._failures:
            log.info("wakeups.restored", line=self._name)
        self._failures = 0

    async def failed(self, exc: Exception) -> None:
        """Returns when it is time for the next attempt."""
        if not self._failures:
            log.warning("wakeups.failed", line=self._name, error=type(exc).__name__)
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10))
        self._failures += 1
        await asyncio.sleep(random.uniform(pause / 2, pause))  # replicas must not come all at once
