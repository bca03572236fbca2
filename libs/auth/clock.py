"""The time of day, as a function that tests replace."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]  # aware


def utc_now() -> datetime:
    """The time of day in UTC."""
    return datetime.now(UTC)
