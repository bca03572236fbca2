"""Builders and fakes for the tests of encryption."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import cast
from uuid import UUID, uuid4

import asyncpg

from libs.encryption import Field, Plain, Sealed
from libs.encryption.registry import MEMORY_CONTENT
from libs.encryption.store import StoredSubjectKey, StoredTenantKey
from libs.encryption.store_memory import MemoryKeyStore
from libs.tenancy import Route, ShardId, TenantId


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class InterleavedStore(MemoryKeyStore):
    """Yields to other tasks before and after each call, as a database would; counts the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    async def tenant_keys(self, route: Route) -> Sequence[StoredTenantKey]:
        await self._yield("tenant_keys")
        result = await super().tenant_keys(route)
        await asyncio.sleep(0)
        return result

    async def add_tenant_key(self, route: Route, key: StoredTenantKey) -> None:
        await self._yield("add_tenant_key")
        await super().add_tenant_key(route, key)
        await asyncio.sleep(0)

    async def newest_subject_key(self, route: Route, subject: str) -> StoredSubjectKey | None:
        await self._yield("newest_subject_key")
        result = await super().newest_subject_key(route, subject)
        await asyncio.sleep(0)
        return result

    async def subject_keys(self, route: Route, ids: Sequence[UUID]) -> Sequence[StoredSubjectKey]:
        await self._yield("subject_keys")
        result = await super().subject_keys(route, ids)
        await asyncio.sleep(0)
        return result

    async def add_subject_key(self, route: Route, key: StoredSubjectKey, uses: int) -> bool:
        await self._yield("add_subject_key")
        result = await super().add_subject_key(route, key, uses)
        await asyncio.sleep(0)
        return result

    async def reserve(
        self,
        route: Route,
        key_id: UUID,
        uses: int,
        limit: int,
        longest_use: timedelta | None = None,
    ) -> bool:
        await self._yield("reserve")
        result = await super().reserve(route, key_id, uses, limit, longest_use)
        await asyncio.sleep(0)
        return result

    async def _yield(self, name: str) -> None:
        self.calls[name] += 1
        await asyncio.sleep(0)


def make_route(tenant: str = "acme") -> Route:
    """A route without a database behind it."""
    return Route(TenantId(tenant), ShardId("one"), 1, cast(asyncpg.Pool, None))


def make_plain(
    subject: str = "ada", data: bytes = b"likes tea", field: Field = MEMORY_CONTENT
) -> Plain:
    """A value for a row of its own."""
    return Plain(subject, field, uuid4(), data)


def as_read(plains: Sequence[Plain], blobs: Sequence[bytes]) -> list[Sealed]:
    """What reading the rows back gives."""
    return [
        Sealed(plain.field, plain.row_id, blob) for plain, blob in zip(plains, blobs, strict=True)
    ]
