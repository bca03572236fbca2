"""The suite's Redis: where it is, and connections that give up soon.

Knows nothing of what is kept there.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, SecretStr

from libs.errors import AppError, Kind

if TYPE_CHECKING:
    import redis.asyncio

_LAST_PORT = 65535


class RedisSettings(BaseModel):
    """One server by its URL, or the master that Sentinels know; neither when there is no Redis."""

    model_config = ConfigDict(frozen=True)

    redis_url: SecretStr | None = None  # redis[s]://user:password@host:port
    sentinels: str = ""  # host:port,host:port: they know which Redis is the master
    master: str = "mymaster"  # its name among the sentinels
    password: SecretStr | None = None  # of the sentinels and of the Redis servers behind them

    @property
    def has_redis(self) -> bool:
        """Whether there is one."""
        return bool(self.redis_url or self.sentinels)


class RedisUrlInvalid(AppError):
    """The configured address is none; it may hold a password, so it is not shown."""

    kind, reason = Kind.PRECONDITION, "REDIS_URL_INVALID"

    def __init__(self) -> None:
        super().__init__("The Redis URL is not valid.")


class SentinelsInvalid(AppError):
    """The configured addresses are none."""

    kind, reason = Kind.PRECONDITION, "SENTINELS_INVALID"

    def __init__(self) -> None:
        super().__init__("The sentinels must be HOST:PORT,HOST:PORT.")


@asynccontextmanager
async def open_redis(
    settings: RedisSettings, answer_seconds: float
) -> "AsyncIterator[redis.asyncio.Redis]":
    """A client that connects when first used, waits so long for each answer, and retries nothing.

    With Sentinels it talks to whichever server they call the master when a connection is made;
    after a failover they cut the connections of the old one, so that all move over; one that was
    replaced and does not know it yet is left with its first refusal of a write, a ConnectionError.

    Raises:
        RedisUrlInvalid, SentinelsInvalid: As they say.
    """
    from redis.asyncio.retry import Retry  # not installed everywhere
    from redis.backoff import NoBackoff

    options: dict[str, Any] = {
        "socket_connect_timeout": answer_seconds,
        "socket_timeout": answer_seconds,
        "retry": Retry(NoBackoff(), 0),
    }
    clients = _by_sentinels(settings, options) if settings.sentinels else _by_url(settings, options)
    try:
        yield clients[0]
    finally:
        for each in clients:
            await each.aclose()


def _by_url(settings: RedisSettings, options: dict[str, Any]) -> "list[redis.asyncio.Redis]":
    from redis.asyncio import Redis

    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    try:
        return [Redis.from_url(url, **options)]
    except ValueError:
        raise RedisUrlInvalid from None  # the cause may quote a part of the password


def _by_sentinels(settings: RedisSettings, options: dict[str, Any]) -> "list[redis.asyncio.Redis]":
    """The client of the master, and those of the Sentinels behind it."""
    from redis.asyncio.sentinel import Sentinel

    from libs.redis.masters import MasterConnection

    password = settings.password.get_secret_value() if settings.password else None
    options = {**options, "password": password}
    make: Any = Sentinel  # has no types
    manager = make(_addresses(settings.sentinels), sentinel_kwargs=options, **options)
    master = manager.master_for(settings.master, connection_class=MasterConnection)
    return [master, *manager.sentinels]


def _addresses(text: str) -> list[tuple[str, int]]:
    pairs = [each.strip().rpartition(":") for each in text.split(",")]
    for host, _, port in pairs:
        if not host or not port.isdecimal() or int(port) > _LAST_PORT:
            raise SentinelsInvalid
    return [(host.strip("[]"), int(port)) for host, _, port in pairs]
