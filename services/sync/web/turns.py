"""Long work a piece at a time: one piece in a turn of the event loop, whoever's it is."""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Those who have more to do, in the order in which they said so. However many flood this
    process, between two turns of the others there is one piece of theirs."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

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
        try:
            self._waiting[0]()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._next)
