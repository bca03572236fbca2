"""Tenant keys: fetched from the KMS, kept for a while, and used to wrap the keys of subjects.

Knows nothing of fields or of what subject keys are used for.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from uuid import uuid4
from weakref import WeakValueDictionary

from libs.encryption.cache import Began, KeyCache
from libs.encryption.errors import KeyDestroyed, KmsUnavailable, TenantKeyMissing
from libs.encryption.kms import Context, Kms, WrappedKey
from libs.encryption.primitives import KEY_BYTES, unwrap_key, wrap_key
from libs.encryption.shares import Shares, needs_share
from libs.encryption.store import KeyStore, StoredSubjectKey, StoredTenantKey
from libs.metrics import KMS_STALE
from libs.tenancy import Route

_VERSIONS = "versions"
_PATIENCE = 15.0  # seconds between attempts to reach a service that is away, while old keys do


class TenantKeys:
    """The upper half of the hierarchy: KMS key > tenant key > (wraps) subject key.

    While the KMS is away, keys that were fetched before are used `grace` seconds longer than `ttl`.
    """

    def __init__(
        self,
        kms: Kms,
        store: KeyStore,
        clock: Callable[[], float],
        capacity: int,
        ttl: float,
        grace: float = 0,
        shares: Shares | None = None,
    ) -> None:
        self._kms, self._shares = kms, shares
        self._store = store
        self._grace, self._away_until = grace, 0.0
        self._cache = KeyCache[dict[int, bytes]](clock, capacity, ttl)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(self, route: Route) -> None:
        """Give the tenant its first key, unless it has one."""
        if await self._store.tenant_keys(route):
            return
        await self._store.add_tenant_key(route, await self.new_tenant_key(route, version=1))

    async def new_tenant_key(self, route: Route, version: int) -> StoredTenantKey:
        """A fresh random key, wrapped by the KMS; not stored yet."""
        wrapped = (await self._kms.generate(_context(route, version))).wrapped
        return StoredTenantKey(version, wrapped.key_id, wrapped.ciphertext)

    async def rewrapped_by_kms(self, route: Route, key: StoredTenantKey) -> StoredTenantKey:
        """The same key, wrapped by what the KMS wraps with now; not stored yet."""
        wrapped = WrappedKey(key.kms_key_id, key.wrapped)
        fresh = await self._kms.rewrap(wrapped, _context(route, key.version))
        return StoredTenantKey(key.version, fresh.key_id, fresh.ciphertext)

    async def new_subject_key(self, route: Route, subject: str, version: int) -> StoredSubjectKey:
        """A fresh random key, wrapped by the tenant's newest key; not stored yet.

        Raises:
            TenantKeyMissing: the tenant has no key.
        """
        newest, key = await self._newest(route)
        identity, secret = uuid4(), secrets.token_bytes(KEY_BYTES)
        if self._shares and needs_share(subject):
            secret = wrap_key(await self._shares.make(route, identity), secret)
        return StoredSubjectKey(subject, version, identity, newest, wrap_key(key, secret))

    async def rewrapped(self, route: Route, stored: StoredSubjectKey) -> StoredSubjectKey:
        """The same key, wrapped by the tenant's newest key; not stored yet. Its share stays.

        Raises:
            KeyDestroyed: the version of the tenant key that wrapped it is gone.
            DecryptionFailed: the wrapped key was altered.
        """
        versions = await self._load(route, stored.tenant_key_version)
        secret, newest = _unwrapped(versions, stored), max(versions)
        wrapped = wrap_key(versions[newest], secret)
        return replace(stored, tenant_key_version=newest, wrapped=wrapped)

    async def _newest(self, route: Route) -> tuple[int, bytes]:
        versions = await self._load(route)
        if not versions:
            raise TenantKeyMissing(route.tenant)
        newest = max(versions)
        return newest, versions[newest]

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
        return _unwrapped(await self._load(route, stored.tenant_key_version), stored)

    def invalidate(self, tenant: str) -> None:
        """The next use asks the KMS; only while that is away the tenant's keys still do."""
        self._cache.expire(tenant)

    async def _load(self, route: Route, wanted: int | None = None) -> dict[int, bytes]:
        """Every version; from the cache unless `wanted` is too new for it. One load at a time."""
        async with self._locks.setdefault(route.tenant, asyncio.Lock()):
            began = self._cache.begin()
            cached = self._cache.get((route.tenant, _VERSIONS), began.seconds)
            if cached is not None and (wanted is None or wanted in cached):
                return cached
            stored = await self._store.tenant_keys(route)
            versions = self._old(route, stored, began.seconds, self._away_until)
            if versions is None:
                versions = await self._fetch(route, stored, began)
            return versions

    async def _fetch(
        self, route: Route, stored: Sequence[StoredTenantKey], began: Began
    ) -> dict[int, bytes]:
        """From the KMS; as long as it is away, what it said before, for as long as that may be."""
        try:
            versions = {key.version: await self._unwrap(route, key) for key in stored}
        except KmsUnavailable:
            self._away_until = began.seconds + _PATIENCE
            old = self._old(route, stored, began.seconds, self._away_until)
            if old is None:
                raise
            return old
        self._away_until = 0.0
        if versions:
            self._cache.put((route.tenant, _VERSIONS), versions, began)
        return versions

    def _old(
        self, route: Route, stored: Sequence[StoredTenantKey], now: float, away_until: float
    ) -> dict[int, bytes] | None:
        """What may be used longer, if the KMS is away and every stored key is among it."""
        old = self._cache.get((route.tenant, _VERSIONS), now - self._grace)
        if now >= away_until or old is None or any(key.version not in old for key in stored):
            return None
        KMS_STALE.inc()
        return {key.version: old[key.version] for key in stored}

    async def _unwrap(self, route: Route, key: StoredTenantKey) -> bytes:
        wrapped = WrappedKey(key.kms_key_id, key.wrapped)
        return await self._kms.unwrap(wrapped, _context(route, key.version))


def _unwrapped(versions: Mapping[int, bytes], stored: StoredSubjectKey) -> bytes:
    try:
        tenant_key = versions[stored.tenant_key_version]
    except KeyError:
        raise KeyDestroyed([stored.id]) from None
    return unwrap_key(tenant_key, stored.wrapped)


def _context(route: Route, version: int) -> Context:
    return {"tenant": route.tenant, "version": str(version)}
