"""Work that can wait, a piece at a time: one piece in a turn of the event loop, whoever's it is,
and a rest after so many, for whoever else wants the loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

_REST = 0.001  # seconds: the event loop knows no shorter ones
_MESSAGE = 0.0003  # seconds that a message takes, roughly: it goes on by itself after its turn
_MEMORY = 32  # visitors that are remembered, as it were


class HasFileno(Protocol):
    """What the system knows by a number."""

    def fileno(self) -> int: ...


class Turns:
    """Those who have more to do, in the order in which they said so. However many they are,
    between two turns of the others there is one piece of theirs, and `work` seconds of pieces
    in a millisecond."""

    def __init__(self, work: float) -> None:
        self.work = work
        self._waiting: deque[Callable[[], None]] = deque()
        self._spent = 0.0  # seconds since the last rest
        self._ended_at = 0.0

    def call(self, act: Callable[[], None]) -> None:
        """Calls `act`, once, when it is its turn."""
        self._waiting.append(act)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    def when_readable(self, file: HasFileno, act: Callable[[], None]) -> None:
        """Calls `act`, once, in a turn after something has come."""
        loop = asyncio.get_running_loop()

        def ready() -> None:
            loop.remove_reader(file)
            self.call(act)

        loop.add_reader(file, ready)

    async def mine(self) -> None:
        """Returns when it is the caller's turn, for a message."""
        turn = asyncio.get_running_loop().create_future()
        self.call(lambda: self._give(turn))
        await turn

    def _give(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self._spent += _MESSAGE
            turn.set_result(None)

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
        if self._spent < self.work:
            loop.call_soon(self._next)
        else:
            loop.call_later(_REST * self._spent / self.work, self._next)
            self._spent = 0.0


class Doorway(Turns):
    """The turns of who is not known yet. Where many of those who come turn out to be nobody, all
    have less of the time."""

    def __init__(self, most: float, least: float) -> None:
        super().__init__(most)
        self._most, self._least = most, least

    def was(self, somebody: bool) -> None:
        """Of one who came: whether it was somebody."""
        self.work += ((self._most if somebody else self._least) - self.work) / _MEMORY
