"""What houses stand on, and how their rooms are entered."""

from collections.abc import Callable
from dataclasses import dataclass

from libs.authorization.things import Thing
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from services.sync.live.domain.rooms import Kind, Room, entering
from services.sync.live.errors import RoomNotFound
from services.sync.live.ports import Documents, Frames, LiveLog, PresenceRooms, Rights
from services.sync.live.settings import LiveSettings
from services.sync.tails import Tails


@dataclass(slots=True)
class Means:
    """What all houses of a process stand on; presence and documents are plugged in."""

    log: LiveLog
    tails: Tails
    rights: Rights
    frames: Frames
    settings: LiveSettings
    clock: Callable[[], float]
    presence: PresenceRooms | None = None
    documents: Documents | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """How a room is to be entered: as Subscribe says."""

    room: Room
    since: int | None = None
    snapshot: bool = False
    presence: bool = False
    window: int = 0


async def demand(
    log: LiveLog, room: Room, tenant: TenantId, person: str, may: Callable[[str, Thing], bool]
) -> LoggedChange | None:
    """Sees to it that a person may enter a room: the latest change of what it is the room of.

    Raises:
        RoomNotFound: It may not.
        StoreUnavailable: The log cannot be read.
    """
    latest = await log.latest(tenant, room.name) if room.kind is Kind.RESOURCE else None
    asked = entering(room, tenant, person, latest)
    if asked and not any(may(*each) for each in asked):
        raise RoomNotFound(room.name)
    return latest
