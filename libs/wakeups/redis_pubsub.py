"""Hints over Redis Pub/Sub, on one channel for all tenants.

Knows nothing of what a hint says.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from pydantic import SecretStr
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from libs.errors import AppError, Kind

_CHANNEL = "aeterna:changes"
_ANSWER_SECONDS = 5.0
_LAST_PORT = 65535
_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": _ANSWER_SECONDS,
    "socket_timeout": _ANSWER_SECONDS,
    "retry": Retry(NoBackoff(), 0),
}


class RedisUrlInvalid(AppError):
    """The configured address is none; it may hold a password, so it is not shown."""

    kind, reason = Kind.PRECONDITION, "REDIS_URL_INVALID"

    def __init__(self) -> None:
        super().__init__("The Redis URL of the wake-ups is not valid.")


class SentinelsInvalid(AppError):
    """The configured addresses are none."""

    kind, reason = Kind.PRECONDITION, "SENTINELS_INVALID"

    def __init__(self) -> None:
        super().__init__("The sentinels of the wake-ups must be HOST:PORT,HOST:PORT.")


@dataclass(frozen=True)
class RedisTransport:
    """`Transport` over Redis; a client that retries by itself would hide what was missed.

    `silence`, in seconds: after so long the server is asked whether it is there; it has as long
    to answer.
    """

    client: redis.asyncio.Redis
    silence: float = 15.0

    async def send(self, hints: Sequence[str]) -> None:
        async with self.client.pipeline(transaction=False) as pipeline:
            for hint in hints:
                pipeline.publish(_CHANNEL, hint)
            await pipeline.execute()

    async def listen(self, ready: Callable[[], None], hear: Callable[[str], None]) -> None:
        async with self.client.pubsub() as pubsub:
            await pubsub.subscribe(_CHANNEL)
            if not await pubsub.get_message(timeout=_ANSWER_SECONDS):
                raise TimeoutError
            ready()
            while True:
                message = await self._next(pubsub)
                if message["type"] == "message":
                    hear(message["data"].decode(errors="replace"))

    async def _next(self, pubsub: PubSub) -> dict[str, Any]:
        """The next message; after a silence it is the answer to a ping."""
        for _ in range(2):
            message: dict[str, Any] | None = await pubsub.get_message(timeout=self.silence)
            if message:
                return message
            await pubsub.ping()
        raise TimeoutError


@asynccontextmanager
async def open_redis_transport(url: SecretStr) -> AsyncIterator[RedisTransport]:
    """Connects when first used.

    Raises:
        RedisUrlInvalid: As it says.
    """
    client = _client(url)
    try:
        yield RedisTransport(client)
    finally:
        await client.aclose()


def _client(url: SecretStr) -> redis.asyncio.Redis:
    try:
        return redis.asyncio.Redis.from_url(url.get_secret_value(), **_OPTIONS)
    except ValueError:
        raise RedisUrlInvalid from None  # the cause may quote a part of the password


@asynccontextmanager
async def open_sentinel_transport(
    sentinels: str, master: str, password: SecretStr | None
) -> AsyncIterator[RedisTransport]:
    """As above, to whichever server the sentinels call the master when a connection is made.

    After a failover sentinels cut the connections of the old master, so that all move over.

    Raises:
        SentinelsInvalid: As it says.
    """
    options = {**_OPTIONS, "password": password.get_secret_value() if password else None}
    make: Any = Sentinel  # has no types
    manager = make(_addresses(sentinels), sentinel_kwargs=options, **options)
    client: redis.asyncio.Redis = manager.master_for(master)
    try:
        yield RedisTransport(client)
    finally:
        for each in (client, *manager.sentinels):
            await each.aclose()


def _addresses(text: str) -> list[tuple[str, int]]:
    pairs = [each.strip().rpartition(":") for each in text.split(",")]
    for host, _, port in pairs:
        if not host or not port.isdecimal() or int(port) > _LAST_PORT:
            raise SentinelsInvalid
    return [(host.strip("[]"), int(port)) for host, _, port in pairs]
