"""Hints over Redis Pub/Sub, on one channel.

Knows nothing of what a hint says.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.asyncio.client import PubSub

from libs.redis import RedisSettings, open_redis

_CHANNEL = "aeterna:changes"
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class RedisTransport:
    """`Transport` over Redis; a client that retries by itself would hide what was missed.

    `silence`, in seconds: after so long the server is asked whether it is there; it has as long
    to answer.
    """

    client: redis.asyncio.Redis
    silence: float = 15.0
    channel: str = _CHANNEL

    async def send(self, hints: Sequence[str]) -> None:
        async with self.client.pipeline(transaction=False) as pipeline:
            for hint in hints:
                pipeline.publish(self.channel, hint)
            await pipeline.execute()

    async def listen(self, ready: Callable[[], None], hear: Callable[[str], None]) -> None:
        async with self.client.pubsub() as pubsub:
            await pubsub.subscribe(self.channel)
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
async def open_redis_transport(settings: RedisSettings) -> AsyncIterator[RedisTransport]:
    """Connects when first used.

    Raises:
        RedisUrlInvalid, SentinelsInvalid: As they say.
    """
    async with open_redis(settings, _ANSWER_SECONDS) as client:
        yield RedisTransport(client)
