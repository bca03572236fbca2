"""What is told to those who are in a room with presence, beside its events. It may be lost."""

import asyncio
from collections import deque
from collections.abc import Callable

from services.sync.live.members import Member
from services.sync.live.ports import Frame
from services.sync.live.rooms import LiveRoom

_TURN = 256  # sends before others have their turn


class Telling:
    """Of one house: tells in the order in which it is asked to, a turn at a time."""

    def __init__(self, too_slow: Callable[[Member], bool]) -> None:
        """`too_slow`: whether somebody takes too little to be told what it can do without."""
        self._too_slow = too_slow
        self._waiting: deque[tuple[LiveRoom, Frame]] = deque()
        self._task: asyncio.Task[None] | None = None

    def tell(self, room: LiveRoom, frame: Frame) -> None:
        """Never waits."""
        self._waiting.append((room, frame))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._waiting:
            room, frame = self._waiting.popleft()
            for count, member in enumerate(list(room.present), start=1):
                if not self._too_slow(member):
                    member.connection.peer.send(frame)
                if count % _TURN == 0:
                    await asyncio.sleep(0)
