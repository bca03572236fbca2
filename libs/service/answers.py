"""Streams of requests that are answered one by one. Knows nothing of what is asked."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


async def answers_to(
    requests: AsyncIterator[Q], answer: Callable[[int, Q], Awaitable[A]], at_once: int
) -> AsyncGenerator[A, None]:
    """The answer to each request once there is one, in any order, whether or not more requests
    come. What ends the requests, or an answer, with an error ends all of them.

    Args:
        answer: Given the place of a request, from 0.
        at_once: Requests that are under way, or whose answers nobody has taken yet, at most.
    """
    free, found = asyncio.Semaphore(at_once), asyncio.Queue[A | None]()
    reading = asyncio.create_task(_read(requests, answer, free, found))
    try:
        while (each := await found.get()) is not None:
            yield each
            free.release()
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(
    requests: AsyncIterator[Q],
    answer: Callable[[int, Q], Awaitable[A]],
    free: asyncio.Semaphore,
    found: "asyncio.Queue[A | None]",
) -> None:
    """Puts the answers into the queue, and None at the end, whatever it was."""

    async def put(place: int, request: Q) -> None:
        found.put_nowait(await answer(place, request))

    try:
        async with asyncio.TaskGroup() as group:
            place = 0
            async for request in requests:
                await free.acquire()
                group.create_task(put(place, request))
                place += 1
    finally:
        found.put_nowait(None)
