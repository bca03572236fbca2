"""Links between items, and when they may be made and removed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from libs.changes import Indexes, Operation, Step
from libs.errors import invalid
from services.knowledge.domain.item import Stored
from services.knowledge.domain.status import Status
from services.knowledge.errors import ItemNotFound, NotADraft, RelationExists, RelationNotFound


class RelationKind(StrEnum):
    """What the source is to the target."""

    SUPERSEDES = "supersedes"
    SPECIALIZES = "specializes"
    EXCEPTION_TO = "exception_to"
    CLARIFIES = "clarifies"
    DERIVED_FROM = "derived_from"


@dataclass(frozen=True, slots=True)
class Relation:
    """A link from one item to another; it never changes. `number` is of the change that made it,
    `place_ids` are those that both ends have, known in the steps that make and remove it."""

    id: UUID
    source: UUID
    target: UUID
    kind: RelationKind
    number: int
    created_at: datetime
    place_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """There is but one."""
        return 1

    @property
    def subject(self) -> str:
        """About nobody."""
        return ""

    @property
    def layer_name(self) -> str:
        """In no layer."""
        return ""

    @property
    def indexes(self) -> Indexes:
        """Relations are not searched."""
        return Indexes.NONE

    def at(self, number: int) -> Self:
        """The same, as made by the change with this number."""
        return replace(self, number=number)

    def payload(self) -> dict[str, str]:
        """Nothing: they are in no index."""
        return {}


@dataclass(frozen=True, slots=True)
class Link:
    """Relate two items."""

    relation: Relation


@dataclass(frozen=True, slots=True)
class Unlink:
    """Remove a relation."""

    id: UUID


Body = Link | Unlink
Known = Relation | Stored  # relations, and the items at their ends


def targets(body: Body) -> Sequence[UUID]:
    """The relations and items that a command needs to know."""
    match body:
        case Link(relation):
            return (relation.source, relation.target)
        case Unlink(relation_id):
            return (relation_id,)


def decide(current: Mapping[UUID, Known], body: Body) -> list[Step[Known]]:
    """The step of a command.

    Args:
        current: For Link its ends and the relations between them, for Unlink the relation and its
            ends.

    Raises:
        ItemNotFound, RelationNotFound, RelationExists, NotADraft, InvalidRequest: It is refused.
    """
    match body:
        case Link(relation):
            _check_link(current, relation)
            return [Step(Operation.CREATED, None, _placed(current, relation))]
        case Unlink(relation_id):
            existing = current.get(relation_id)
            if not isinstance(existing, Relation):
                raise RelationNotFound(relation_id)
            _check_reviewable(existing, _item(current, existing.source))
            return [Step(Operation.DELETED, _placed(current, existing), None)]


def _check_link(current: Mapping[UUID, Known], new: Relation) -> None:
    if new.source == new.target:
        raise invalid("relation.target", "must be another item than the source")
    source, _ = _item(current, new.source), _item(current, new.target)
    for each in current.values():
        if isinstance(each, Relation) and _same(each, new):
            raise RelationExists(each.id)
    _check_reviewable(new, source)


def _check_reviewable(relation: Relation, source: Stored) -> None:
    """Whoever reviews the source must be able to rely on what it supersedes."""
    if relation.kind is RelationKind.SUPERSEDES and source.status is not Status.DRAFT:
        raise NotADraft(source.id, source.status)


def _item(current: Mapping[UUID, Known], item_id: UUID) -> Stored:
    item = current.get(item_id)
    if not isinstance(item, Stored):
        raise ItemNotFound(item_id)
    return item


def _placed(current: Mapping[UUID, Known], relation: Relation) -> Relation:
    """The relation, where both of its ends are; an id in which they differ is left out."""
    ends = [current.get(each) for each in (relation.source, relation.target)]
    source, target = (end.scope.place() if isinstance(end, Stored) else {} for end in ends)
    return replace(relation, place_ids=dict(source.items() & target.items()))


def _same(one: Relation, other: Relation) -> bool:
    return (one.source, one.target, one.kind) == (other.source, other.target, other.kind)
