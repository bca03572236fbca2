"""Reading again what changed between reading and writing: redacted, archived or sealed anew."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from services.memory.errors import ArchivedMeanwhile, TextChanged

T = TypeVar("T")

_ROUNDS = 5


async def in_rounds(attempt: Callable[[], Awaitable[T]]) -> T:
    """What the attempt gives, once it was not overtaken.

    Raises:
        TextChanged, ArchivedMeanwhile: It was, each time.
    """
    for _ in range(_ROUNDS - 1):
        with suppress(TextChanged, ArchivedMeanwhile):
            return await attempt()
    return await attempt()
