"""Commands and what each does to the memories it is for. Pure: the spine loads and saves."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.changes import Operation, Step, Terms, Vector
from libs.errors import invalid
from libs.scope import SCOPE_IDS, Scope
from services.memory.domain.duplicates import still_holds
from services.memory.domain.erased import Erase, without
from services.memory.domain.feedback import Feedback, counted
from services.memory.domain.memory import NARROW_TO_BROAD, REQUIRED, Layer, Stored, Texts, Tier
from services.memory.domain.upkeep import Entry, Prune, Retier, pruned, retiered
from services.memory.errors import (
    AlreadySuperseded,
    ArchivedMeanwhile,
    MemoryNotFound,
    NotBroader,
    TextChanged,
    TrustNeedsAdministrator,
    VersionMismatch,
)


@dataclass(frozen=True, slots=True)
class Create:
    """Store new memories, all or none.

    `merged`: those that add nothing to another one, as it was seen, by their ids. They are counted
    in it if it is still so.
    """

    memories: tuple[Stored, ...]
    vectors: tuple[Vector, ...]
    terms: tuple[Terms, ...]
    merged: Mapping[UUID, Stored] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """Replace what is not None, and stand for the rest. `vector` and `terms` belong to `content`
    beside the author that was `read`, `revival` to what there was; `trusting` is whether the trust
    may be raised."""

    id: UUID
    version: int  # expected; 0 for any
    at: datetime
    content: bytes | None = None
    metadata: bytes | None = None
    importance: float | None = None
    event_at: datetime | None = None
    trust: float | None = None
    trusting: bool = False
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    vector: Vector | None = None
    terms: Terms | None = None
    revival: Entry | None = None
    read: Stored | None = None


@dataclass(frozen=True, slots=True)
class Supersede:
    """Store a memory, in the place of another one whose validity ends where its own begins."""

    id: UUID  # the other one
    version: int
    memory: Stored
    vector: Vector
    terms: Terms


@dataclass(frozen=True, slots=True)
class Rate:
    """Note what a person says of a memory; `closing`: that it is outdated ends its validity. That
    it is helpful brings it back."""

    id: UUID
    at: datetime
    person: str
    feedback: Feedback
    closing: bool
    revival: Entry | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a memory and its earlier versions."""

    id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Move a memory to a broader layer; `scope` adds ids that it lacks.

    `redacted` replaces the texts that were `read`, which must still be there; with `forgets` no
    earlier version is kept.
    """

    id: UUID
    version: int
    at: datetime
    layer: Layer
    scope: Scope
    revival: Entry | None = None
    read: Stored | None = None  # None: whatever its texts are
    redacted: Texts | None = None
    vector: Vector | None = None
    terms: Terms | None = None
    forgets: bool = False


_REPLACED = (
    *("content", "metadata", "importance", "event_at"),
    *("trust", "valid_from", "valid_until"),
)
Body = Create | Update | Supersede | Rate | Delete | Promote | Retier | Prune | Erase


def targets(body: Body) -> Sequence[UUID]:
    """The memories that a command needs to know."""
    match body:
        case Create():
            return [each.id for each in body.merged.values()]
        case Retier() | Prune() | Erase():
            return body.ids
    return (body.id,)


def weigh(body: Body) -> int:
    """How many memories a command changes."""
    match body:
        case Create():
            return len(body.memories)
        case Retier() | Prune() | Erase():
            return len(body.ids)
        case Supersede():
            return 2
    return 1


def decide(current: Mapping[UUID, Stored], body: Body) -> Iterable[Step[Stored]]:
    """The steps of a command.

    Raises:
        MemoryNotFound, VersionMismatch, TextChanged, NotBroader, AlreadySuperseded,
        TrustNeedsAdministrator, ArchivedMeanwhile, InvalidRequest: It is refused.
    """
    match body:
        case Create():
            return _created(current, body)
        case Update():
            before = _expect(current, body.id, body.version)
            step = Step(Operation.UPDATED, before, _updated(before, body), body.vector, body.terms)
            return [_entered(step, body.revival)]
        case Supersede():
            before = _expect(current, body.id, body.version)
            new, old = _superseded(before, body.memory)
            return [
                Step(Operation.CREATED, None, new, body.vector, body.terms),
                Step(Operation.SUPERSEDED, before, old),
            ]
        case Rate():
            before = _expect(current, body.id, 0)
            return [_entered(Step(Operation.RATED, before, _rated(before, body)), body.revival)]
        case Delete():
            return [Step(Operation.DELETED, _expect(current, body.id, body.version), None)]
        case Promote():
            before = _expect(current, body.id, body.version)
            after = _promoted(before, body)
            vector, terms, forgets = body.vector, body.terms, body.forgets
            step = Step(Operation.PROMOTED, before, after, vector, terms, forgets=forgets)
            return [_entered(step, body.revival)]
        case Retier():
            return retiered(current, body)
        case Prune():
            return pruned(current, body)
        case Erase():
            return without(current, body)


def _created(current: Mapping[UUID, Stored], body: Create) -> Iterator[Step[Stored]]:
    known = dict(current)
    for memory, vector, terms in zip(body.memories, body.vectors, body.terms, strict=True):
        seen = body.merged.get(memory.id)
        now = known.get(seen.id) if seen else None
        if seen and now and still_holds(memory, seen, now):
            step = Step(Operation.MERGED, now, _merged(now, memory), indexed=False)
        else:
            step = Step(Operation.CREATED, None, memory, vector, terms)
        known[step.entity.id] = step.entity
        yield step


def _merged(before: Stored, new: Stored) -> Stored:
    return replace(
        before.confirmed(new.created_at),
        importance=max(before.importance, new.importance),
        occurrences=before.occurrences + 1,
    )


def _expect(current: Mapping[UUID, Stored], memory_id: UUID, version: int) -> Stored:
    memory = current.get(memory_id)
    if memory is None:
        raise MemoryNotFound(memory_id)
    if version not in (0, memory.version):
        raise VersionMismatch(memory_id, version, memory.version)
    return memory


def _entered(step: Step[Stored], revival: Entry | None) -> Step[Stored]:
    """The step with what the indexes must hear of it: of a memory that comes back, all of it.

    Raises:
        ArchivedMeanwhile: It comes back, and nothing is at hand that fits it.
    """
    before, after = step.before, step.entity
    assert before is not None  # it was there
    enters = after.indexes & ~before.indexes
    if enters and step.terms is None:
        if revival and revival.fits(before):
            step = replace(step, vector=revival.vector, terms=revival.terms)
        elif before.tier is Tier.ARCHIVED:
            raise ArchivedMeanwhile(before.id)
    moved = bool(enters) or after.payload() != before.payload()
    return replace(step, indexed=step.vector is not None or moved)


def _updated(before: Stored, update: Update) -> Stored:
    if update.read and update.read.author != before.author:
        raise TextChanged(before.id, update.read.version, before.version)
    given = {name: getattr(update, name) for name in _REPLACED}
    after = replace(
        before.confirmed(update.at),
        **{name: value for name, value in given.items() if value is not None},
    )
    if after.trust > before.trust and not update.trusting:
        raise TrustNeedsAdministrator(before.id)
    check_validity(after, "memory")
    return after


class Valid(Protocol):
    """What is true for a time."""

    @property
    def valid_from(self) -> datetime: ...
    @property
    def valid_until(self) -> datetime: ...


def check_validity(memory: Valid, field: str) -> None:
    """Raises InvalidRequest for a validity that ends before it begins; `field` is the path."""
    if memory.valid_from >= memory.valid_until:
        raise invalid(f"{field}.valid_until", "must be later than valid_from")


def _superseded(before: Stored, memory: Stored) -> tuple[Stored, Stored]:
    """The memory as it takes the place, and the one before it without."""
    if before.superseded_by:
        raise AlreadySuperseded(before.id, before.superseded_by)
    if memory.valid_from <= before.valid_from:
        raise invalid("memory.valid_from", "must be later than that of the superseded memory")
    new = replace(memory, layer=before.layer, scope=before.scope, supersedes=before.id)
    old = replace(
        before,
        version=before.version + 1,
        updated_at=memory.created_at,
        valid_until=min(before.valid_until, memory.valid_from),
        superseded_by=memory.id,
    )
    return new, old


def _rated(before: Stored, rate: Rate) -> Stored:
    ratings = {**before.ratings, rate.person: rate.feedback}
    over = (
        rate.closing
        and rate.feedback is Feedback.OUTDATED
        and before.valid_from < rate.at < before.valid_until
    )
    after = replace(before, version=before.version + 1, updated_at=rate.at)
    return replace(
        before.confirmed(rate.at) if rate.feedback is Feedback.HELPFUL else after,
        valid_until=rate.at if over else before.valid_until,
        feedback=counted(ratings),
        ratings=ratings,
    )


def _promoted(before: Stored, promote: Promote) -> Stored:
    if promote.read and promote.read.texts != before.texts:
        raise TextChanged(before.id, promote.read.version, before.version)
    if NARROW_TO_BROAD.index(promote.layer) <= NARROW_TO_BROAD.index(before.layer):
        raise NotBroader(before.id, before.layer, promote.layer)
    scope = Scope(
        **{name: getattr(before.scope, name) or getattr(promote.scope, name) for name in SCOPE_IDS}
    )
    scope = replace(scope, user_id=before.scope.user_id)  # whom it is about never changes
    scope.demand(REQUIRED[promote.layer], promote.layer, "scope")
    return replace(
        before.confirmed(promote.at),
        **(promote.redacted._asdict() if promote.redacted else {}),
        layer=promote.layer,
        scope=scope,
    )
