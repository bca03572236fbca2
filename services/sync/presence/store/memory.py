"""`Store` in this process, for one that is alone; tests have several replicas share a hall."""

import asyncio
import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice

from services.sync.presence.domain.members import NOBODY, Counts, Member, Placed, Room, State
from services.sync.presence.ports import News, Renewal, Swept, Write, Written

_LOG = 256  # changes that a room's log keeps
_AT_ONCE = 500  # members that one sweep removes


class _Room:
    """What all replicas say of a room."""

    def __init__(self, number: Callable[[], int], clock: Callable[[], float]) -> None:
        self.members: dict[str, dict[str, Member]] = {}  # by replica and connection
        self.versions: dict[str, int] = {}
        self.people: Counter[str] = Counter()
        self.order: list[tuple[str, str]] = []  # connection, replica
        self._log: deque[tuple[int, float, Placed]] = deque()  # number, time
        self._number, self._clock = number, clock
        self._floor = self.head = number()  # the log has what came after the floor, up to the head

    def put(self, replica: str, member: Member) -> None:
        own = self.members.setdefault(replica, {})
        before = own.get(member.connection)
        if before == member:
            return
        if before is None:
            insort(self.order, (member.connection, replica))
        else:
            self._forget(before.user)
        self.people[member.user] += 1
        own[member.connection] = member
        self._note(Placed(member, replica))

    def drop(self, replica: str, connection: str) -> None:
        member = self.members.get(replica, {}).pop(connection, None)
        if member is None:
            return
        self._forget(member.user)
        del self.order[bisect_left(self.order, (connection, replica))]
        self._note(Placed(replace(member, state=State.OFFLINE), replica))

    def settle(self, replica: str, version: int) -> None:
        """Ends a write: forgets a replica that has nobody here."""
        if self.members.get(replica):
            self.versions[replica] = version
        else:
            self.members.pop(replica, None)
            self.versions.pop(replica, None)

    def since(self, number: int) -> Sequence[Placed] | None:
        """What the log has after a number; None when it does not reach back."""
        if number < self._floor:
            return None
        return [change for at, _, change in self._log if at > number]

    def trim(self, past: float) -> None:
        """Forgets what happened before that time."""
        while self._log and self._log[0][1] < past:
            self._floor, _, _ = self._log.popleft()

    def _forget(self, user: str) -> None:
        self.people[user] -= 1
        if not self.people[user]:
            del self.people[user]

    def _note(self, change: Placed) -> None:
        self.head = self._number()
        self._log.append((self.head, self._clock(), change))
        if len(self._log) > _LOG:
            self._floor, _, _ = self._log.popleft()


