"""What the knowledge service refuses, and why."""

from uuid import UUID

from libs.errors import AppError, Kind


class ItemNotFound(AppError):
    """There is no such knowledge item in the tenant."""

    kind, reason = Kind.NOT_FOUND, "KNOWLEDGE_ITEM_NOT_FOUND"

    def __init__(self, item_id: UUID) -> None:
        super().__init__(f"Knowledge item {item_id} does not exist.", knowledgeItemId=str(item_id))


class VersionMismatch(AppError):
    """The item has changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, item_id: UUID, expected: int, current: int) -> None:
        super().__init__(
            f"Knowledge item {item_id} has version {current}, not {expected}.",
            knowledgeItemId=str(item_id),
            expectedVersion=str(expected),
            currentVersion=str(current),
        )


class IllegalTransition(AppError):
    """The life of an item has no such step."""

    kind, reason = Kind.PRECONDITION, "ILLEGAL_TRANSITION"

    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(
            f"A knowledge item that is {current} cannot become {wanted}.",
            **{"from": current, "to": wanted},
        )


class SelfReview(AppError):
    """Nobody accepts what they proposed themselves."""

    kind, reason = Kind.DENIED, "SELF_REVIEW"

    def __init__(self, item_id: UUID) -> None:
        super().__init__(
            f"Knowledge item {item_id} was proposed by the caller; somebody else has to accept it.",
            knowledgeItemId=str(item_id),
        )


class RelationNotFound(AppError):
    """There is no such relation in the tenant."""

    kind, reason = Kind.NOT_FOUND, "RELATION_NOT_FOUND"

    def __init__(self, relation_id: UUID) -> None:
        super().__init__(f"Relation {relation_id} does not exist.", relationId=str(relation_id))


class RelationExists(AppError):
    """The two items are related like that already."""

    kind, reason = Kind.ALREADY_EXISTS, "RELATION_ALREADY_EXISTS"

    def __init__(self, relation_id: UUID) -> None:
        super().__init__(f"Relation {relation_id} says the same.", relationId=str(relation_id))


class NotADraft(AppError):
    """What an item replaces is a part of what its review decides on."""

    kind, reason = Kind.PRECONDITION, "NOT_A_DRAFT"

    def __init__(self, item_id: UUID, status: str) -> None:
        super().__init__(
            f"Knowledge item {item_id} is {status}: what it supersedes is settled while it is a"
            " draft.",
            knowledgeItemId=str(item_id),
            status=status,
        )
