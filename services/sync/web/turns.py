"""Long work a piece at a time: one piece in a turn of the event loop, whoever's it is.

And no more than half of the time: the threads of gRPC wait for the interpreter whenever the loop
does not sleep, so that calls would be slow however little a turn takes.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

_REST = 0.001  # seconds


class Turns:
    """Those who have more to do, in the order in which they said so. However many flood this
    process, between two turns of the others there is one piece of theirs."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._spent = 0.0  # seconds since the last rest
        self._ended_at = 0.0

    def call(self, act: Callable[[], None]) -> None:
        """Calls `act`, once, when it is its turn."""
        self._waiting.append(act)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    async def mine(self) -> None:
        """Returns when it is the caller's turn."""
        turn = asyncio.get_running_loop().create_future()
        self.call(lambda: None if turn.done() else turn.set_result(None))
        await turn

    def _next(self) -> None:
        begun = perf_counter()
        if begun - self._ended_at > _REST:  # there was one without us
            self._spent = 0.0
        try:
            self._waiting[0]()
        finally:
            self._waiting.popleft()
            self._ended_at = perf_counter()
            self._spent += self._ended_at - begun
            if self._waiting:
                self._go_on()

    def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        if self._spent < _REST:
            loop.call_soon(self._next)
        else:
            loop.call_later(max(self._spent, _REST), self._next)
            self._spent = 0.0
