"""Rooms: filters over a tenant's change log, by names; who may enter which. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from libs.authorization.things import ATTRIBUTES, KNOWLEDGE_ITEM, MEMORY, PERSONAL, TENANT, Thing
from libs.errors import invalid
from services.sync.domain.sight import Change, Read, reading

CHANGES, DOCUMENTS, _LAYERS = "changes", "documents", "layers"
_LAYER_NAMES = frozenset({"agent", "user", "session", "project", "team", "org", "company"})
# Places by the first parts of their names, as a change's details and as a thing call them.
_PLACES = {"orgs": "org", "teams": "team", "projects": "project"}
_COLLECTION = re.compile(r"[a-z][A-Za-z]{0,63}")
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:@-]{0,255}")
_PLACE = re.compile(r"[^\x00-\x1f\x7f]{1,256}")  # as ids of scopes are
_MOST_SEGMENTS = 6


class Kind(Enum):
    """What a room is a filter by."""

    CHANGES = auto()
    COLLECTION = auto()
    RESOURCE = auto()
    PLACE = auto()


@dataclass(frozen=True, slots=True)
class Room:
    """A room by its name."""

    name: str
    kind: Kind

    @property
    def first(self) -> str:
        """The first part of its name."""
        return self.name.partition("/")[0]

    @property
    def is_document(self) -> bool:
        """Whether it is the room of a document."""
        return self.kind is Kind.RESOURCE and self.first == DOCUMENTS


def parse_room(name: str, field: str = "room") -> Room:
    """The room of a name.

    Raises:
        InvalidRequest: There are no such rooms; `field` is named.
    """
    first, slash, rest = name.partition("/")
    if name == CHANGES:
        return Room(name, Kind.CHANGES)
    if first in _PLACES and _PLACE.fullmatch(rest):
        return Room(name, Kind.PLACE)
    if first == _LAYERS and rest in _LAYER_NAMES:
        return Room(name, Kind.PLACE)
    if _COLLECTION.fullmatch(first) and first not in (CHANGES, _LAYERS, *_PLACES):
        if not slash:
            return Room(name, Kind.COLLECTION)
        segments = rest.split("/")
        if (
            len(segments) < _MOST_SEGMENTS
            and len(segments) % 2
            and all(map(_SEGMENT.fullmatch, segments))
        ):
            return Room(name, Kind.RESOURCE)
    raise invalid(
        field,
        "must be changes, a collection, a resource, layers/{layer}, orgs/{id}, teams/{id} or"
        " projects/{id}",
    )


def rooms_of(change: Change) -> Iterator[str]:
    """The names of all rooms that a change belongs to, each once."""
    yield CHANGES
    collection, slash, _ = change.resource.partition("/")
    yield collection
    if slash:
        yield change.resource
    if change.layer:
        yield f"{_LAYERS}/{change.layer}"
    for first, place in _PLACES.items():
        if named := change.details.get(place):
            yield f"{first}/{named}"


def entering(room: Room, tenant: str, person: str, latest: Change | None) -> Sequence[Read]:
    """What a person must be allowed beside subscribing, one of these, to enter a room; none for
    nothing.

    Args:
        latest: Of a resource: the latest change of it; None when the log has none. Then all such
            things must be open to the person, so that what is hidden and what does not exist look
            alike.
    """
    match room.kind:
        case Kind.RESOURCE:
            if latest is not None:
                return [reading(latest, tenant, person)]
            return [_whatever(reading(_Nothing(room.name), tenant, person))]
        case Kind.PLACE:
            return _place(room, tenant, person)
    return []


@dataclass(frozen=True, slots=True)
class _Nothing:
    """A change of a resource of which nothing is known."""

    resource: str
    operation: str = ""
    layer: str = ""
    subject: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


def _whatever(read: Read) -> Read:
    """The same of a thing of which nothing is known but its kind."""
    if read.thing.kind == TENANT:
        return Read("ListAuditEntries", read.thing)
    unknown = frozenset(ATTRIBUTES[read.thing.kind]) - {"tenant"}
    return Read(read.action, replace(read.thing, unknown=unknown))


def place_of(room: Room) -> tuple[str, str]:
    """What the room of a place is a filter by: `layer` or another attribute, and its value."""
    first, _, name = room.name.partition("/")
    return ("layer", name) if first == _LAYERS else (_PLACES.get(first, ""), name)


def _place(room: Room, tenant: str, person: str) -> Sequence[Read]:
    """Reading a memory or an item of the place, whatever else is said of it."""
    attribute, name = place_of(room)
    known = {"layer": attribute, attribute: name}
    if known["layer"] in PERSONAL:
        known["user"] = person
    reads = []
    for action, kind in (("GetMemory", MEMORY), ("GetKnowledgeItem", KNOWLEDGE_ITEM)):
        unknown = frozenset(ATTRIBUTES[kind]) - {"tenant", "personal", "user", *known}
        reads.append(Read(action, Thing(kind, tenant, unknown=unknown, **known)))
    return reads
