from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest

from libs.aip.ids import Uuid7
from libs.operations import Handler
from libs.operations.store import Operations
from libs.operations.worker import OperationWorker
from libs.service.background import background
from libs.tenancy.directory import Directory, open_directory
from libs.wakeups import Wakeups
from tests.databases import Database

Working = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
async def directory(database: Database) -> AsyncIterator[Directory]:
    async with open_directory(database.settings()) as directory:
        yield directory


@pytest.fixture
def operations() -> Operations:
    return Operations(Wakeups(), Uuid7(), lease=timedelta(minutes=1))


@pytest.fixture
def working(directory: Directory) -> Working:
    """A worker, which is one more replica, for the length of a block."""

    @asynccontextmanager
    async def work(operations: Operations, *handlers: Handler) -> AsyncIterator[None]:
        worker = OperationWorker(operations, directory, handlers, timedelta(milliseconds=20))
        async with background(worker.run()):
            yield

    return work
