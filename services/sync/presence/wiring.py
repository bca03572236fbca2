"""The object graph of presence."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from libs.auth.clock import utc_now
from libs.service.background import background
from libs.wakeups.settings import WakeupSettings
from services.sync.live.ports import Tell
from services.sync.presence.api import PresenceApi, telling
from services.sync.presence.domain.activity import Patience
from services.sync.presence.exchange import Lease
from services.sync.presence.operations import Pace, Presences
from services.sync.presence.ports import Store
from services.sync.presence.settings import PresenceSettings
from services.sync.presence.store.memory import Hall, MemoryStore


@asynccontextmanager
async def open_presence(
    settings: PresenceSettings, suite: WakeupSettings, tell: Tell
) -> AsyncIterator[PresenceApi]:
    """Presence by the suite's Redis. Without one it is of this process; which says so, unless it
    needs no wake-ups, and so is the only one."""
    pace = Pace(
        Patience(settings.idle.total_seconds(), settings.offline.total_seconds()),
        Lease(settings.lease.total_seconds(), settings.renewal.total_seconds()),
    )
    lonely = not suite.has_redis and suite.transport != "none"
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(_open_store(suite, pace.lease.length))
        presences = Presences(store, telling(tell), pace, lonely=lonely)
        stack.push_async_callback(presences.close)
        await presences.round()
        await stack.enter_async_context(background(presences.run()))
        yield PresenceApi(presences, utc_now)


@asynccontextmanager
async def _open_store(suite: WakeupSettings, lease: float) -> AsyncIterator[Store]:
    replica = uuid4().hex
    if not suite.has_redis:
        yield MemoryStore(Hall(lease), replica)
        return
    from libs.redis import open_redis  # not installed everywhere
    from services.sync.presence.store.redis import ANSWER_SECONDS, RedisStore

    async with open_redis(suite, ANSWER_SECONDS) as client:
        yield RedisStore(client, replica, lease)
