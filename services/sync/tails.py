"""The newest changes of tenants, each log read once in this process, for all who follow it.

What ends a tail (the tenant is suspended, the store is gone) is what everybody who waits for more
of it raises.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from libs.wakeups import Wakeups
from services.sync.domain.window import Window
from services.sync.ports import ChangeLog

_WINDOW = 1000  # changes that a tail keeps
PAGE = 500  # changes read at once


class Tail:
    """The newest changes of a tenant, and the bell of all who wait for more."""

    def __init__(self, tenant: TenantId, head: int) -> None:
        self.tenant = tenant
        self.window = Window[LoggedChange](head, _WINDOW)
        self.followers = 0
        self.reading: asyncio.Task[None] | None = None
        self.ended: Exception | None = None
        self._news = asyncio.Event()

    def extend(self, changes: Sequence[LoggedChange]) -> None:
        """Adds what is new."""
        if changes:
            self.window.extend(changes)
            self.ring()

    def end(self, error: Exception) -> None:
        """Makes `error` what every follower raises next."""
        self.ended = error
        self.ring()

    async def wait(
        self, number: int, seconds: float, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """Returns when there is something above `number`, or an end, or after so long; or when
        `stopped` says so, after a `ring`."""
        if seconds <= 0:  # such a timeout may swallow a cancellation (cpython issue 134471)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.window.head <= number and not self.ended and not stopped():
                    await self._news.wait()

    def ring(self) -> None:
        """Lets all who wait look again."""
        self._news.set()
        self._news = asyncio.Event()


class Tails:
    """All tails of this process. `close` when nobody follows any more."""

    def __init__(self, log: ChangeLog, wakeups: Wakeups, poll: timedelta) -> None:
        """`poll`: how often a log is looked at unasked."""
        self._log, self._wakeups, self._poll = log, wakeups, poll
        self._tails: dict[TenantId, Tail] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def ring(self) -> None:
        """Lets all who wait for any tail look again."""
        for tail in self._tails.values():
            tail.ring()

    async def close(self) -> None:
        """Ends the reading."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    @contextmanager
    def followed(self, tenant: TenantId, head: int) -> Iterator[Tail]:
        """The tenant's tail, which is kept up to date for the length of the block.

        Args:
            head: The newest number, where a new tail begins.
        """
        tail = self._tail(tenant, head)
        tail.followers += 1
        try:
            yield tail
        finally:
            tail.followers -= 1
            if not tail.followers:
                self._drop(tail)

    def _tail(self, tenant: TenantId, head: int) -> Tail:
        tail = self._tails.get(tenant)
        if tail is None or tail.ended:
            tail = self._tails[tenant] = Tail(tenant, head)
            tail.reading = asyncio.create_task(self._read(tail))
            self._reading.add(tail.reading)
            tail.reading.add_done_callback(self._reading.discard)
        return tail

    def _drop(self, tail: Tail) -> None:
        if tail.reading:
            tail.reading.cancel()
        if self._tails.get(tail.tenant) is tail:
            del self._tails[tail.tenant]

    async def _read(self, tail: Tail) -> None:
        """Keeps the tail up to date until nobody follows it any more or something fails."""
        try:
            with self._wakeups.watch(tail.tenant) as watch:
                while tail.followers:
                    await self._catch_up(tail)
                    await watch.wait(self._poll.total_seconds())
        except Exception as exc:  # the followers raise it, each in its own call
            tail.end(exc)

    async def _catch_up(self, tail: Tail) -> None:
        head = None
        while head is None or tail.window.head < head:
            changes, head = await self._log.after(tail.tenant, tail.window.head, PAGE)
            tail.extend(changes)
