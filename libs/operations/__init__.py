"""Long-running operations (AIP-151): work for a tenant that outlives its call, and its server.

A request writes an operation down; a worker of any replica takes it, does it in small steps and
writes down after each where the next one begins. `store` keeps them, `worker` does them, `api`
shows them to clients. Knows nothing of what steps do: a service gives a `Handler` for each kind.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

from google.protobuf.message import Message

from libs.errors import AppError, Kind
from libs.tenancy import Route

COLLECTION = "operations"
OperationId = NewType("OperationId", UUID)
Fields = Mapping[str, Any]  # as JSON has them: numbers, texts, ids as texts; never content


class State(StrEnum):
    """How far an operation is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it stays so."""
        return self not in (State.PENDING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the steps have done so far, in units of the kind's own; `total` is known after the
    first.

    `cursor` is where the next step begins, `result` the fields of the response as far as they are
    known.
    """

    done: int = 0
    total: int = 0
    finished: bool = False
    cursor: Fields = field(default_factory=dict)
    result: Fields = field(default_factory=dict)


# Does the next piece of the work, a second's or so, given the parameters and what was done before.
# It may be done again after a failure, and by two at the same time when one was thought dead: the
# outcome must be that of doing it once. What it raises is tried again if it may pass.
Step = Callable[[Route, Fields, Progress], Awaitable[Progress]]


@dataclass(frozen=True, slots=True)
class Handler:
    """How operations of one kind are done.

    Attributes:
        kind: The method that begins them.
        response: The type of what a client gets in the end; `Progress.result` has its fields.
        step: Does a piece of the work.
    """

    kind: str
    response: type[Message]
    step: Step


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as it is stored."""

    id: OperationId
    kind: str
    parameters: Fields
    actor: str
    trace_id: str
    state: State
    progress: Progress
    cancel_requested: bool
    failures: int
    error: Fields | None  # google.rpc.Status
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    ended_at: datetime | None


class OperationNotFound(AppError):
    """There is no such operation in the tenant."""

    kind, reason = Kind.NOT_FOUND, "OPERATION_NOT_FOUND"

    def __init__(self, operation: UUID) -> None:
        name = f"{COLLECTION}/{operation}"
        super().__init__(f"There is no {name}.", operation=name)


class OperationUnderWay(AppError):
    """What is asked for has to wait until the operation has ended."""

    kind, reason = Kind.PRECONDITION, "OPERATION_UNDER_WAY"

    def __init__(self, operation: UUID) -> None:
        name = f"{COLLECTION}/{operation}"
        super().__init__(f"{name} is under way: wait for it or cancel it.", operation=name)


class OperationCancelled(AppError):
    """It was stopped on request."""

    kind, reason = Kind.CANCELLED, "OPERATION_CANCELLED"

    def __init__(self) -> None:
        super().__init__("The operation was cancelled.")


class LeaseLost(AppError):
    """Another worker has the operation now, or somebody has deleted it. No client sees this."""

    kind, reason = Kind.CONFLICT, "LEASE_LOST"

    def __init__(self) -> None:
        super().__init__("Another worker has the operation.")
