"""Who is in a room. Pure."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class State(IntEnum):
    """What somebody does; the numbers are those of the contract."""

    ACTIVE = 1
    IDLE = 2
    OFFLINE = 3


class Cursor(NamedTuple):
    """A place in a text, in code points of one version of its document."""

    position: int
    anchor: int
    version: int


class Room(NamedTuple):
    """A room of a tenant: two tenants' rooms of one name are two rooms."""

    tenant: str
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """One connection of somebody in a room."""

    connection: str
    user: str
    agent: str
    device: str
    joined: int  # milliseconds since 1970
    state: State = State.ACTIVE
    cursor: Cursor | None = None


class Placed(NamedTuple):
    """A member, and the replica that has the connection."""

    member: Member
    replica: str


class Counts(NamedTuple):
    """How many connections there are in a room, and how many people they belong to."""

    connections: int = 0
    people: int = 0


NOBODY = Counts()
_MANY_PEOPLE, _MANY_CONNECTIONS = 200, 1000


def is_large(counts: Counts) -> bool:
    """Whether a room has too many for everybody to hear of everyone."""
    return counts.people > _MANY_PEOPLE or counts.connections > _MANY_CONNECTIONS
