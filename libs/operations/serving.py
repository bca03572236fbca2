"""What a service that does operations opens: a worker, and what shows them to clients."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from libs.operations import Handler
from libs.operations.api import OperationsServicer
from libs.operations.store import Operations
from libs.operations.worker import OperationWorker
from libs.service.background import background
from libs.service.platform import Platform


@asynccontextmanager
async def open_operations(
    platform: Platform, operations: Operations, handlers: Sequence[Handler]
) -> AsyncIterator[OperationsServicer]:
    """Shows operations of every kind, while a worker does those of `handlers`."""
    worker = OperationWorker(operations, platform.directory, handlers)
    async with background(worker.run()):
        yield OperationsServicer(operations, platform.wakeups, handlers)
