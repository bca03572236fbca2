"""Keys of people in two halves: one in the shard, the other where no backup of the shard holds it.

A key that the shard stores is wrapped once more under a random *share*, which lies in the control
database. Erasing a person destroys both; a shard that is restored from a backup has its half only,
which opens nothing, whoever has the KMS. Keys from before there were shares, and those of tenants
themselves, are in one piece.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import asyncpg

from libs.encryption.errors import KeyDestroyed
from libs.encryption.primitives import KEY_BYTES, unwrap_key, wrap_key
from libs.encryption.store import KeyStore, StoredSubjectKey, StoredTenantKey
from libs.postgres import lend, store_errors
from libs.tenancy import Route

WRAPPED_TWICE = KEY_BYTES + 16  # bytes: each wrapping adds 8
_ADD = """
    INSERT INTO control.key_share (tenant_id, key_id, share) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
"""
_GET = "SELECT key_id, share FROM control.key_share WHERE tenant_id = $1 AND key_id = ANY($2)"


def has_share(subject: str) -> bool:
    """Whether it is a person: not the tenant itself, nor what the keyring keeps for itself."""
    return subject.isprintable() and subject != ""


@dataclass(frozen=True)
class SharedKeyStore:
    """`KeyStore` over another one; `control` is the pool of the control database."""

    inner: KeyStore
    control: asyncpg.Pool

    async def tenant_keys(self, route: Route) -> Sequence[StoredTenantKey]:
        """See `KeyStore`."""
        return await self.inner.tenant_keys(route)

    async def add_tenant_key(self, route: Route, key: StoredTenantKey) -> None:
        """See `KeyStore`."""
        await self.inner.add_tenant_key(route, key)

    async def newest_subject_key(self, route: Route, subject: str) -> StoredSubjectKey | None:
        """See `KeyStore`.

        Raises:
            KeyDestroyed: Its share is gone: the shard was restored, and knows nothing of the
                person's erasure yet.
        """
        stored = await self.inner.newest_subject_key(route, subject)
        if stored is None:
            return None
        for key in await self._whole(route, [stored]):
            return key
        raise KeyDestroyed([stored.id])

    async def subject_keys(self, route: Route, ids: Sequence[UUID]) -> Sequence[StoredSubjectKey]:
        """See `KeyStore`; those without their shares are gone."""
        return await self._whole(route, await self.inner.subject_keys(route, ids))

    async def add_subject_key(self, route: Route, key: StoredSubjectKey, uses: int) -> bool:
        """See `KeyStore`. The share comes first: without a key it means nothing."""
        if not has_share(key.subject):
            return await self.inner.add_subject_key(route, key, uses)
        share = secrets.token_bytes(KEY_BYTES)
        with store_errors():
            async with lend(self.control) as conn:
                await conn.execute(_ADD, route.tenant, key.id, share)
        halved = replace(key, wrapped=wrap_key(share, key.wrapped))
        return await self.inner.add_subject_key(route, halved, uses)

    async def reserve(self, route: Route, key_id: UUID, uses: int, limit: int) -> bool:
        """See `KeyStore`."""
        return await self.inner.reserve(route, key_id, uses, limit)

    async def destroy_subject_keys(self, route: Route, subject: str) -> int:
        """See `KeyStore`; whoever may destroy shares does that first."""
        return await self.inner.destroy_subject_keys(route, subject)

    async def _whole(
        self, route: Route, stored: Sequence[StoredSubjectKey]
    ) -> list[StoredSubjectKey]:
        halved = [key.id for key in stored if len(key.wrapped) == WRAPPED_TWICE]
        shares = await self._shares(route, halved) if halved else {}
        return [
            replace(key, wrapped=unwrap_key(shares[key.id], key.wrapped))
            if key.id in shares
            else key
            for key in stored
            if key.id in shares or len(key.wrapped) != WRAPPED_TWICE
        ]

    async def _shares(self, route: Route, ids: Sequence[UUID]) -> dict[UUID, bytes]:
        with store_errors():
            async with lend(self.control) as conn:
                rows = await conn.fetch(_GET, route.tenant, list(ids))
        return {row["key_id"]: row["share"] for row in rows}
