"""What is refused, and why."""

from libs.errors import AppError, Kind


class SettingsVersionMismatch(AppError):
    """The settings have changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(
            f"The memory settings have version {current}, not {expected}.",
            expectedVersion=str(expected),
            currentVersion=str(current),
        )
