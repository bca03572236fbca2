"""Hints over LISTEN and NOTIFY of PostgreSQL, on one channel for all tenants.

Knows nothing of what a hint says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg

from libs.postgres import lend
from libs.postgres.listen import SILENCE, listen

_CHANNEL = "aeterna_changes"
_SEND = "SELECT pg_notify($1, hint) FROM unnest($2::text[]) AS hint"


@dataclass(frozen=True)
class PostgresTransport:
    """`Transport` over a pool. `silence`: as of `listen`."""

    pool: asyncpg.Pool
    silence: float = SILENCE

    async def send(self, hints: Sequence[str]) -> None:
        async with lend(self.pool) as conn:
            await conn.execute(_SEND, _CHANNEL, hints)

    async def listen(self, ready: Callable[[], None], hear: Callable[[str], None]) -> None:
        await listen(self.pool, _CHANNEL, ready, hear, silence=self.silence)
