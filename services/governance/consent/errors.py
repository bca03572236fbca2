"""What is refused, and why."""

from libs.errors import AppError, Kind


class PolicyVersionMismatch(AppError):
    """The policy has changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(
            f"The consent policy has version {current}, not {expected}.",
            expectedVersion=str(expected),
            currentVersion=str(current),
        )


class ConsentNotFound(AppError):
    """The person never allowed this purpose."""

    kind, reason = Kind.NOT_FOUND, "CONSENT_NOT_FOUND"

    def __init__(self, purpose: str) -> None:
        super().__init__(f"Consent to {purpose} was never given.", purpose=purpose)
