"""What services call to seal and open fields: finds, makes, caches and retires the keys behind it.

Knows nothing of SQL or of a KMS provider. Call it before a write transaction, never inside one: a
subject's first key is itself a write of the tenant.
"""

import asyncio
import hmac
import os
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

from libs.encryption.cache import Began, KeyCache
from libs.encryption.envelope import KEY_ID, DataKey, key_id_of
from libs.encryption.errors import KeyDestroyed
from libs.encryption.hierarchy import TenantKeys
from libs.encryption.kms import Kms
from libs.encryption.primitives import KEY_BYTES, NONCE_BYTES, hkdf_sha256
from libs.encryption.registry import Field
from libs.encryption.shares import Shares
from libs.encryption.store import KeyStore, StoredSubjectKey
from libs.tenancy import Route

USES_LIMIT = 2**32 - 2**24  # random nonces: 2^32 per key at most (NIST SP 800-38D, 8.3)
USES_BLOCK = 2**20
MAC_SUBJECT = "\x01mac"  # no user id holds a control character


class Plain(NamedTuple):
    """A value to seal. `subject` is the user it is about, "" for the tenant's own data."""

    subject: str
    field: Field
    row_id: UUID
    data: bytes

    def __repr__(self) -> str:
        return f"Plain({self.field}, {self.row_id}, {len(self.data)} bytes)"


class Sealed(NamedTuple):
    """A stored value with the place it was read from; its key is named inside."""

    field: Field
    row_id: UUID
    blob: bytes


class _Primary:
    """The key that seals for a subject, with how often this process may still use it."""

    __slots__ = ("key", "remaining")

    def __init__(self, key: DataKey, remaining: int) -> None:
        self.key = key
        self.remaining = remaining


class Sealer:
    """Seals a number of values with a key that is at hand; good for one write."""

    __slots__ = ("_key", "_uses")

    def __init__(self, key: DataKey, uses: int) -> None:
        self._key, self._uses = key, uses

    def __call__(self, field: Field, row_id: UUID, data: bytes) -> bytes:
        """The stored form.

        Raises:
            ValueError: It was asked for fewer values, or the field is not registered as encrypted.
        """
        if not self._uses:
            raise ValueError("more values than were asked for")
        self._uses -= 1
        return self._key.seal(field, row_id, data, os.urandom(NONCE_BYTES))


