"""What the memory service refuses, and why."""

from uuid import UUID

from libs.errors import AppError, Kind


class MemoryNotFound(AppError):
    """There is no such memory in the tenant."""

    kind, reason = Kind.NOT_FOUND, "MEMORY_NOT_FOUND"

    def __init__(self, memory_id: UUID) -> None:
        super().__init__(f"Memory {memory_id} does not exist.", memoryId=str(memory_id))


class VersionMismatch(AppError):
    """The memory has changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, memory_id: UUID, expected: int, current: int) -> None:
        super().__init__(
            f"Memory {memory_id} has version {current}, not {expected}.",
            memoryId=str(memory_id),
            expectedVersion=str(expected),
            currentVersion=str(current),
        )


class TextChanged(VersionMismatch):
    """The text of the memory has changed since it was read."""


class NotBroader(AppError):
    """A memory is promoted to a broader layer only."""

    kind, reason = Kind.PRECONDITION, "LAYER_NOT_BROADER"

    def __init__(self, memory_id: UUID, current: str, wanted: str) -> None:
        super().__init__(
            f"Memory {memory_id} is in layer {current}; {wanted} is not broader.",
            memoryId=str(memory_id),
            currentLayer=current,
            wantedLayer=wanted,
        )


class ArchivedMeanwhile(AppError):
    """The memory was archived while it was about to be changed; a retry brings it back."""

    kind, reason = Kind.CONFLICT, "ARCHIVED_MEANWHILE"

    def __init__(self, memory_id: UUID) -> None:
        super().__init__(
            f"Memory {memory_id} was archived meanwhile; retry.", memoryId=str(memory_id)
        )


class AlreadySuperseded(AppError):
    """A memory is corrected once; then what corrected it is."""

    kind, reason = Kind.PRECONDITION, "ALREADY_SUPERSEDED"

    def __init__(self, memory_id: UUID, by: UUID) -> None:
        super().__init__(
            f"Memory {memory_id} was superseded by {by}.",
            memoryId=str(memory_id),
            supersededBy=str(by),
        )


class TrustNeedsAdministrator(AppError):
    """Only an administrator says that a source is trusted more than it was."""

    kind, reason = Kind.DENIED, "TRUST_NEEDS_ADMINISTRATOR"

    def __init__(self, memory_id: UUID) -> None:
        super().__init__(
            f"Only an administrator may raise the trust of memory {memory_id}.",
            memoryId=str(memory_id),
        )
