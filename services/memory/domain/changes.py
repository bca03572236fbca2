"""Commands and what each does to the memories it is for. Pure: the spine loads and saves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.changes import Operation, Step, Terms, Vector
from libs.scope import SCOPE_IDS, Scope
from services.memory.domain.memory import NARROW_TO_BROAD, REQUIRED, Layer, Stored
from services.memory.errors import MemoryNotFound, NotBroader, VersionMismatch


@dataclass(frozen=True, slots=True)
class Create:
    """Store new memories, all or none."""

    memories: tuple[Stored, ...]
    vectors: tuple[Vector, ...]
    terms: tuple[Terms, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """Replace what is not None. `vector` and `terms` belong to `content`."""

    id: UUID
    version: int  # expected; 0 for any
    at: datetime
    content: bytes | None = None
    metadata: bytes | None = None
    importance: float | None = None
    event_at: datetime | None = None
    vector: Vector | None = None
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a memory and its earlier versions."""

    id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Move a memory to a broader layer; `scope` adds ids that it lacks."""

    id: UUID
    version: int
    at: datetime
    layer: Layer
    scope: Scope


Body = Create | Update | Delete | Promote


def targets(body: Body) -> Sequence[UUID]:
    """The memories that a command needs to know."""
    return () if isinstance(body, Create) else (body.id,)


def weigh(body: Body) -> int:
    """How many memories a command changes."""
    return len(body.memories) if isinstance(body, Create) else 1


def decide(current: Mapping[UUID, Stored], body: Body) -> Iterable[Step[Stored]]:
    """The steps of a command.

    Raises:
        MemoryNotFound, VersionMismatch, NotBroader, InvalidRequest: It is refused.
    """
    match body:
        case Create():
            return [
                Step(Operation.CREATED, None, memory, vector, terms)
                for memory, vector, terms in zip(
                    body.memories, body.vectors, body.terms, strict=True
                )
            ]
        case Update():
            before = _expect(current, body.id, body.version)
            after, indexed = _updated(before, body), body.vector is not None
            return [Step(Operation.UPDATED, before, after, body.vector, body.terms, indexed)]
        case Delete():
            return [Step(Operation.DELETED, _expect(current, body.id, body.version), None)]
        case Promote():
            before = _expect(current, body.id, body.version)
            return [Step(Operation.PROMOTED, before, _promoted(before, body))]


def _expect(current: Mapping[UUID, Stored], memory_id: UUID, version: int) -> Stored:
    memory = current.get(memory_id)
    if memory is None:
        raise MemoryNotFound(memory_id)
    if version not in (0, memory.version):
        raise VersionMismatch(memory_id, version, memory.version)
    return memory


def _updated(before: Stored, update: Update) -> Stored:
    return replace(
        before,
        version=before.version + 1,
        updated_at=update.at,
        content=before.content if update.content is None else update.content,
        metadata=before.metadata if update.metadata is None else update.metadata,
        importance=before.importance if update.importance is None else update.importance,
        event_at=before.event_at if update.event_at is None else update.event_at,
    )


def _promoted(before: Stored, promote: Promote) -> Stored:
    if NARROW_TO_BROAD.index(promote.layer) <= NARROW_TO_BROAD.index(before.layer):
        raise NotBroader(before.id, before.layer, promote.layer)
    scope = Scope(
        **{name: getattr(before.scope, name) or getattr(promote.scope, name) for name in SCOPE_IDS}
    )
    scope = replace(scope, user_id=before.scope.user_id)  # whom it is about never changes
    scope.demand(REQUIRED[promote.layer], promote.layer, "scope")
    return replace(
        before,
        layer=promote.layer,
        scope=scope,
        version=before.version + 1,
        updated_at=promote.at,
    )
