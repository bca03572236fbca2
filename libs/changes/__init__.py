"""What a change is: who asked for it, what it does to an entity, how the log tells it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Flag, StrEnum, auto
from typing import Generic, NamedTuple, Protocol, Self, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]  # one row, L2-normalised
Terms = Mapping[int, int]  # keyed hash of a term, signed 64 bits, and how often it occurs


class Operation(StrEnum):
    """What happened to a resource; the values are stored and hashed, so they never change."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    PROMOTED = "promoted"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DEPRECATED = "deprecated"
    SUPERSEDED = "superseded"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    RECORDED = "recorded"
    RATED = "rated"
    MERGED = "merged"
    TIERED = "tiered"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a change, in which request; stamped on every row of the change log."""

    actor: str
    trace_id: str = ""  # 32 hexadecimal digits
    request_id: str = ""  # a UUID


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the change log to be: what changed, never the content."""

    resource: str  # its full name: memories/{uuid}
    operation: Operation
    origin: Origin
    subject: str = ""  # the person that it is about
    layer: str = ""
    event: str = ""  # for what is recorded without a change
    details: Mapping[str, str] | None = None  # a few short texts: where, which policy


@dataclass(frozen=True, slots=True)
class Request:
    """A request that may be repeated. `fingerprint` is the same for the same content only."""

    id: UUID
    method: str
    fingerprint: bytes


class Asked(NamedTuple):
    """By whom and in which request a change is asked for."""

    origin: Origin
    request: Request | None


Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Command(Generic[Body]):
    """One request to change entities; `body` says how."""

    origin: Origin
    request: Request | None
    body: Body


class Indexes(Flag):
    """Which indexes hold an entity."""

    NONE = 0
    WORDS = auto()
    MEANING = auto()
    BOTH = WORDS | MEANING


class Entity(Protocol):
    """What is stored and versioned; its own type is a frozen dataclass."""

    @property
    def id(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def subject(self) -> str:
        """The person that it is about, "" for nobody."""

    @property
    def layer_name(self) -> str:
        """Its layer, "" for none."""

    @property
    def place_ids(self) -> Mapping[str, str]:
        """Where it is in the tenant, as the log says it: `Scope.place`, less what cannot be
        said."""

    @property
    def indexes(self) -> Indexes:
        """Which are to hold it."""

    def at(self, number: int) -> Self:
        """The same, as made by the change with this number."""

    def payload(self) -> dict[str, str]:
        """What the vector index filters it by."""


E = TypeVar("E", bound=Entity)


@dataclass(frozen=True, slots=True)
class Step(Generic[E]):
    """One change of one entity: what it was, what it is now, its new vector and terms if it has
    some, and the number of the change once it is in the log. `forgets`: versions before what it is
    now are not kept; `nameless`: the log does not say whom it was about."""

    operation: Operation
    before: E | None
    after: E | None
    vector: Vector | None = None
    terms: Terms | None = None
    indexed: bool = True  # whether the indexes must hear of it
    number: int = 0
    forgets: bool = False
    nameless: bool = False

    @property
    def entity(self) -> E:
        """The entity, as it is now or was last."""
        entity = self.after or self.before
        assert entity is not None  # a step is about something
        return entity


def numbered(steps: Sequence[Step[E]], first: int) -> list[Step[E]]:
    """The steps with the change numbers `first`, `first` + 1 ..., their entities included."""
    newest: dict[UUID, E] = {}
    result = []
    for number, step in enumerate(steps, start=first):
        before = newest.get(step.entity.id, step.before)
        after = step.after.at(number) if step.after else None
        if after is not None:
            newest[after.id] = after
        result.append(replace(step, number=number, before=before, after=after))
    return result
