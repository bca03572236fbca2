"""What is refused about anomalies, and why."""

from uuid import UUID

from libs.errors import AppError, Kind


class AnomalyNotFound(AppError):
    """No such anomaly."""

    kind, reason = Kind.NOT_FOUND, "ANOMALY_NOT_FOUND"

    def __init__(self, anomaly: UUID) -> None:
        super().__init__(f"Anomaly {anomaly} does not exist.", anomaly=str(anomaly))


class DetectorNotFound(AppError):
    """There is no series of this name."""

    kind, reason = Kind.NOT_FOUND, "ANOMALY_DETECTOR_NOT_FOUND"

    def __init__(self, metric: str) -> None:
        super().__init__(f"No series is called {metric}.", metric=metric)


class DetectorVersionMismatch(AppError):
    """The detector has changed since the version that the caller saw."""

    kind, reason = Kind.CONFLICT, "VERSION_MISMATCH"

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(
            f"The detector has version {current}, not {expected}.",
            expectedVersion=str(expected),
            currentVersion=str(current),
        )
