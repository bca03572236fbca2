"""The object graph of the sync service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic

from aeterna.sync.v1 import live_pb2_grpc
from aeterna.sync.v1 import sync_pb2_grpc as pb_grpc
from libs.auth.clock import utc_now
from libs.service.admission import admission_of
from libs.service.background import background
from libs.service.checking import Checker
from libs.service.platform import Platform
from libs.service.server import Registration
from services.sync.api import SyncServicer
from services.sync.documents.wiring import open_documents
from services.sync.live.api import Live, LiveServicer
from services.sync.live.api.messages import Speech
from services.sync.live.api.parts import Parts
from services.sync.live.means import Means
from services.sync.live.operations import Hub
from services.sync.live.store import PolicyRights, PostgresLiveLog
from services.sync.operations import Pace, Subscriptions
from services.sync.presence.wiring import open_presence
from services.sync.settings import Settings
from services.sync.tails import Tails
from services.sync.web.files import read_files
from services.sync.web.server import WebServer

_CONSOLE = Path(__file__).with_name("console")


@asynccontextmanager
async def wire(settings: Settings, platform: Platform) -> AsyncIterator[Sequence[Registration]]:
    """Opens what the service needs; what was opened last is closed first."""
    async with AsyncExitStack() as stack:
        log = PostgresLiveLog(platform.directory)
        tails = Tails(log, platform.wakeups, settings.poll)
        stack.push_async_callback(tails.close)
        pace = Pace(settings.quiet, settings.subscriptions_per_tenant)
        subscriptions = Subscriptions(log, tails, pace, utc_now)
        live = await stack.enter_async_context(_live(settings, platform, log, tails))
        documents = await stack.enter_async_context(
            open_documents(platform, settings.documents, settings.knowledge)
        )
        live.plug(documents=documents.live)
        presence = open_presence(settings.presence, platform.settings.wakeups, live.tell)
        live.plug(presence=await stack.enter_async_context(presence))
        add = partial(pb_grpc.add_SyncServiceServicer_to_server, SyncServicer(log, subscriptions))
        add_live = partial(live_pb2_grpc.add_LiveServiceServicer_to_server, LiveServicer(live))
        yield [
            Registration("aeterna.sync.v1.SyncService", add, stopping=subscriptions.stop),
            Registration(
                "aeterna.sync.v1.LiveService",
                add_live,
                stopping=live.stop,
                lenient=frozenset({"Connect"}),
                door=_web(settings, live),
            ),
            documents.registration,
        ]


def _web(settings: Settings, live: Live) -> WebServer:
    """WebSockets and the console."""
    files = read_files(_CONSOLE)
    return WebServer(settings.web, settings.server.tls, live, settings.live, files)


@asynccontextmanager
async def _live(
    settings: Settings, platform: Platform, log: PostgresLiveLog, tails: Tails
) -> AsyncIterator[Live]:
    """Live connections, looked after while the block runs."""
    rights = PolicyRights(platform.directory, platform.authority)
    means = Means(log, tails, rights, Speech(), settings.live, monotonic)
    hub = Hub(means, settings.quiet)
    admission = admission_of("sync", platform, settings.server)
    async with background(hub.run()):
        yield Live(Parts(hub, means, admission, Checker(), utc_now))
