"""Waiting for what another part of the system does in its own time."""

import asyncio
from collections.abc import Awaitable, Callable

_PAUSE = 0.02  # seconds between looks


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Returns once `check` holds; raises TimeoutError if it does not in time."""
    async with asyncio.timeout(seconds):
        while True:
            if await check():
                return
            await asyncio.sleep(_PAUSE)


async def within_a_second(check: Callable[[], Awaitable[bool]]) -> None:
    """Returns once `check` holds; raises TimeoutError if it does not after a second of waiting: the
    time that the looks themselves take is that of the machine."""
    for _ in range(round(1 / _PAUSE) + 1):
        if await check():
            return
        await asyncio.sleep(_PAUSE)
    raise TimeoutError
