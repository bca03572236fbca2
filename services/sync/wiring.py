"""The object graph of the sync service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aeterna.sync.v1 import sync_pb2_grpc as pb_grpc
from libs.auth.clock import utc_now
from libs.service.platform import Platform
from libs.service.server import Registration
from services.sync.api import SyncServicer
from services.sync.documents.wiring import open_documents
from services.sync.operations import Pace, Subscriptions
from services.sync.settings import Settings
from services.sync.store.log import PostgresChangeLog


@asynccontextmanager
async def wire(settings: Settings, platform: Platform) -> AsyncIterator[Sequence[Registration]]:
    """Opens what the service needs; what was opened last is closed first."""
    async with AsyncExitStack() as stack:
        log = PostgresChangeLog(platform.directory)
        pace = Pace(settings.poll, settings.quiet, settings.subscriptions_per_tenant)
        subscriptions = Subscriptions(log, platform.wakeups, pace, utc_now)
        stack.push_async_callback(subscriptions.close)
        servicer = SyncServicer(log, subscriptions)
        add = partial(pb_grpc.add_SyncServiceServicer_to_server, servicer)
        documents = await stack.enter_async_context(
            open_documents(platform, settings.documents, settings.knowledge)
        )
        yield [
            Registration("aeterna.sync.v1.SyncService", add, stopping=subscriptions.stop),
            documents.registration,
        ]