class Hall:
    """What all replicas of a process know together. `clock` is in seconds."""

    def __init__(self, lease: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.lease, self.clock = lease, clock
        self.leases: dict[str, float] = {}  # until when
        self.rooms: dict[Room, _Room] = {}
        self.of: dict[str, set[Room]] = {}  # rooms that a replica has members in
        self.hearers: dict[str, Callable[[Room], None]] = {}
        self._last = 0

    def number(self) -> int:
        """The next of a sequence for the logs of all rooms."""
        self._last += 1
        return self._last

    def room(self, room: Room) -> _Room:
        return self.rooms.setdefault(room, _Room(self.number, self.clock))

    def alive(self, replica: str) -> bool:
        return self.leases.get(replica, float("-inf")) > self.clock()

    def counts(self, room: Room) -> Counts:
        shared = self.rooms.get(room)
        if shared is None:
            return NOBODY
        living = (len(own) for each, own in shared.members.items() if self.alive(each))
        return Counts(sum(living), len(shared.people))

    def settle(self, room: Room, replica: str, version: int) -> None:
        """Ends a write of a replica in a room."""
        shared = self.rooms[room]
        shared.settle(replica, version)
        own = self.of.setdefault(replica, set())
        (own.add if replica in shared.members else own.discard)(room)
        if not shared.members:
            del self.rooms[room]

    def tell(self, room: Room, but: str = "") -> None:
        for replica, hear in self.hearers.items():
            if replica != but:
                hear(room)

    def end(self, replica: str) -> None:
        """Forgets a replica that has nobody anywhere."""
        self.leases.pop(replica, None)
        self.of.pop(replica, None)


@dataclass(frozen=True)
class MemoryStore:
    """`Store` of one replica in a hall."""

    hall: Hall
    replica: str

    async def renew(self, versions: Mapping[Room, int]) -> Renewal:
        now, lease = self.hall.clock(), self.hall.lease
        self.hall.leases[self.replica] = now + lease
        for room in versions:
            if shared := self.hall.rooms.get(room):
                shared.trim(now - lease)
        stale = {room for room, version in versions.items() if self._version(room) != version}
        return Renewal(stale, {room: self._position(room) for room in versions})

    async def write(self, writes: Sequence[Write]) -> Sequence[Written | None]:
        return [self._write(each) for each in writes]

    async def held(self, room: Room) -> Set[str]:
        shared = self.hall.rooms.get(room)
        return set(shared.members.get(self.replica, ())) if shared else set()

    async def news(self, positions: Mapping[Room, str]) -> Mapping[Room, News]:
        return {room: self._news(room, since) for room, since in positions.items()}

    async def counts(self, room: Room) -> Counts:
        return self.hall.counts(room)

    async def page(
        self, room: Room, after: str, limit: int, *, lapsed: bool = False
    ) -> Sequence[Placed]:
        shared = self.hall.rooms.get(room)
        if shared is None:
            return []
        start = bisect_right(shared.order, after, key=lambda each: each[0])
        living = (
            Placed(shared.members[replica][connection], replica)
            for connection, replica in islice(shared.order, start, None)
            if lapsed or self.hall.alive(replica)
        )
        return list(islice(living, limit))

    async def sweep(self) -> Swept:
        dead = next((each for each in self.hall.leases if not self.hall.alive(each)), None)
        return Swept(None, more=False) if dead is None else self._sweep(dead)

    async def leave(self) -> None:
        self.hall.leases.setdefault(self.replica, 0.0)
        while self.replica in self.hall.leases:
            self._sweep(self.replica)

    async def listen(self, ready: Callable[[], None], hear: Callable[[Room], None]) -> None:
        self.hall.hearers[self.replica] = hear
        ready()
        try:
            await asyncio.Event().wait()
        finally:
            del self.hall.hearers[self.replica]

    def _write(self, write: Write) -> Written | None:
        if not write.anew and self._version(write.room) != write.before:
            return None
        self.hall.leases.setdefault(self.replica, self.hall.clock() + self.hall.lease)
        shared = self.hall.room(write.room)
        since = shared.head
        for member in write.present:
            shared.put(self.replica, member)
        for connection in write.gone:
            shared.drop(self.replica, connection)
        self.hall.settle(write.room, self.replica, write.before + 1)
        if since != shared.head:
            self.hall.tell(write.room, but=self.replica)
        version, counts = self._version(write.room), self.hall.counts(write.room)
        return Written(version, counts, str(since), str(shared.head))

    def _news(self, room: Room, since: str) -> News:
        counts, shared = self.hall.counts(room), self.hall.rooms.get(room)
        changes = shared.since(int(since or 0)) if shared else None
        return News(counts, self._position(room), changes or [], complete=changes is not None)

    def _sweep(self, dead: str) -> Swept:
        """Removes some members of a replica from one room, or the replica itself."""
        rooms = self.hall.of.get(dead)
        if not rooms:
            self.hall.end(dead)
            return Swept(None, more=True)
        room = next(iter(rooms))
        shared = self.hall.rooms[room]
        for connection in tuple(islice(shared.members[dead], _AT_ONCE)):
            shared.drop(dead, connection)
        self.hall.settle(room, dead, 0)  # a version that nobody has written
        self.hall.tell(room, but=self.replica)
        return Swept(room, more=True)

    def _version(self, room: Room) -> int:
        shared = self.hall.rooms.get(room)
        return shared.versions.get(self.replica, 0) if shared else 0

    def _position(self, room: Room) -> str:
        shared = self.hall.rooms.get(room)
        return str(shared.head) if shared else "0"
