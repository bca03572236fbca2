"""Shares of people's keys: what wraps a key first, kept where no backup of a shard holds it.

What the shard stores of a person's key is wrapped by a random *share* and then by the tenant's key.
Erasing a person destroys both halves; a shard that is restored from a backup has its half only,
which opens nothing, whoever has the key management service. Rewrapping by another tenant key does
not touch the share. Keys of tenants themselves have none, nor those from before there were shares.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import asyncpg

from libs.encryption.primitives import KEY_BYTES
from libs.postgres import lend, store_errors
from libs.tenancy import Route

_ADD = "INSERT INTO control.key_share (tenant_id, key_id, share) VALUES ($1, $2, $3)"
_GET = "SELECT key_id, share FROM control.key_share WHERE tenant_id = $1 AND key_id = ANY($2)"


class Shares(Protocol):
    """Shares by the keys that they are of."""

    async def make(self, route: Route, key_id: UUID) -> bytes:
        """A new one, 32 random bytes, kept before it is used."""
        ...

    async def find(self, route: Route, key_ids: Sequence[UUID]) -> Mapping[UUID, bytes]:
        """Those that exist."""
        ...


def needs_share(subject: str) -> bool:
    """Whether it is a person: not the tenant itself, nor what the keyring keeps for itself."""
    return subject != "" and subject.isprintable()


@dataclass(frozen=True)
class ControlShares:
    """`Shares` in the control database; `control` is its pool."""

    control: asyncpg.Pool

    async def make(self, route: Route, key_id: UUID) -> bytes:
        """See `Shares`."""
        share = secrets.token_bytes(KEY_BYTES)
        with store_errors():
            async with lend(self.control) as conn:
                await conn.execute(_ADD, route.tenant, key_id, share)
        return share

    async def find(self, route: Route, key_ids: Sequence[UUID]) -> Mapping[UUID, bytes]:
        """See `Shares`."""
        with store_errors():
            async with lend(self.control) as conn:
                rows = await conn.fetch(_GET, route.tenant, list(key_ids))
        return {row["key_id"]: row["share"] for row in rows}
