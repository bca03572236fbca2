"""The life of a knowledge item: which operation leads from which status to which."""

from collections.abc import Mapping
from enum import StrEnum

from libs.changes import Operation
from services.knowledge.errors import IllegalTransition


class Status(StrEnum):
    """Where an item is in its life."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DEPRECATED = "deprecated"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


# Complete: an operation on an item in any other status is refused.
TRANSITIONS: Mapping[Operation, tuple[Status, Status]] = {
    Operation.UPDATED: (Status.DRAFT, Status.DRAFT),
    Operation.PROPOSED: (Status.DRAFT, Status.PROPOSED),
    Operation.ACCEPTED: (Status.PROPOSED, Status.ACCEPTED),
    Operation.REJECTED: (Status.PROPOSED, Status.REJECTED),
    Operation.DEPRECATED: (Status.ACCEPTED, Status.DEPRECATED),
    Operation.SUPERSEDED: (Status.ACCEPTED, Status.SUPERSEDED),
}


def after(status: Status, operation: Operation) -> Status:
    """The status that an operation leads to; raises IllegalTransition from any but its own."""
    origin, end = TRANSITIONS[operation]
    if status is not origin:
        raise IllegalTransition(status, end)
    return end
