"""The subscriber beside the story."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aeterna.sync.v1 import sync_pb2
from cli.demo.stage import Stage
from cli.session import Session
from libs.clients.subscription import Subscription

_CATCH_UP_SECONDS = 10


class Follower:
    """Prints each change of a tenant when it comes, and keeps its number."""

    def __init__(self, session: Session, stage: Stage) -> None:
        self.session = session
        self.numbers: list[int] = []
        self._stage, self._arrived = stage, asyncio.Event()

    async def run(self) -> None:
        async for change in Subscription(self.session.sync, since=0):
            self.numbers.append(change.number)
            self._stage.live(change)
            self._arrived.set()

    async def reach(self, number: int) -> None:
        """Returns once it has seen `number`; raises TimeoutError when that takes too long."""
        async with asyncio.timeout(_CATCH_UP_SECONDS):
            while not self.numbers or self.numbers[-1] < number:
                self._arrived.clear()
                await self._arrived.wait()

    async def catch_up(self) -> int:
        """Returns once it has seen everything there is, with the newest number."""
        answer = await self.session.sync.ListChanges(sync_pb2.ListChangesRequest(page_size=1))
        await self.reach(answer.head)
        return answer.head


@asynccontextmanager
async def following(session: Session, stage: Stage) -> AsyncIterator[Follower]:
    """Follows the session's tenant for the length of the block."""
    follower = Follower(session, stage)
    task = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
