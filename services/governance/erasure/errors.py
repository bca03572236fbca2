"""What is refused, and why."""

from collections.abc import Sequence

from libs.errors import AppError, Kind


class SelfErasure(AppError):
    """The one who asks is the one to be erased, and is named in the audit trail for asking."""

    kind, reason = Kind.PRECONDITION, "SELF_ERASURE"

    def __init__(self) -> None:
        super().__init__("Another administrator has to ask for the erasure of this one.")


class ErasureIncomplete(AppError):
    """Something still names the person; the erasure's report says what."""

    kind, reason = Kind.PRECONDITION, "ERASURE_INCOMPLETE"

    def __init__(self, stores: Sequence[str]) -> None:
        names = ", ".join(stores)
        super().__init__(f"The person is still named in: {names}.", stores=names)


class ErasureStepFailed(AppError):
    """An operation that another service was to do has failed."""

    kind, reason = Kind.PRECONDITION, "ERASURE_STEP_FAILED"

    def __init__(self, operation: str) -> None:
        super().__init__(f"{operation} has failed; see its error.", operation=operation)


class PseudonymNotFound(AppError):
    """Nobody knows who it stands for, or it is none."""

    kind, reason = Kind.NOT_FOUND, "PSEUDONYM_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such pseudonym, or its key is destroyed.")
