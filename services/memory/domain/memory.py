"""Memories, layers and what a layer demands."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from operator import eq, ge, gt, le, lt, ne
from typing import Any, NamedTuple, Self
from uuid import UUID

from libs.aip.filtering import Among, Condition
from libs.authorization.things import EVERYTHING, OWNER, Sight, Thing, values_of
from libs.changes import Indexes
from libs.consent import Retrievable
from libs.scope import SCOPE_IDS, Scope
from libs.vectors.filters import After, Filter, Rows, Until, time_text
from services.memory.domain.access import COLUMNS, place
from services.memory.domain.feedback import Counts, Feedback


class Layer(StrEnum):
    """How broadly a memory applies; narrowest first, which is the order of precedence."""

    AGENT = "agent"
    USER = "user"
    SESSION = "session"
    PROJECT = "project"
    TEAM = "team"
    ORG = "org"
    COMPANY = "company"


class Tier(StrEnum):
    """How a memory is found; the values are stored."""

    HOT = "hot"  # by words and by meaning
    WARM = "warm"  # by words
    ARCHIVED = "archived"  # by no search


NARROW_TO_BROAD = tuple(Layer)
TABLE = "aeterna.memory"
_INDEXES: Mapping[Tier, Indexes] = {
    Tier.HOT: Indexes.BOTH,
    Tier.WARM: Indexes.WORDS,
    Tier.ARCHIVED: Indexes.NONE,
}
_DEEPER = 4
EVER = datetime.min.replace(tzinfo=UTC)  # an open beginning of validity
NEVER = datetime.max.replace(tzinfo=UTC)  # an open end


def precedence(layer: Layer) -> float:
    """How narrow a layer is, from 1 for the narrowest to 0."""
    return 1 - NARROW_TO_BROAD.index(layer) / (len(NARROW_TO_BROAD) - 1)


# The ids without which a memory of the layer would belong to nobody.
REQUIRED: Mapping[Layer, tuple[str, ...]] = {
    Layer.AGENT: ("agent_id", "user_id"),
    Layer.USER: ("user_id",),
    Layer.SESSION: ("user_id", "session_id"),
    Layer.PROJECT: ("project_id",),
    Layer.TEAM: ("team_id",),
    Layer.ORG: ("org_id",),
    Layer.COMPANY: (),
}
# The ids that decide who sees it; the others only say where it came from.
BINDING: Mapping[Layer, tuple[str, ...]] = {
    **REQUIRED,
    Layer.PROJECT: ("project_id", "team_id", "org_id"),
    Layer.TEAM: ("team_id", "org_id"),
}


class Texts(NamedTuple):
    """What of a memory is sealed; sealed anew, the same text is other bytes."""

    content: bytes
    metadata: bytes
    author: bytes
    source: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A memory as it is stored: content, metadata, author and source are sealed.

    `confirmed_at` is since when its importance fades. `supersedes` is what it corrects,
    `superseded_by` what corrects it; both may be gone. `ratings` are what each person says of it,
    known under the tenant's lock only.
    """

    id: UUID
    layer: Layer
    scope: Scope
    importance: float
    version: int
    number: int  # of the change that made this version
    content: bytes
    metadata: bytes
    created_at: datetime
    updated_at: datetime
    author: bytes  # sealed; empty for nobody
    event_at: datetime
    confirmed_at: datetime
    source: bytes = b""  # sealed; empty for none
    trust: float = 1.0  # in its source, 0 to 1
    valid_from: datetime = EVER
    valid_until: datetime = NEVER  # exclusive
    supersedes: UUID | None = None
    superseded_by: UUID | None = None
    tier: Tier = Tier.HOT
    feedback: Counts = field(default_factory=dict)
    ratings: Mapping[str, Feedback] = field(default_factory=dict)
    occurrences: int = 1  # how often it was said

    @property
    def texts(self) -> Texts:
        """What of it is sealed."""
        return Texts(self.content, self.metadata, self.author, self.source)

    @property
    def subject(self) -> str:
        """The user that it is about, "" for nobody."""
        return self.scope.user_id

    @property
    def session(self) -> str:
        """Which conversation it is a turn of, "" for none; sessions belong to users."""
        if self.layer is not Layer.SESSION:
            return ""
        return f"{self.scope.user_id}\0{self.scope.session_id}"

    @property
    def layer_name(self) -> str:
        """The layer, for the change log."""
        return self.layer.value

    @property
    def place_ids(self) -> Mapping[str, str]:
        """Where it is, for the change log."""
        return self.scope.place()

    @property
    def indexes(self) -> Indexes:
        """Which its tier leaves it in."""
        return _INDEXES[self.tier]

    def confirmed(self, at: datetime) -> Self:
        """The next version, which somebody stands for: it fades from now on, and is found again."""
        return replace(
            self, version=self.version + 1, updated_at=at, confirmed_at=at, tier=Tier.HOT
        )

    def at(self, number: int) -> Self:
        """The same, as made by the change with this number."""
        return replace(self, number=number)

    def bound(self) -> dict[str, str]:
        """The ids that decide who sees it."""
        return self.scope.restrict(BINDING[self.layer])

    def place(self, tenant: str = "") -> Thing:
        """What decides who may do what to it."""
        return place(tenant, self.layer.value, self.scope, self.tier.value)

    def payload(self) -> dict[str, str]:
        """What the indexes filter by."""
        return {"layer": self.layer.value, **self.bound(), **self._validity()}

    def _validity(self) -> dict[str, str]:
        """The ends of validity that are not open."""
        times = {"valid_from": self.valid_from, "valid_until": self.valid_until}
        return {name: time_text(at) for name, at in times.items() if at not in (EVER, NEVER)}


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory as a caller sees it."""

    stored: Stored
    content: str
    metadata: dict[str, Any]
    author: str
    source: str


def searchable(author: str, content: str) -> str:
    """The text of a memory for the indexes: who speaks is a part of what is said."""
    return f"{author}: {content}" if author else content


@dataclass(frozen=True, slots=True)
class View:
    """What a search may show: what is valid `at` a time; `layers` is empty for all of them; `rows`
    are what the caller filters by, `sight` is what it may see at all; `consent` is whose memories
    may be shown, None: everybody's."""

    scope: Scope
    at: datetime
    layers: Collection[Layer] = ()
    rows: Rows | None = None
    sight: Sight = EVERYTHING
    consent: Retrievable | None = None

    def shows(self, memory: Stored) -> bool:
        """Whether the memory is valid, not archived, among these layers and not bound to somebody
        or something else."""
        return (
            memory.tier is not Tier.ARCHIVED
            and memory.valid_from <= self.at < memory.valid_until
            and (not self.layers or memory.layer in self.layers)
            and self.scope.admits(memory.bound())
            and (self.consent is None or self.consent.shows(memory.subject))
            and (not self.rows or all(holds(each, memory) for each in self.rows.comparisons))
            and self.sight.shows(memory.place())
        )

    def filter(self) -> Filter:
        """The same for the indexes."""
        layers = {"layer": tuple(layer.value for layer in self.layers)} if self.layers else {}
        rows = self._rows()
        return {
            **layers,
            **self.scope.filter(),
            **self._owners(),
            "valid_from": Until(self.at),
            "valid_until": After(self.at),
            **({"rows": rows} if rows else {}),
        }

    def deep(self, count: int) -> int:
        """How many an index is asked for where `count` are wanted: what it finds of people who do
        not consent is left out, and it does not know of all of them."""
        return _DEEPER * count if self.consent else count

    def _owners(self) -> dict[str, tuple[str, ...]]:
        """Points have the ids of users in personal layers only."""
        owner, asked = self.sight.owner, self.scope.user_id
        named = self.consent.named() if self.consent else None
        if owner is None and named is None:
            return {}
        wanted = {"", owner} if owner is not None else set(named or ())
        if asked:
            wanted &= {"", asked}
        if named is not None:
            wanted &= set(named)
        return {"user_id": tuple(sorted(wanted))}

    def _rows(self) -> Rows | None:
        """What rows have to hold."""
        if not self.sight.attributes:
            return self.rows
        given = self.rows.comparisons if self.rows else ()
        return Rows(TABLE, (*given, seen_in(self.sight)))


def seen_in(sight: Sight) -> Among:
    """The places of a sight as a condition on rows."""
    columns = tuple(COLUMNS[each] for each in sight.attributes)
    return Among(sight.attributes, columns, tuple(sorted(sight.places)))


def restricting(sight: Sight) -> list[Condition]:
    """A sight as conditions on rows."""
    if sight.attributes:
        return [seen_in(sight)]
    if sight.owner is None:
        return []
    owners = tuple((each,) for each in sorted({"", sight.owner}))
    return [Among((OWNER,), (COLUMNS[OWNER],), owners)]


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_NAMED = {
    "event_time": "event_at",
    "create_time": "created_at",
    "update_time": "updated_at",
    "confirm_time": "confirmed_at",
}


def holds(condition: Condition, memory: Stored) -> bool:
    """Whether a condition of a filter holds for a memory, as it does for its row."""
    if isinstance(condition, Among):
        there = memory.place()
        return values_of(there, condition.names) in condition.rows
    comparison = condition
    name = _NAMED.get(comparison.name, comparison.name)
    value = getattr(memory.scope if name in SCOPE_IDS else memory, name)
    return _OPERATORS[comparison.operator](value, comparison.value)
