"""What the sync service does: lets many follow the change log of a tenant, which is read once.

A tail reads what is new for all subscribers of its tenant in this process; who is too far behind
for its window reads the log itself. What ends a tail (the tenant is suspended, the store is gone,
the server stops) ends its subscribers, who resume where they were.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.auth import TokenExpired
from libs.metrics import CHANGES_SENT, SUBSCRIBERS
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from libs.wakeups import Wakeups
from services.sync.domain.interest import is_about
from services.sync.domain.window import Window
from services.sync.errors import ServerStopping, TooManySubscriptions
from services.sync.ports import ChangeLog

_WINDOW = 1000  # changes that a tail keeps
_PAGE = 500  # changes read at once


@dataclass(frozen=True, slots=True)
class Interest:
    """What a subscriber wants: the changes after `since`, None for those from now on, about these
    collections, none for all, `until` its token expires. `sees` gives which of them it may hear of
    by now."""

    tenant: TenantId
    since: int | None
    collections: frozenset[str]
    until: datetime
    sees: Callable[[], Awaitable[Callable[[LoggedChange], bool]]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Every change up to this number was sent or is of no interest."""

    number: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the log is looked at unasked, how long a subscriber hears nothing at most, and
    how many a tenant may have in this process."""

    poll: timedelta
    quiet: timedelta
    subscriptions_per_tenant: int


class _Tail:
    """The newest changes of a tenant, and the bell of all who wait for more."""

    def __init__(self, tenant: TenantId, head: int) -> None:
        self.tenant = tenant
        self.window = Window[LoggedChange](head, _WINDOW)
        self.subscribers = 0
        self.reading: asyncio.Task[None] | None = None
        self.ended: Exception | None = None
        self._news = asyncio.Event()

    def extend(self, changes: Sequence[LoggedChange]) -> None:
        if changes:
            self.window.extend(changes)
            self._ring()

    def end(self, error: Exception) -> None:
        """Makes `error` what every subscriber raises next."""
        self.ended = error
        self._ring()

    async def wait(self, number: int, seconds: float) -> None:
        """Returns when there is something above `number`, or an end, or after so long."""
        if seconds <= 0:  # such a timeout may swallow a cancellation (cpython issue 134471)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.window.head <= number and not self.ended:
                    await self._news.wait()

    def _ring(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Subscriptions:
    """All subscriptions of this process. `stop` ends them; `close` when they have ended."""

    def __init__(
        self, log: ChangeLog, wakeups: Wakeups, pace: Pace, now: Callable[[], datetime]
    ) -> None:
        self._log, self._wakeups, self._pace, self._now = log, wakeups, pace, now
        self._tails: dict[TenantId, _Tail] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._stopping = False

    def stop(self) -> None:
        """Ends every subscription and refuses new ones: ServerStopping."""
        self._stopping = True
        for tail in self._tails.values():
            tail.end(ServerStopping())

    async def close(self) -> None:
        """Ends the reading."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    async def events(self, interest: Interest) -> AsyncGenerator[LoggedChange | Checkpoint, None]:
        """A checkpoint, then every change after it, in order and without gaps, as they come; a
        checkpoint whenever changes were left out or nothing happened for a while.

        Raises:
            NumberNotReached, ChangesMissing, ChangesPruned, TooManySubscriptions: As they say.
            TokenExpired, TenantSuspended, ServerStopping, StoreUnavailable: Now or later.
        """
        _, head = await self._log.after(interest.tenant, interest.since or 0, 0)
        position = head if interest.since is None else interest.since
        with self._joined(interest.tenant, head) as tail, SUBSCRIBERS.track_inprogress():
            end = _loop_time() + (interest.until - self._now()).total_seconds()
            _check(tail, end)
            yield Checkpoint(position)
            while True:
                changes = await self._next(tail, position, end)
                sees, told = await interest.sees(), position
                for change in changes:
                    position = change.number
                    if not is_about(change.resource, interest.collections) or not sees(change):
                        continue
                    _check(tail, end)
                    if told < position - 1 and not interest.collections:
                        yield Checkpoint(position - 1)  # what is hidden must not look like a loss
                    yield change
                    CHANGES_SENT.inc()
                    told = position
                if told < position or not changes:
                    yield Checkpoint(position)

    async def _next(self, tail: _Tail, position: int, end: float) -> Sequence[LoggedChange]:
        """Some changes after `position`; none when there were none for a while."""
        quiet = self._pace.quiet.total_seconds()
        await tail.wait(position, min(quiet, end - _loop_time()))
        _check(tail, end)
        recent = tail.window.after(position)
        if recent is not None:
            return recent
        return (await self._log.after(tail.tenant, position, _PAGE))[0]

    @contextmanager
    def _joined(self, tenant: TenantId, head: int) -> Iterator[_Tail]:
        tail = self._tail(tenant, head)
        tail.subscribers += 1
        try:
            yield tail
        finally:
            tail.subscribers -= 1
            if not tail.subscribers:
                self._drop(tail)

    def _tail(self, tenant: TenantId, head: int) -> _Tail:
        """The tenant's tail, with room for one more."""
        if self._stopping:
            raise ServerStopping
        tail = self._tails.get(tenant)
        if tail is None or tail.ended:
            tail = self._tails[tenant] = _Tail(tenant, head)
            tail.reading = asyncio.create_task(self._read(tail))
            self._reading.add(tail.reading)
            tail.reading.add_done_callback(self._reading.discard)
        if tail.subscribers >= self._pace.subscriptions_per_tenant:
            raise TooManySubscriptions(tail.subscribers)
        return tail

    def _drop(self, tail: _Tail) -> None:
        if tail.reading:
            tail.reading.cancel()
        if self._tails.get(tail.tenant) is tail:
            del self._tails[tail.tenant]

    async def _read(self, tail: _Tail) -> None:
        """Keeps the tail up to date until nobody subscribes any more or something fails."""
        try:
            with self._wakeups.watch(tail.tenant) as watch:
                while tail.subscribers:
                    await self._catch_up(tail)
                    await watch.wait(self._pace.poll.total_seconds())
        except Exception as exc:  # the subscribers raise it, each in its own call
            tail.end(exc)

    async def _catch_up(self, tail: _Tail) -> None:
        head = None
        while head is None or tail.window.head < head:
            changes, head = await self._log.after(tail.tenant, tail.window.head, _PAGE)
            tail.extend(changes)


def _check(tail: _Tail, end: float) -> None:
    """Raises what ends the subscription, if anything does."""
    if tail.ended:
        raise tail.ended
    if _loop_time() >= end:
        raise TokenExpired


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
