"""What presence does: keeps who is at this replica, tells the other replicas by the store and the
rooms by `tell`.

A replica's own members are the truth of it; what the store has can be written anew at any time.
Everything that waits for the store is in one task, so that a store that is slow or away holds up
nobody: what happens meanwhile is told to this replica's own connections, as of it alone.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

import structlog

from libs.metrics import PRESENCE_MEMBERS, PRESENCE_UPDATES
from services.sync.live.errors import NotInRoom
from services.sync.presence.domain.activity import Patience
from services.sync.presence.domain.members import Counts, Cursor, Member, Room, State
from services.sync.presence.domain.telling import Update
from services.sync.presence.exchange import Board, Exchange, Lease
from services.sync.presence.ports import Store, StoreAway

log = structlog.get_logger(__name__)

_GATHER = 0.1  # seconds in which changes come together
_PATIENCE = 2.0  # seconds that somebody who enters waits for the others to be read
_LAST_SECONDS = 2.0  # for the others to hear of the end


Tell = Callable[[Room, Update], None]  # those in the room who are here; never waits, never fails


class Present(NamedTuple):
    """A page of those in a room, and how many there are; `partial`: of this replica alone."""

    members: Sequence[Member]
    counts: Counts
    partial: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """What time does."""

    patience: Patience = field(default_factory=Patience)
    lease: Lease = field(default_factory=Lease)


class Presences:
    """Who is at this replica. `run` keeps it in step with the others until cancelled, `close` takes
    leave of them."""

    def __init__(
        self,
        store: Store,
        tell: Tell,
        pace: Pace,
        *,
        lonely: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lonely`: there may be replicas that the store does not know of."""
        self._store, self._tell, self._pace, self._clock = store, tell, pace, clock
        self._board = Board()
        self._exchange = Exchange(store, self._board, pace.lease, lonely=lonely)
        self._rooms_of: dict[tuple[str, str], tuple[Room, ...]] = {}
        self._turns: list[tuple[float, Room, str]] = []  # when to let whom age: a heap
        self._waiting: list[asyncio.Future[None]] = []
        self._news = asyncio.Event()

    @property
    def size(self) -> tuple[int, int]:
        """How many rooms and connections are kept here."""
        return len(self._board.rooms), len(self._rooms_of)

    def rooms_of(self, tenant: str, connection: str) -> tuple[Room, ...]:
        """Rooms that a connection is in."""
        return self._rooms_of.get((tenant, connection), ())

    async def enter(self, room: Room, member: Member) -> Sequence[Member]:
        """Adds a connection: who is in the room now. It is told of what comes after that, if it
        can be told by the time that this returns; how many there are, in any case."""
        now = self._clock()
        here = self._board.of(room)
        rooms = self.rooms_of(room.tenant, member.connection)
        if room not in rooms:
            PRESENCE_MEMBERS.inc()
            self._rooms_of[room.tenant, member.connection] = (*rooms, room)
        due = here.join(member, now, self._pace.patience)
        heappush(self._turns, (due, room, member.connection))
        await self._seen()
        here = self._board.of(room)
        here.greet()
        self._news.set()
        return here.everyone()

    def leave(self, room: Room, connection: str) -> None:
        """Removes a connection, if it is there: at once here, elsewhere soon."""
        rooms = self.rooms_of(room.tenant, connection)
        if room not in rooms:
            return
        PRESENCE_MEMBERS.dec()
        left = tuple(each for each in rooms if each != room)
        if left:
            self._rooms_of[room.tenant, connection] = left
        else:
            del self._rooms_of[room.tenant, connection]
        self._board.of(room).leave(connection)
        self._news.set()

    def set(self, room: Room, connection: str, state: State, cursor: Cursor | None) -> None:
        """What somebody in a room does.

        Raises:
            NotInRoom: The connection is not there.
        """
        if room not in self.rooms_of(room.tenant, connection):
            raise NotInRoom(room.name)
        here, now = self._board.of(room), self._clock()
        due = here.do(connection, state, cursor, now, self._pace.patience)
        if due is not None:
            heappush(self._turns, (due, room, connection))
        self._news.set()

    def heard(self, tenant: str, connection: str) -> None:
        """A sign of life."""
        now = self._clock()
        for room in self.rooms_of(tenant, connection):
            if self._board.rooms[room].hear(connection, now):
                self._board.busy.add(room)
                self._news.set()

    async def list(self, room: Room, after: str, limit: int) -> Present:
        """Those in a room in the order of their connections, after one of them."""
        if self._exchange.connected:
            with suppress(StoreAway):
                placed = await self._store.page(room, after, limit)
                counts = await self._store.counts(room)
                members = [each.member for each in placed]
                return Present(members, counts, self._exchange.partial)
        here = self._board.rooms.get(room)
        if here is None:
            return Present((), Counts(), partial=True)
        return Present(here.after(after, limit), here.alone, partial=True)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                try:
                    await self.round()
                except Exception:  # the next round may fare better; without one nobody is told
                    log.exception("presence.round_failed")
                await asyncio.sleep(_GATHER)
                await self._rest()

    async def round(self) -> None:
        """Does all that there is to do by now."""
        waiting, self._waiting = self._waiting, []
        self._news.clear()
        try:
            self._age(self._clock())
            await self._exchange.step(self._clock())
            self._tell_rooms(self._clock())
        finally:
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    async def close(self) -> None:
        """Tells the others that nobody is here any more."""
        with suppress(StoreAway, TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._store.leave()

    async def _seen(self) -> None:
        """Returns once a round has begun and ended, or after a while."""
        ended = asyncio.get_running_loop().create_future()
        self._waiting.append(ended)
        self._news.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await ended

    async def _rest(self) -> None:
        """Returns when there is something to do."""
        ends = [self._exchange.next()]
        if self._turns:
            ends.append(self._turns[0][0])
        for room in self._board.busy:
            here = self._board.rooms.get(room)
            ends.append(here.read_after if here else 0.0)
        seconds = min(ends) - self._clock()
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()

    async def _listen(self) -> None:
        """Hears of what the others did, as long as the way is open."""
        while True:
            with suppress(StoreAway):
                await self._store.listen(self._hint_all, self._hint)
            await asyncio.sleep(_GATHER)

    def _hint(self, room: Room) -> None:
        if room in self._board.rooms:
            self._board.hint(room)
            self._news.set()

    def _hint_all(self) -> None:
        """Nobody knows what was missed."""
        self._board.hint_all()
        self._news.set()

    def _age(self, now: float) -> None:
        while self._turns and self._turns[0][0] <= now:
            due, room, connection = heappop(self._turns)
            here = self._board.rooms.get(room)
            again = here.age(connection, due, now, self._pace.patience) if here else None
            if again is not None:
                heappush(self._turns, (again, room, connection))
                self._board.busy.add(room)

    def _tell_rooms(self, now: float) -> None:
        for room in tuple(self._board.busy):
            here = self._board.of(room)
            counts, partial = self._exchange.counts(here), self._exchange.partial
            update = here.update(now, counts, partial)
            if update:
                PRESENCE_UPDATES.inc()
                self._tell(room, update)
            if here.is_empty:
                del self._board.rooms[room]
            if here.is_empty or (
                here.due(counts, partial) is None and not self._exchange.waits(here)
            ):
                self._board.busy.discard(room)
