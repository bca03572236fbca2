"""What presence needs from the outside."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from services.sync.presence.domain.members import Counts, Member, Placed, Room


class StoreAway(Exception):
    """The store between the replicas cannot be reached; what it knows may be lost."""


@dataclass(frozen=True, slots=True)
class Write:
    """What a replica says of its own members in a room.

    Attributes:
        before: The version that it believes to have written last; 0 for none. `anew`: whatever
            the last one was. What is written becomes version `before` + 1.
    """

    room: Room
    before: int
    present: Sequence[Member]
    gone: Sequence[str] = ()  # connections
    anew: bool = False


class Written(NamedTuple):
    """What a write came to: its version, 0 when nobody is left of the replica; how many are in the
    room; where its log was before and after."""

    version: int
    counts: Counts
    since: str
    position: str


class News(NamedTuple):
    """What a room's log says after a position: OFFLINE for those who went; not `complete` when
    the log no longer reaches back."""

    counts: Counts
    position: str
    changes: Sequence[Placed]
    complete: bool


class Renewal(NamedTuple):
    """Rooms in which what the store has is not what this replica wrote last, and how far the logs
    of the others are."""

    stale: Set[Room]
    positions: Mapping[Room, str]


class Swept(NamedTuple):
    """The room that somebody was removed from, if any; whether there may be more to do."""

    room: Room | None
    more: bool


class Store(Protocol):
    """Who is in which room, at all replicas. A replica's members count while its lease runs.

    Every call raises StoreAway when the store cannot be reached.
    """

    @property
    def replica(self) -> str:
        """Names this one."""
        ...

    async def renew(self, versions: Mapping[Room, int]) -> Renewal:
        """Has a lease from now on, and looks whether the versions of its rooms are still there."""
        ...

    async def write(self, writes: Sequence[Write]) -> Sequence[Written | None]:
        """Writes members of this replica, each room at once; None where the version is another.
        A repeat changes nothing. Who has no lease, not even one that is over, has one then."""
        ...

    async def held(self, room: Room) -> Set[str]:
        """Connections that the store has of this replica in a room."""
        ...

    async def news(self, positions: Mapping[Room, str]) -> Mapping[Room, News]:
        """What happened in rooms since."""
        ...

    async def counts(self, room: Room) -> Counts:
        """How many are in a room: connections of living replicas, exactly; people too, but for
        those of a replica whose lease is over and who were not cleaned up yet."""
        ...

    async def page(
        self, room: Room, after: str, limit: int, *, lapsed: bool = False
    ) -> Sequence[Placed]:
        """Members in the order of their connections, after one of them: at living replicas, or
        also at those whose lease is over, as far as nobody has removed them."""
        ...

    async def sweep(self) -> Swept:
        """Removes a part of what replicas left whose lease is over, and tells the rooms by their
        logs."""
        ...

    async def leave(self) -> None:
        """Ends the lease; what is left of this replica counts no more."""
        ...

    async def listen(self, ready: Callable[[], None], hear: Callable[[Room], None]) -> None:
        """Calls `ready` once it listens, then `hear` for each room where another replica wrote
        or removed somebody; a hint may be lost. Never returns."""
        ...
