"""Running a command so that Ctrl-C ends it, whatever it waits for."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_AGAIN = 0.5  # seconds after which what has not ended is cancelled again


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work.

    A call of gRPC that ends as it is cancelled may give its end instead, and the work goes on: so
    it is cancelled until it ends. The loop's own handler wakes the loop, which the one of
    `asyncio.run` may fail to do when the signal comes just before it waits.

    Raises:
        KeyboardInterrupt: SIGINT ended the work.
    """
    return asyncio.run(_heeding(work))


async def _heeding(work: Coroutine[Any, Any, T]) -> T:
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    task, asked = asyncio.ensure_future(work), asyncio.ensure_future(interrupted.wait())
    await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN)
    if interrupted.is_set() and task.cancelled():
        raise KeyboardInterrupt
    return task.result()
