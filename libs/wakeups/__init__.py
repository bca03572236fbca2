"""Hints that a tenant has changes; whoever is rung reads the change log.

A hint may be lost or doubled and is never the only copy of anything: who waits needs a timeout.
Knows nothing of what changed, nor of how hints travel between processes: see `libs.wakeups.relay`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress

from libs.metrics import WAKEUPS_CONNECTED
from libs.tenancy import TenantId


class Watch:
    """The bell of one watcher: one task at a time waits for it."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    @property
    def rung(self) -> bool:
        """Whether it was rung since the last wait or `clear`."""
        return self._rung.is_set()

    def clear(self) -> None:
        """What was rung before counts no more."""
        self._rung.clear()

    async def wait(self, seconds: float) -> bool:
        """Whether it was rung since the last wait; at most `seconds` are waited for that."""
        if seconds > 0:  # a timeout of 0 may swallow a cancellation (cpython issue 134471)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung


class Wakeups:
    """The watchers of this process, by tenant; every call belongs to one event loop's thread."""

    def __init__(self, announce: Callable[[TenantId], None] | None = None) -> None:
        """`announce` tells the other processes; it returns at once and never raises."""
        self._announce = announce
        self._watches: dict[str, set[Watch]] = {}
        self._turned = asyncio.Event()
        self.connected = announce is None  # whether the others can be heard, if there are any
        WAKEUPS_CONNECTED.set(self.connected)

    def publish(self, tenant: TenantId) -> None:
        """After a commit: rings here at once, elsewhere soon. Neither waits nor fails."""
        self.ring(tenant)
        if self._announce:
            self._announce(tenant)

    @contextmanager
    def watch(self, tenant: TenantId) -> Iterator[Watch]:
        """A bell for the length of the block; read the tenant's state after entering, then wait."""
        watches, watch = self._watches.setdefault(tenant, set()), Watch()
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.remove(watch)
            if not watches:
                del self._watches[tenant]

    def ring(self, tenant: str) -> None:
        """Rings the watchers of this process alone; a name that nobody watches is no error."""
        for watch in self._watches.get(tenant, ()):
            watch.ring()

    def ring_all(self) -> None:
        """As `ring`, for every tenant: hints may have been missed."""
        for tenant in self._watches:
            self.ring(tenant)

    def turn(self, connected: bool) -> None:
        """Tells whether the others can be heard from now on."""
        if connected != self.connected:
            self.connected = connected
            WAKEUPS_CONNECTED.set(connected)
            self._turned.set()
            self._turned = asyncio.Event()

    async def connections(self) -> AsyncGenerator[bool, None]:
        """Whether the others can be heard: now, and whenever that has changed."""
        while True:
            turned = self._turned
            yield self.connected
            await turned.wait()
