"""Finding, among the hosts of a DSN, the server that takes writes.

asyncpg asks one host after the other, so that a machine which is gone and answers nothing holds up
those behind it. Here the next one is asked too once the earlier ones have been silent for a while;
and whoever says no is asked again while one is silent, since it may be about to take over.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

_HEAD_START = 0.5  # seconds before the next host is asked, too
_ANSWER_SECONDS = 5.0  # for one host
_READ_ONLY = ("in_hot_standby", "default_transaction_read_only")  # reported at every change
_NEXT_HOST = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,  # it starts, stops or recovers
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,
)
_Attempt = asyncio.Task[asyncpg.Connection]


async def connect_writable(dsn: str, **options: Any) -> asyncpg.Connection:
    """A connection to a host that is no standby nor read-only: the first to say so.

    Args:
        dsn: Its hosts are asked in their order, each with a head start.
        options: As of `asyncpg.connect`.
    Raises:
        What the last host failed with.
    """
    hosts, attempts = list(_each_host(dsn)), dict[str, _Attempt]()
    try:
        while True:
            for host in hosts:
                if host not in attempts or _said_no(attempts[host]):
                    attempts[host] = asyncio.create_task(_connect(host, options))
                if answered := await _answered(attempts):
                    return attempts.pop(answered).result()
            if all(each.done() for each in attempts.values()):
                return attempts[hosts[-1]].result()
    finally:
        await _drop(attempts.values())


async def _answered(attempts: Mapping[str, _Attempt]) -> str | None:
    """The host that succeeds, or fails for good, before another ends or a head start is over."""
    asked = {each: host for host, each in attempts.items() if not each.done()}
    if not asked:
        return None
    done, _ = await asyncio.wait(asked, timeout=_HEAD_START, return_when=asyncio.FIRST_COMPLETED)
    ends = (asked[each] for each in done if not isinstance(each.exception(), _NEXT_HOST))
    return next(ends, None)


def _said_no(attempt: _Attempt) -> bool:
    return attempt.done() and not isinstance(attempt.exception(), TimeoutError)


async def _drop(attempts: Iterable[_Attempt]) -> None:
    """Ends them, and closes what they opened."""
    for each in attempts:
        each.cancel()
    for made in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(made, asyncpg.Connection):
            made.terminate()


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
