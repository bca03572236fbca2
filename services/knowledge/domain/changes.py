"""Commands and what each does to the items it is for. Pure: the spine loads and saves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.approvals import ApprovalRequired, Kind
from libs.changes import Operation, Step, Vector
from services.knowledge.domain.item import Stored, Written
from services.knowledge.domain.status import Status, after
from services.knowledge.errors import ItemNotFound, SelfReview, VersionMismatch


@dataclass(frozen=True, slots=True)
class Create:
    """Store a new draft."""

    item: Stored


@dataclass(frozen=True, slots=True)
class Update:
    """Replace what is not None in a draft."""

    id: UUID
    version: int  # expected; 0 for any
    at: datetime
    title: bytes | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Take an item to another status; `by` is the person in whose name it is done.

    `constraints`: of an item that is to be accepted, if its text holds some.
    """

    operation: Operation  # proposed, accepted, rejected or deprecated
    id: UUID
    version: int
    at: datetime
    by: str
    constraints: Written | None = None


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Replace the texts of an item, in whatever status, and forget its earlier versions: what
    erasing a person makes of it. Not if it has changed since `version`."""

    id: UUID
    version: int
    title: bytes
    content: bytes
    vector: Vector


Body = Create | Update | Move | Rewrite


def targets(body: Body) -> Sequence[UUID]:
    """The items that a command needs to know."""
    return () if isinstance(body, Create) else (body.id,)


def decide(current: Mapping[UUID, Stored], body: Body) -> list[Step[Stored]]:
    """The steps of a command; `current` includes the items that its own supersedes.

    Raises:
        ItemNotFound, VersionMismatch, IllegalTransition, SelfReview, ApprovalRequired: It is
            refused.
    """
    match body:
        case Create():
            return [Step(Operation.CREATED, None, body.item)]
        case Update():
            return [_updated(_expect(current, body.id, body.version), body)]
        case Rewrite():
            return [_rewritten(_expect(current, body.id, body.version), body)]
        case Move():
            return _moved(current, _expect(current, body.id, body.version), body)


def _expect(current: Mapping[UUID, Stored], item_id: UUID, version: int) -> Stored:
    item = current.get(item_id)
    if item is None:
        raise ItemNotFound(item_id)
    if version not in (0, item.version):
        raise VersionMismatch(item_id, version, item.version)
    return item


def _updated(before: Stored, update: Update) -> Step[Stored]:
    step = _step(before, Operation.UPDATED, update.at)
    title = before.title if update.title is None else update.title
    content = before.content if update.content is None else update.content
    return replace(step, after=replace(step.entity, title=title, content=content))


def _rewritten(before: Stored, rewrite: Rewrite) -> Step[Stored]:
    after = replace(
        before, version=before.version + 1, title=rewrite.title, content=rewrite.content
    )
    return Step(Operation.UPDATED, before, after, rewrite.vector, forgets=True)


def _moved(current: Mapping[UUID, Stored], before: Stored, move: Move) -> list[Step[Stored]]:
    step = _step(before, move.operation, move.at)
    if move.operation is Operation.PROPOSED:
        return [replace(step, after=replace(step.entity, proposer=move.by))]
    if move.operation is not Operation.ACCEPTED:
        return [step]
    _check_review(before, move)
    step = replace(step, after=replace(step.entity, constraints=move.constraints))
    replaced = [current[each] for each in sorted(before.supersedes)]
    return [
        step,
        *(
            _step(each, Operation.SUPERSEDED, move.at)
            for each in replaced
            if each.status is Status.ACCEPTED
        ),
    ]


def _check_review(before: Stored, move: Move) -> None:
    """Somebody else than the proposer has to have looked: those who approved, or who accepts."""
    if before.approved and before.approved.version == before.version:
        reviewers = before.approved.approvers
    elif before.needs_approval:
        raise ApprovalRequired(Kind.KNOWLEDGE, f"knowledgeItems/{before.id}", before.version)
    else:
        reviewers = (move.by,)
    if before.proposer in reviewers:
        raise SelfReview(before.id)


def _step(before: Stored, operation: Operation, at: datetime) -> Step[Stored]:
    """The next version, in the status that the operation leads to."""
    status = after(before.status, operation)
    version = before.version + 1
    return Step(operation, before, replace(before, status=status, version=version, updated_at=at))
