"""Which way hints take between processes, and opening it.

The only module that knows all transports.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Self

import asyncpg
from pydantic import model_validator

from libs.redis import RedisSettings
from libs.wakeups import Wakeups
from libs.wakeups.postgres_notify import PostgresTransport
from libs.wakeups.relay import open_relay


class WakeupSettings(RedisSettings):
    """`none` suits a single process, `postgres` any installation, `redis` a busy one.

    The Redis named here is the suite's: what else wants one takes it, whatever the transport.
    """

    transport: Literal["none", "redis", "postgres"] = "postgres"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.transport == "redis" and bool(self.redis_url) == bool(self.sentinels):
            raise ValueError("the transport redis needs either redis_url or sentinels")
        return self


@asynccontextmanager
async def open_wakeups(settings: WakeupSettings, control: asyncpg.Pool) -> AsyncIterator[Wakeups]:
    """The wakeups of this process; a transport that is down delays them but never an opening.

    Args:
        control: Of the database that all processes share; only `postgres` uses it.
    Raises:
        RedisUrlInvalid, SentinelsInvalid: As they say.
    """
    if settings.transport == "none":
        yield Wakeups()
    elif settings.transport == "postgres":
        async with open_relay(PostgresTransport(control)) as wakeups:
            yield wakeups
    else:
        from libs.wakeups.redis_pubsub import open_redis_transport  # not installed everywhere

        async with open_redis_transport(settings) as transport, open_relay(transport) as wakeups:
            yield wakeups
