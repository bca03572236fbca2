"""Hints over LISTEN and NOTIFY of PostgreSQL, on one channel for all tenants.

Needs sessions: a pooler in between must not share them. Knows nothing of what a hint says.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
from asyncpg.pool import PoolConnectionProxy

_CHANNEL = "aeterna_changes"
_ANSWER_SECONDS = 5.0
_SEND = "SELECT pg_notify($1, hint) FROM unnest($2::text[]) AS hint"


@dataclass(frozen=True)
class PostgresTransport:
    """`Transport` over a pool, of which one connection is in use all the time.

    `silence`, in seconds: so often the server is asked whether it is there; it has as long to
    answer.
    """

    pool: asyncpg.Pool
    silence: float = 15.0

    async def send(self, hints: Sequence[str]) -> None:
        await self.pool.execute(_SEND, _CHANNEL, hints)

    async def listen(self, ready: Callable[[], None], hear: Callable[[str], None]) -> None:
        async with self.pool.acquire(timeout=_ANSWER_SECONDS) as conn:
            lost = asyncio.Event()
            conn.add_termination_listener(lambda _: lost.set())
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await conn.add_listener(_CHANNEL, lambda *event: hear(event[-1]))
                ready()
                await self._stay(conn, lost)
            finally:
                _hang_up(conn)

    async def _stay(self, conn: PoolConnectionProxy, lost: asyncio.Event) -> None:
        while not await _within(self.silence, lost):
            await conn.execute("SELECT 1", timeout=self.silence)
        raise ConnectionResetError


async def _within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _hang_up(conn: PoolConnectionProxy) -> None:
    """The pool must not reuse a connection that listens; UNLISTEN would wait for a lost server."""
    with suppress(asyncpg.InterfaceError):  # it is gone already
        conn.terminate()
