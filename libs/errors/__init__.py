"""Errors raised on purpose, named by what the caller should do next.

Knows nothing of gRPC: `libs.service.errors` translates. Reasons are part of the contract (AIP-193).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What a caller should do: the status code follows from it."""

    INVALID = "fix the request"
    UNAUTHENTICATED = "send valid credentials"
    DENIED = "ask for permission"
    NOT_FOUND = "the thing does not exist"
    ALREADY_EXISTS = "the thing exists already"
    CONFLICT = "read the current state, then decide again"
    PRECONDITION = "change the state of the system first"
    EXHAUSTED = "wait, then send less"
    TIMEOUT = "the deadline passed; retry with the same request id"
    CANCELLED = "it was stopped on request"
    UNAVAILABLE = "retry with the same request id"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that is wrong: `field` is its path, `description` says why."""

    field: str
    description: str


class AppError(Exception):
    """Raised on purpose. Every value in the message is in `metadata` too; neither holds content."""

    kind: ClassVar[Kind]
    reason: ClassVar[str]  # UPPER_SNAKE_CASE; part of the contract
    retry_after = timedelta(seconds=1)  # when to come again, where that helps

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.metadata = metadata


class InvalidRequest(AppError):
    """The request breaks a rule; says which fields and why."""

    kind, reason = Kind.INVALID, "INVALID_REQUEST"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        fields = ", ".join(sorted({violation.field for violation in violations}))
        super().__init__(f"Invalid request: {fields}.", fields=fields)
        self.violations = tuple(violations)


def invalid(field: str, description: str) -> InvalidRequest:
    """The error for a single wrong field."""
    return InvalidRequest([FieldViolation(field, description)])
