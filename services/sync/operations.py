"""What the sync service does: lets many follow the change log of a tenant, which is read once.

A tail reads what is new for all who follow its tenant in this process; who is too far behind for
its window reads the log itself. What ends a tail ends its subscribers, who resume where they were.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from libs.auth import TokenExpired
from libs.metrics import CHANGES_SENT, SUBSCRIBERS
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from services.sync.domain.interest import is_about
from services.sync.errors import ServerStopping, TooManySubscriptions
from services.sync.ports import ChangeLog
from services.sync.tails import PAGE, Tail, Tails


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
    """How long a subscriber hears nothing at most, and how many a tenant may have in this
    process."""

    quiet: timedelta
    subscriptions_per_tenant: int


class Subscriptions:
    """All subscriptions of this process."""

    def __init__(
        self, log: ChangeLog, tails: Tails, pace: Pace, now: Callable[[], datetime]
    ) -> None:
        self._log, self._tails, self._pace, self._now = log, tails, pace, now
        self._open = Counter[TenantId]()
        self._stopping = False

    def stop(self) -> None:
        """Ends every subscription and refuses new ones: ServerStopping."""
        self._stopping = True
        self._tails.ring()

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
            self._check(tail, end)
            yield Checkpoint(position)
            while True:
                changes = await self._next(tail, position, end)
                sees, told = await interest.sees(), position
                for change in changes:
                    position = change.number
                    if not is_about(change.resource, interest.collections) or not sees(change):
                        continue
                    self._check(tail, end)
                    if told < position - 1 and not interest.collections:
                        yield Checkpoint(position - 1)  # what is hidden must not look like a loss
                    yield change
                    CHANGES_SENT.inc()
                    told = position
                if told < position or not changes:
                    yield Checkpoint(position)

    async def _next(self, tail: Tail, position: int, end: float) -> Sequence[LoggedChange]:
        """Some changes after `position`; none when there were none for a while."""
        quiet = self._pace.quiet.total_seconds()
        remaining = min(quiet, end - _loop_time())
        await tail.wait(position, remaining, lambda: self._stopping)
        self._check(tail, end)
        recent = tail.window.after(position)
        if recent is not None:
            return recent
        return (await self._log.after(tail.tenant, position, PAGE))[0]

    def _check(self, tail: Tail, end: float) -> None:
        """Raises what ends the subscription, if anything does."""
        if self._stopping:
            raise ServerStopping
        if tail.ended:
            raise tail.ended
        if _loop_time() >= end:
            raise TokenExpired

    @contextmanager
    def _joined(self, tenant: TenantId, head: int) -> Iterator[Tail]:
        """The tenant's tail, which has room for one more."""
        with self._tails.followed(tenant, head) as tail:
            if self._open[tenant] >= self._pace.subscriptions_per_tenant:
                raise TooManySubscriptions(self._open[tenant])
            self._open[tenant] += 1
            try:
                yield tail
            finally:
                self._open[tenant] -= 1
                if not self._open[tenant]:
                    del self._open[tenant]


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
