"""LISTEN on one channel, over a connection of a pool that is in use all the time.

Needs sessions: a pooler in between must not share them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from libs.postgres import Connection

_ANSWER = 5.0  # seconds for a connection, and for the server to confirm that it listens
SILENCE = 15.0


async def listen(
    pool: asyncpg.Pool,
    channel: str,
    ready: Callable[[], None],
    hear: Callable[[str], None],
    *,
    silence: float = SILENCE,
) -> None:
    """Hears what is notified on the channel until the connection is lost, which it raises.

    Args:
        pool: It lends one connection, which it does not get back.
        channel: Its name, which needs no quotes.
        ready: Called once everything notified from now on will be heard.
        hear: Called with the text of each notification; never raises.
        silence: So often, in seconds, the server is asked whether it is there; it has as long to
            answer.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError,
        asyncpg.InternalClientError: The server is gone, silent or unwilling.
    """
    async with pool.acquire(timeout=_ANSWER) as conn:
        lost = asyncio.Event()
        conn.add_termination_listener(lambda _: lost.set())
        try:
            async with asyncio.timeout(_ANSWER):
                await conn.add_listener(channel, lambda *event: hear(event[-1]))
            ready()
            await _stay(conn, lost, silence)
        finally:
            _hang_up(conn)


async def _stay(conn: Connection, lost: asyncio.Event, silence: float) -> None:
    while not await _within(silence, lost):
        await conn.execute("SELECT 1", timeout=silence)
    raise ConnectionResetError


async def _within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _hang_up(conn: Connection) -> None:
    """The pool must not reuse a connection that listens; UNLISTEN would wait for a lost server."""
    with suppress(asyncpg.InterfaceError):  # it is gone already
        conn.terminate()
