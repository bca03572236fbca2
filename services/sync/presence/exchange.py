"""Keeps the rooms of a replica and the store in step: one task calls `step` again and again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from libs.metrics import PRESENCE_CONNECTED, PRESENCE_REWRITTEN
from services.sync.presence.domain.here import Here
from services.sync.presence.domain.members import Counts, Room, is_large
from services.sync.presence.ports import News, Store, StoreAway, Write, Written

log = structlog.get_logger(__name__)

_MEMBERS = 200  # in one write
_WRITES = 32  # at once
_LISTED = 1000  # members of a room that is no large one, at most
_SWEEPS = 50  # parts of what the dead left, before something else is done
_SWEEP_SECONDS, _LARGE_SECONDS = 1.0, 1.0  # between looks for the dead; at a large room
_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Lease:
    """In seconds: how long a replica counts that is not heard of, and how often it is renewed."""

    length: float = 15.0
    renewal: float = 5.0


@dataclass(slots=True)
class Board:
    """The rooms of a replica, and those in which something is to be done."""

    rooms: dict[Room, Here] = field(default_factory=dict)
    busy: set[Room] = field(default_factory=set)

    def of(self, room: Room) -> Here:
        """The room, which is new if nobody was there; busy from now on."""
        self.busy.add(room)
        here = self.rooms.get(room)
        if here is None:
            here = self.rooms[room] = Here()
        return here

    def hint(self, room: Room) -> None:
        """There is more in the log of a room; one that nobody here is in does not matter."""
        here = self.rooms.get(room)
        if here:
            here.hinted = True
            self.busy.add(room)

    def hint_all(self) -> None:
        for room in self.rooms:
            self.hint(room)


class Exchange:
    """The way to the other replicas.

    When the store was away or has lost something, the others too may have to write their members
    anew: for the length of a lease nobody is taken for gone who is merely not there, and nobody is
    swept away. Nor does a replica sweep that was held up itself: what held it up may do so with
    others.
    """

    def __init__(self, store: Store, board: Board, lease: Lease, *, lonely: bool) -> None:
        """`lonely`: there may be replicas that the store does not know of."""
        self._store, self._board, self._lease, self._lonely = store, board, lease, lonely
        self.connected = False
        self._failures = 0
        self._renew_at = self._retry_at = self._renewed_at = float("-inf")
        self._sweep_at: float | None = None
        self._settled_at: float | None = None  # None: it is settled

    @property
    def partial(self) -> bool:
        """Whether others may be in a room whom this replica does not see."""
        return self._lonely or not self.connected or self._settled_at is not None

    def counts(self, here: Here) -> Counts:
        """How many are in a room, as far as can be known."""
        return here.counts if self.connected else here.alone

    def waits(self, here: Here) -> bool:
        """Whether there is something for the store to do."""
        return self.connected and (here.unwritten or here.hinted)

    def next(self) -> float:
        """When there is something to do, whatever happens."""
        if not self.connected:
            return self._retry_at
        ends = (self._renew_at, self._sweep_at, self._settled_at)
        return min(each for each in ends if each is not None)

    async def step(self, now: float) -> None:
        """Does what is to be done, unless the store is away."""
        if not self.connected and now < self._retry_at:
            return
        try:
            if not self.connected or now >= self._renew_at:
                await self._renew(now)
            self._settle(now)
            rooms = [room for room in self._board.busy if room in self._board.rooms]
            await self._write(rooms, now)
            await self._read(rooms, now)
            if self._sweep_at is not None and now >= self._sweep_at:
                await self._sweep(now)
        except StoreAway as exc:
            self._lost(now, exc)

    async def _renew(self, now: float) -> None:
        known = {room: here.version for room, here in self._board.rooms.items()}
        renewal = await self._store.renew(known)
        if not self.connected:
            self._found(now)
        elif now - self._renewed_at >= self._lease.length:
            self._sweep_at = now + self._lease.length
        self._renewed_at, self._renew_at = now, now + self._lease.renewal
        for room, position in renewal.positions.items():
            here = self._board.rooms.get(room)
            if here is None:
                continue
            if room in renewal.stale and here.version == known[room]:
                self._doubt(room, here, now)
            if here.position != position or not (here.listed or here.is_large):
                self._board.hint(room)

    def _found(self, now: float) -> None:
        """The store answers, for the first time or again."""
        self.connected = True
        PRESENCE_CONNECTED.set(1)
        self._sweep_at = now + self._lease.length
        if self._failures:
            log.info("presence.restored")
            self._settled_at = now + self._lease.length
        self._failures = 0
        self._board.hint_all()

    def _doubt(self, room: Room, here: Here, now: float) -> None:
        """The store has something else of a room than this replica wrote: it has lost something,
        or somebody took this replica for dead."""
        here.anew = True
        PRESENCE_REWRITTEN.inc()
        self._settled_at = self._sweep_at = now + self._lease.length
        self._board.hint(room)

    def _lost(self, now: float, exc: StoreAway) -> None:
        """The store does not answer: until it does, this replica is alone."""
        if not self._failures:
            log.warning("presence.failed", error=type(exc.__cause__).__name__)
        self._failures += 1
        self.connected = False
        PRESENCE_CONNECTED.set(0)
        self._retry_at = now + _RETRY_SECONDS
        self._board.hint_all()

    def _settle(self, now: float) -> None:
        if self._settled_at is not None and now >= self._settled_at:
            self._settled_at = None
            self._board.hint_all()

    async def _write(self, rooms: Iterable[Room], now: float) -> None:
        writes = [write for room in rooms for write in await self._unwritten(room)]
        while writes:
            part, writes = writes[:_WRITES], writes[_WRITES:]
            try:
                answers = await self._store.write(part)
            except BaseException:
                self._put_back([*part, *writes])
                raise
            for write, answer in zip(part, answers, strict=True):
                self._written(write, answer, now)

    async def _unwritten(self, room: Room) -> Sequence[Write]:
        """What is to be written of a room, in parts that follow each other."""
        here = self._board.rooms[room]
        if here.anew:
            here.rewrite(await self._store.held(room))
        elif not here.unwritten:
            return ()
        present, gone = here.take_unwritten()
        parts = list(_parts(len(present) + len(gone)))
        return [
            Write(
                room,
                here.version + at,
                present[part],
                gone[max(0, part.start - len(present)) : max(0, part.stop - len(present))],
                anew=here.anew and not at,
            )
            for at, part in enumerate(parts)
        ]

    def _put_back(self, writes: Sequence[Write]) -> None:
        for write in writes:
            here = self._board.of(write.room)
            here.put_back([*(each.connection for each in write.present), *write.gone])

    def _written(self, write: Write, answer: Written | None, now: float) -> None:
        here = self._board.of(write.room)
        if answer is None:
            self._doubt(write.room, here, now)
            self._put_back([write])
            return
        here.anew = False
        here.version, here.counts = answer.version, answer.counts
        if here.position == answer.since:
            here.position = answer.position
        elif here.position != answer.position:
            here.hinted = True

    async def _read(self, rooms: Iterable[Room], now: float) -> None:
        asked: dict[Room, str] = {}
        for room in rooms:
            here = self._board.rooms.get(room)
            if here and here.hinted and now >= here.read_after:
                asked[room], here.hinted = here.position, False
        if asked:
            for room, news in (await self._store.news(asked)).items():
                await self._learn(room, self._board.of(room), news, now)

    async def _learn(self, room: Room, here: Here, news: News, now: float) -> None:
        if here.position and not news.complete:  # the log was lost, or somebody was very busy
            here.unsure_until = now + self._lease.length
        here.counts, here.position = news.counts, news.position
        if is_large(news.counts):
            here.read_after = now + _LARGE_SECONDS
            here.follow(news.changes, self._store.replica)
            here.forget_others()
        elif news.complete and here.listed:
            here.follow(news.changes, self._store.replica)
        else:
            placed = await self._store.page(room, "", _LISTED, lapsed=True)
            others = (each for each in placed if each.replica != self._store.replica)
            by_connection = {each.member.connection: each for each in others}
            sure = self._settled_at is None and now >= here.unsure_until
            here.see(by_connection, complete=sure)

    async def _sweep(self, now: float) -> None:
        for _ in range(_SWEEPS):
            room, more = await self._store.sweep()
            if room:
                self._board.hint(room)
            if not more:
                break
        self._sweep_at = now if more else now + _SWEEP_SECONDS


def _parts(count: int) -> Iterator[slice]:
    """One at least: an empty one, too, says who is there no more."""
    for start in range(0, max(1, count), _MEMBERS):
        yield slice(start, start + _MEMBERS)
