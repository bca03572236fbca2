"""Finding, among the hosts of a DSN, the server that takes writes.

asyncpg gives all hosts one time limit, which a machine that is gone and answers nothing uses up
alone. Here each has its own.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

_ANSWER_SECONDS = 5.0  # for one host
_READ_ONLY = ("in_hot_standby", "default_transaction_read_only")  # reported at every change
_NEXT_HOST = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,  # it starts, stops or recovers
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,
)


async def connect_writable(dsn: str, **options: Any) -> asyncpg.Connection:
    """A connection to the first host, in the DSN's order, that is no standby nor read-only.

    Args:
        options: As of `asyncpg.connect`.
    Raises:
        What the last host failed with.
    """
    *others, last = _each_host(dsn)
    for each in others:
        try:
            return await _connect(each, options)
        except _NEXT_HOST:
            continue
    return await _connect(last, options)


async def _connect(dsn: str, options: dict[str, Any]) -> asyncpg.Connection:
    connection: asyncpg.Connection = await asyncpg.connect(
        dsn,
        **options,
        timeout=_ANSWER_SECONDS,
        target_session_attrs=SessionAttribute.read_write,
    )
    return connection


def _each_host(dsn: str) -> Iterator[str]:
    """The DSN once for each of `user@host:port,host:port`."""
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    for host in hosts.split(","):
        yield parts._replace(netloc=f"{user}{at}{host}").geturl()


def is_read_only(connection: asyncpg.Connection) -> bool:
    """Whether the server has said meanwhile that it takes no writes any more."""
    said = connection.get_settings()
    return any(getattr(said, name, "off") == "on" for name in _READ_ONLY)
