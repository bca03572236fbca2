"""Makes searches use another length of vectors, as a long-running operation."""

import asyncio
from dataclasses import dataclass

from libs.changes import Origin
from libs.operations import Fields, Progress
from libs.operations.store import Operations
from libs.spine import Write
from libs.tenancy import Route
from libs.vectors.layouts import Layout, Layouts
from libs.vectors.reindexing import Reindexing

KIND = "ChangeIndexDimensions"
_PAUSE = 1.0  # seconds between looks, while searches may still use the old length


@dataclass(frozen=True)
class ChangeIndexLength:
    """`IndexLength` of a tenant's settings, and the `libs.operations.Step` that it begins.

    Where the move stands is in the tenant's layout, not in the progress of the operation.
    """

    reindexing: Reindexing
    operations: Operations
    layouts: Layouts

    async def follow(self, write: Write, origin: Origin, length: int) -> None:
        wanted = length or self.reindexing.collection.dimensions
        self.reindexing.demand(wanted)
        layout = await self.layouts.locked(write, self.reindexing.collection)
        if layout != Layout(wanted, frozenset({wanted})):
            await self.operations.add(write, origin, KIND, {"length": wanted})

    async def searched(self, route: Route) -> int:
        return (await self.layouts.now(route, self.reindexing.collection)).searched

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        length = parameters["length"]
        state = await self.reindexing.step(route, length)
        if state.waits:
            await asyncio.sleep(_PAUSE)
        refused = progress.result.get("memories_without_vector", 0) + state.refused
        return Progress(
            state.done,
            max(state.total, state.done),
            finished=state.complete,
            result={
                "index_dimensions": length,
                "memories": state.done,
                "memories_without_vector": refused,
            },
        )