class Keyring:
    """Seals, opens and authenticates for every tenant; one per process.

    Args:
        clock: Seconds, monotonic.
        ttl_seconds: How long a key works after its last reading from the store; one disabled in
            the KMS stops in twice that.
        capacity: The most keys kept, of each kind.
        uses_block: Encryptions reserved in the store at a time; what a process leaves is lost.
        uses_limit: Encryptions that may be reserved of a key before a new version takes over.
        grace_seconds: How much longer a tenant's key works while the KMS does not answer.
        refresh_seconds: How often it is asked whether a tenant's keys were rotated or destroyed.
        longest_use: The age at which a subject's key is followed by a new one; None: never.
        shares: Where the other halves of people's keys are; None: keys are in one piece.
    """

    def __init__(
        self,
        kms: Kms,
        store: KeyStore,
        clock: Callable[[], float] = time.monotonic,
        *,
        ttl_seconds: float = 600,
        capacity: int = 10_000,
        uses_block: int = USES_BLOCK,
        uses_limit: int = USES_LIMIT,
        grace_seconds: float = 0,
        refresh_seconds: float = 5,
        longest_use: timedelta | None = None,
        shares: Shares | None = None,
    ) -> None:
        if not 0 < uses_block <= uses_limit <= USES_LIMIT:
            raise ValueError("need 0 < uses_block <= uses_limit <= USES_LIMIT")
        self._store = store
        self._clock = clock
        self._uses_block = uses_block
        self._uses_limit = uses_limit
        self._refresh_seconds, self._longest_use = refresh_seconds, longest_use
        self.hierarchy = TenantKeys(kms, store, clock, capacity, ttl_seconds, grace_seconds, shares)
        self._primaries = KeyCache[_Primary](clock, capacity, ttl_seconds)
        self._data_keys = KeyCache[DataKey](clock, capacity, ttl_seconds)
        self._mac_keys = KeyCache[bytes](clock, capacity, ttl_seconds)
        self._due: dict[str, float] = {}  # when to ask again how a tenant's keys are
        self._revisions: dict[str, int] = {}  # and the answer
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def create_tenant_key(self, route: Route) -> None:
        """Give a new tenant its key; does nothing for one that has it."""
        await self.hierarchy.create(route)

    async def seal(self, route: Route, items: Sequence[Plain]) -> list[bytes]:
        """The stored forms, in order; makes the keys of subjects seen for the first time.

        Raises:
            TenantKeyMissing: the tenant was not provisioned.
            ValueError: a field is not registered as encrypted, or a subject is reserved.
        """
        tenant, now = route.tenant, self._clock()
        if now >= self._due.get(tenant, now):
            await self._refresh(route, now)
        nonces = os.urandom(NONCE_BYTES * len(items))  # a third of the time if called for each
        used = 0
        seen: dict[str, _Primary] = {}
        blobs = []
        for subject, field, row_id, data in items:
            primary = seen.get(subject)
            if primary is None or not primary.remaining:
                primary = self._primaries.get((tenant, subject), now)
                if primary is None or not primary.remaining:
                    primary = await self._primary(route, subject)
                seen[subject] = primary
            primary.remaining -= 1
            nonce = nonces[used : used + NONCE_BYTES]
            used += NONCE_BYTES
            blobs.append(primary.key.seal(field, row_id, data, nonce))
        return blobs

    async def sealer(self, route: Route, subject: str, uses: int) -> Sealer:
        """What seals so many values without waiting for anything, for what is known inside a write
        only; raises what `seal` does.

        Args:
            uses: At most `uses_block`; those that are not needed are lost.
        """
        tenant, now = route.tenant, self._clock()
        if now >= self._due.get(tenant, now):
            await self._refresh(route, now)
        primary = self._primaries.get((tenant, subject), now)
        while primary is None or primary.remaining < uses:
            if primary is not None:
                primary.remaining = 0  # too few: the rest is lost
            primary = await self._primary(route, subject)
        primary.remaining -= uses
        return Sealer(primary.key, uses)

    async def open(self, route: Route, items: Sequence[Sealed]) -> list[bytes]:
        """The plaintexts, in order; reads all keys that are not cached with one call.

        Raises:
            DecryptionFailed: a value was altered, or belongs to another place.
            KeyDestroyed: a key is gone; `metadata["keyIds"]` names all that are.
            ValueError: a field is not registered as encrypted.
        """
        tenant, now = route.tenant, self._clock()
        if now >= self._due.get(tenant, now):
            await self._refresh(route, now)
        keys: dict[bytes, DataKey] = {}
        plaintexts = []
        for field, row_id, blob in items:
            key_id = blob[KEY_ID]
            key = keys.get(key_id) or self._data_keys.get((tenant, key_id), now)
            if key is None:
                keys |= await self._read_keys(route, items)
                key = keys[key_id]
            keys[key_id] = key
            plaintexts.append(key.open(field, row_id, blob))
        return plaintexts

    async def mac(self, route: Route, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA256 (32 bytes) under the tenant's key for a purpose.

        The secret behind it is random, the tenant's own, and outlives every rotation: what was
        indexed by it stays findable. It is wrapped like a subject's key, under a reserved subject.

        Raises:
            TenantKeyMissing: the tenant was not provisioned.
        """
        (code,) = await self.macs(route, purpose, [data])
        return code

    async def macs(self, route: Route, purpose: str, items: Sequence[bytes]) -> list[bytes]:
        """As `mac`, of each item."""
        key = self._mac_keys.get((route.tenant, purpose), self._clock())
        key = key or await self._mac_key(route, purpose)
        return [hmac.digest(key, data, "sha256") for data in items]

    async def destroy_subject(self, route: Route, subject: str) -> int:
        """Delete a subject's keys for good: what they sealed is erased, in backups too.

        Returns:
            How many versions there were. Other processes notice within `refresh_seconds`, or at
            once when told to `invalidate`; what they seal until then the database refuses.
        """
        _refuse_reserved(subject)
        destroyed = await self._store.destroy_subject_keys(route, subject)
        self.invalidate(route.tenant)
        return destroyed

    def invalidate(self, tenant: str) -> None:
        """Forget every key of a tenant: after rotation or erasure in another process."""
        self.hierarchy.invalidate(tenant)
        for cache in (self._primaries, self._data_keys, self._mac_keys):
            cache.drop(tenant)

    async def _refresh(self, route: Route, now: float) -> None:
        """Forgets a tenant's keys if they were changed elsewhere; asks now and then."""
        tenant = route.tenant
        self._due[tenant] = now + self._refresh_seconds  # who comes meanwhile need not wait
        try:
            revision = await self._store.revision(route)
        except BaseException:
            del self._due[tenant]
            raise
        known = self._revisions.get(tenant)
        if known is not None and known != revision:
            self.invalidate(tenant)
        self._revisions[tenant] = revision

    async def _primary(self, route: Route, subject: str) -> _Primary:
        """A primary with uses left; callers for the same subject wait for the first one."""
        _refuse_reserved(subject)
        name = (route.tenant, subject)
        async with self._locks.setdefault(name, asyncio.Lock()):
            began = self._primaries.begin()
            found = self._primaries.get(name, began.seconds)
            if found is not None and found.remaining:
                return found
            primary = await self._acquire(route, subject, self._primaries.expired(name))
            self._primaries.put(name, primary, began)
            return primary

    async def _acquire(self, route: Route, subject: str, old: _Primary | None) -> _Primary:
        """Confirm the old primary, or reserve uses of the newest version, or make the next one."""
        while True:
            began = self._data_keys.begin()
            newest = await self._store.newest_subject_key(route, subject)
            if newest and old and await self._still(route, newest, old):
                old.key = await self._data_key(route, newest, began)
                return old
            if newest and await self._reserve(route, newest, self._uses_block):
                return _Primary(await self._data_key(route, newest, began), self._uses_block)
            version = newest.version + 1 if newest else 1
            fresh = await self.hierarchy.new_subject_key(route, subject, version)
            if await self._store.add_subject_key(route, fresh, self._uses_block):
                return _Primary(await self._data_key(route, fresh, began), self._uses_block)
            self.hierarchy.invalidate(route.tenant)  # another was first, or the tenant key is gone

    async def _still(self, route: Route, newest: StoredSubjectKey, old: _Primary) -> bool:
        """Whether the primary of before is what still seals."""
        if old.key.id != newest.id or not old.remaining:
            return False
        return self._longest_use is None or await self._reserve(route, newest, 0)

    async def _reserve(self, route: Route, key: StoredSubjectKey, uses: int) -> bool:
        limits = self._uses_limit, self._longest_use
        return await self._store.reserve(route, key.id, uses, *limits)

    async def _read_keys(self, route: Route, items: Sequence[Sealed]) -> dict[bytes, DataKey]:
        """The keys of `items` that are not cached."""
        began = self._data_keys.begin()
        ids = {key_id_of(item.blob) for item in items}
        wanted = {
            UUID(bytes=key_id)
            for key_id in ids
            if self._data_keys.get((route.tenant, key_id), began.seconds) is None
        }
        stored = await self._store.subject_keys(route, list(wanted))
        if gone := wanted - {key.id for key in stored}:
            raise KeyDestroyed(gone)
        secrets = await self.hierarchy.unwrap_all(route, stored)
        return {
            key.id.bytes: self._keep(route, key, secret, began)
            for key, secret in zip(stored, secrets, strict=True)
        }

    async def _data_key(self, route: Route, stored: StoredSubjectKey, began: Began) -> DataKey:
        return self._keep(route, stored, await self.hierarchy.unwrap(route, stored), began)

    def _keep(self, route: Route, stored: StoredSubjectKey, secret: bytes, began: Began) -> DataKey:
        key = DataKey(route.tenant, stored.id, stored.version, secret)
        self._data_keys.put((route.tenant, stored.id.bytes), key, began)
        return key

    async def _mac_key(self, route: Route, purpose: str) -> bytes:
        began = self._mac_keys.begin()
        secret = await self.hierarchy.unwrap(route, await self._mac_secret(route))
        info = b"aeterna mac " + purpose.encode()
        key = hkdf_sha256(secret, salt=b"", info=info, length=KEY_BYTES)
        self._mac_keys.put((route.tenant, purpose), key, began)
        return key

    async def _mac_secret(self, route: Route) -> StoredSubjectKey:
        while True:
            stored = await self._store.newest_subject_key(route, MAC_SUBJECT)
            if stored is not None:
                return stored
            fresh = await self.hierarchy.new_subject_key(route, MAC_SUBJECT, version=1)
            await self._store.add_subject_key(route, fresh, uses=0)


def _refuse_reserved(subject: str) -> None:
    if subject == MAC_SUBJECT:
        raise ValueError("this subject is reserved")
