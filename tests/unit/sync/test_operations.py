"""Any interleaving of writers, lost wake-ups and subscribers who come, fall behind and leave."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from libs.postgres import StoreUnavailable
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from libs.wakeups import Wakeups
from services.sync.errors import NumberNotReached
from services.sync.operations import Checkpoint, Interest, Pace, Subscriptions
from services.sync.tails import Tails

_TENANT = TenantId("acme")
_NOW = datetime(2026, 1, 2, tzinfo=UTC)
_POLL = timedelta(milliseconds=1)
_PACE = Pace(timedelta(hours=1), 100)


@dataclass
class MemoryLog:
    """`ChangeLog` in memory; every reader lets the others go first."""

    rows: list[LoggedChange] = field(default_factory=list)

    def append(self, count: int, collection: str) -> None:
        for number in range(len(self.rows) + 1, len(self.rows) + count + 1):
            resource = f"{collection}/{number}"
            self.rows.append(
                LoggedChange(number, resource, "created", "", "", "", "", "", "", _NOW, b"")
            )

    async def after(
        self, tenant: TenantId, number: int, limit: int
    ) -> tuple[Sequence[LoggedChange], int]:
        await asyncio.sleep(0)
        if number > len(self.rows):
            raise NumberNotReached(number, len(self.rows))
        return self.rows[number : number + limit], len(self.rows)


async def _everything() -> Callable[[LoggedChange], bool]:
    return lambda _: True


@dataclass
class Follower:
    """A subscriber, and what it has received."""

    events: AsyncGenerator[LoggedChange | Checkpoint, None]
    collections: frozenset[str]
    start: int
    seen: list[int] = field(default_factory=list)
    position: int = -1

    async def read(self, upto: int, most: int) -> None:
        """Events until everything up to this number is known, at most so many."""
        for _ in range(most):
            if self.position >= upto:
                return
            event = await anext(self.events)
            assert event.number >= self.position
            self.position = event.number
            if not isinstance(event, Checkpoint):
                self.seen.append(event.number)

    def expected(self, log: MemoryLog) -> list[int]:
        return [
            row.number
            for row in log.rows[self.start :]
            if not self.collections or row.resource.partition("/")[0] in self.collections
        ]


@dataclass(frozen=True)
class Append:
    count: int
    collection: str
    heard: bool  # whether the wake-up arrives


@dataclass(frozen=True)
class Join:
    share: float  # of the log that it has seen already
    collections: frozenset[str]


@dataclass(frozen=True)
class Read:
    who: int
    most: int


@dataclass(frozen=True)
class Leave:
    who: int


names = st.sampled_from(["memories", "policies"])
counts = st.one_of(st.integers(1, 5), st.integers(400, 1200))  # beyond pages and the window too
steps = st.one_of(
    st.builds(Append, counts, names, st.booleans()),
    st.builds(Join, st.floats(0, 1), st.frozensets(names, max_size=1)),
    st.builds(Read, st.integers(0, 5), counts),
    st.builds(Leave, st.integers(0, 5)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=12))
def test_everyone_gets_everything_once_and_in_order(
    steps: list[Append | Join | Read | Leave],
) -> None:
    asyncio.run(_play(steps))

    assert REGISTRY.get_sample_value("aeterna_subscribers") == 0


async def _play(steps: list[Append | Join | Read | Leave]) -> None:
    log, wakeups = MemoryLog(), Wakeups()
    tails = Tails(log, wakeups, _POLL)
    subscriptions = Subscriptions(log, tails, _PACE, lambda: _NOW)
    followers: list[Follower] = []
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        stack.push_async_callback(tails.close)
        for step in steps:
            match step:
                case Append(count, collection, heard):
                    log.append(count, collection)
                    if heard:
                        wakeups.publish(_TENANT)
                case Join(share, collections):
                    start = int(share * len(log.rows))
                    interest = Interest(
                        _TENANT, start, collections, _NOW + timedelta(hours=1), _everything
                    )
                    events = await stack.enter_async_context(
                        aclosing(subscriptions.events(interest))
                    )
                    followers.append(Follower(events, collections, start))
                case Read(who, most) if who < len(followers):
                    await followers[who].read(len(log.rows), most)
                case Leave(who) if who < len(followers):
                    await followers.pop(who).events.aclose()
        for follower in followers:
            await follower.read(len(log.rows), len(log.rows) + 100)
            assert follower.position == len(log.rows)
            assert follower.seen == follower.expected(log)


@dataclass
class RacingLog(MemoryLog):
    """A log that grows, unannounced, right after it was first read."""

    async def after(
        self, tenant: TenantId, number: int, limit: int
    ) -> tuple[Sequence[LoggedChange], int]:
        answer = await super().after(tenant, number, limit)
        if not self.rows:
            self.append(1, "memories")
        return answer


async def test_what_is_written_while_a_subscriber_joins_is_not_missed() -> None:
    never = timedelta(hours=1)
    log = RacingLog()
    tails = Tails(log, Wakeups(), never)
    subscriptions = Subscriptions(log, tails, Pace(never, 1), lambda: _NOW)
    interest = Interest(_TENANT, None, frozenset(), _NOW + never, _everything)

    async with asyncio.timeout(20), aclosing(subscriptions.events(interest)) as events:
        assert await anext(events) == Checkpoint(0)
        assert (await anext(events)).number == 1
    await tails.close()


@dataclass
class FailingLog(MemoryLog):
    """A log that cannot be reached for a moment, once there is something to read."""

    failures: int = 1

    async def after(
        self, tenant: TenantId, number: int, limit: int
    ) -> tuple[Sequence[LoggedChange], int]:
        answer = await super().after(tenant, number, limit)
        if answer[0] and self.failures:
            self.failures -= 1
            raise StoreUnavailable
        return answer


async def test_who_comes_after_a_failure_does_not_inherit_it() -> None:
    log = FailingLog()
    tails = Tails(log, Wakeups(), _POLL)
    subscriptions = Subscriptions(log, tails, _PACE, lambda: _NOW)
    interest = Interest(_TENANT, 0, frozenset(), _NOW + timedelta(hours=1), _everything)

    async with (
        asyncio.timeout(20),
        aclosing(subscriptions.events(interest)) as idle,
        aclosing(subscriptions.events(interest)) as waiting,
        aclosing(subscriptions.events(interest)) as late,
    ):
        assert [await anext(each) for each in (idle, waiting)] == [Checkpoint(0)] * 2
        log.append(1, "memories")
        with pytest.raises(StoreUnavailable):
            await anext(waiting)

        assert await anext(late) == Checkpoint(0)  # `idle` has not heard of the failure yet
        assert (await anext(late)).number == 1
    await tails.close()
