"""Tenant keys: fetched from the KMS, kept for a while, and used to wrap the keys of subjects.

Knows nothing of fields or of what subject keys are used for.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from uuid import uuid4
from weakref import WeakValueDictionary

from libs.encryption.cache import KeyCache
from libs.encryption.errors import KeyDestroyed, TenantKeyMissing
from libs.encryption.kms import Context, Kms, WrappedKey
from libs.encryption.primitives import KEY_BYTES, unwrap_key, wrap_key
from libs.encryption.shares import Shares, needs_share
from libs.encryption.store import KeyStore, StoredSubjectKey, StoredTenantKey
from libs.tenancy import Route

_VERSIONS = "versions"


class TenantKeys:
    """The upper half of the hierarchy: KMS key > tenant key > (wraps) subject key."""

    def __init__(
        self,
        kms: Kms,
        store: KeyStore,
        clock: Callable[[], float],
        capacity: int,
        ttl: float,
        shares: Shares | None = None,
    ) -> None:
        self._kms, self._shares = kms, shares
        self._store = store
        self._cache = KeyCache[dict[int, bytes]](clock, capacity, ttl)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, route: Route) -> None:
        """Give the tenant its first key, unless it has one."""
        if await self._store.tenant_keys(route):
            return
        wrapped = (await self._kms.generate(_context(route, version=1))).wrapped
        await self._store.add_tenant_key(
            route, StoredTenantKey(1, wrapped.key_id, wrapped.ciphertext)
        )

    async def new_subject_key(self, route: Route, subject: str, version: int) -> StoredSubjectKey:
        """A fresh random key, wrapped by the tenant's newest key; not stored yet.

        Raises:
            TenantKeyMissing: the tenant has no key.
        """
        versions = await self._load(route)
        if not versions:
            raise TenantKeyMissing(route.tenant)
        newest = max(versions)
        identity, secret = uuid4(), secrets.token_bytes(KEY_BYTES)
        if self._shares and needs_share(subject):
            secret = wrap_key(await self._shares.make(route, identity), secret)
        return StoredSubjectKey(
            subject, version, identity, newest, wrap_key(versions[newest], secret)
        )

    async def unwrap(self, route: Route, stored: StoredSubjectKey) -> bytes:
        """As `unwrap_all`, of one."""
        return (await self.unwrap_all(route, [stored]))[0]

    async def unwrap_all(self, route: Route, stored: Sequence[StoredSubjectKey]) -> list[bytes]:
        """Subjects' keys in the clear.

        Raises:
            KeyDestroyed: the version of the tenant key that wrapped one is gone, or its share is.
            DecryptionFailed: a wrapped key was altered.
        """
        secrets = [await self._without_tenant_key(route, each) for each in stored]
        shared = [
            each.id for each, secret in zip(stored, secrets, strict=True) if len(secret) > KEY_BYTES
        ]
        if not shared:
            return secrets
        shares = await self._shares.find(route, shared) if self._shares else {}
        if gone := set(shared) - shares.keys():
            raise KeyDestroyed(gone)
        return [
            unwrap_key(shares[each.id], secret) if each.id in shares else secret
            for each, secret in zip(stored, secrets, strict=True)
        ]

    async def _without_tenant_key(self, route: Route, stored: StoredSubjectKey) -> bytes:
        """What the tenant's key has wrapped: the key, or the key wrapped by its share."""
        versions = await self._load(route, stored.tenant_key_version)
        try:
            tenant_key = versions[stored.tenant_key_version]
        except KeyError:
            raise KeyDestroyed([stored.id]) from None
        return unwrap_key(tenant_key, stored.wrapped)

    def invalidate(self, tenant: str) -> None:
        """Forget the tenant's keys; the next use asks the KMS."""
        self._cache.drop(tenant)

    async def _load(self, route: Route, wanted: int | None = None) -> dict[int, bytes]:
        """Every version; from the cache unless `wanted` is too new for it. One load at a time."""
        async with self._locks.setdefault(route.tenant, asyncio.Lock()):
            began = self._cache.begin()
            cached = self._cache.get((route.tenant, _VERSIONS), began.seconds)
            if cached is not None and (wanted is None or wanted in cached):
                return cached
            stored = await self._store.tenant_keys(route)
            versions = {key.version: await self._unwrap(route, key) for key in stored}
            if versions:
                self._cache.put((route.tenant, _VERSIONS), versions, began)
            return versions

    async def _unwrap(self, route: Route, key: StoredTenantKey) -> bytes:
        wrapped = WrappedKey(key.kms_key_id, key.wrapped)
        return await self._kms.unwrap(wrapped, _context(route, key.version))


def _context(route: Route, version: int) -> Context:
    return {"tenant": route.tenant, "version": str(version)}
