"""Which way hints take between processes, and opening it.

The only module that knows all transports.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, Self

import asyncpg
from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from libs.wakeups import Wakeups
from libs.wakeups.postgres_notify import PostgresTransport
from libs.wakeups.relay import Transport, open_relay


class WakeupSettings(BaseModel):
    """`none` suits a single process, `postgres` any installation, `redis` a busy one."""

    model_config = ConfigDict(frozen=True)

    transport: Literal["none", "redis", "postgres"] = "postgres"
    redis_url: SecretStr | None = None  # redis[s]://user:password@host:port
    sentinels: str = ""  # host:port,host:port: they know which Redis is the master
    master: str = "mymaster"  # its name among the sentinels
    password: SecretStr | None = None  # of the sentinels and of the Redis servers behind them

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
        async with _redis(settings) as transport, open_relay(transport) as wakeups:
            yield wakeups


def _redis(settings: WakeupSettings) -> AbstractAsyncContextManager[Transport]:
    from libs.wakeups import redis_pubsub  # not installed everywhere

    if settings.redis_url:
        return redis_pubsub.open_redis_transport(settings.redis_url)
    return redis_pubsub.open_sentinel_transport(
        settings.sentinels, settings.master, settings.password
    )
