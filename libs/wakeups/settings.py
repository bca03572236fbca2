"""Which way hints take between processes, and opening it.

The only module that knows all transports.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Self

import asyncpg
from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from libs.wakeups import Wakeups
from libs.wakeups.postgres_notify import PostgresTransport
from libs.wakeups.relay import open_relay


class WakeupSettings(BaseModel):
    """`none` suits a single process, `postgres` any installation, `redis` a busy one."""

    model_config = ConfigDict(frozen=True)

    transport: Literal["none", "redis", "postgres"] = "postgres"
    redis_url: SecretStr | None = None  # redis[s]://user:password@host:port

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.transport == "redis" and not self.redis_url:
            raise ValueError("the transport redis needs redis_url")
        return self


@asynccontextmanager
async def open_wakeups(settings: WakeupSettings, control: asyncpg.Pool) -> AsyncIterator[Wakeups]:
    """The wakeups of this process; a transport that is down delays them but never an opening.

    Args:
        control: Of the database that all processes share; only `postgres` uses it.
    Raises:
        RedisUrlInvalid: As it says.
    """
    if settings.transport == "none":
        yield Wakeups()
    elif settings.transport == "postgres":
        async with open_relay(PostgresTransport(control)) as wakeups:
            yield wakeups
    else:
        from libs.wakeups.redis_pubsub import open_redis_transport  # not installed everywhere

        url = settings.redis_url or SecretStr("")
        async with open_redis_transport(url) as transport, open_relay(transport) as wakeups:
            yield wakeups
