"""Where wrapped keys are kept: the port, and its adapter for PostgreSQL.

Knows nothing of what is wrapped in what. Every method works for the tenant of its route; all keys
in here are wrapped, so a copy of these tables opens nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from libs import spine
from libs.tenancy import Route


@dataclass(frozen=True, slots=True)
class StoredTenantKey:
    """One version of a tenant's key, wrapped by the key `kms_key_id` of the KMS."""

    version: int
    kms_key_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class StoredSubjectKey:
    """One version of a subject's data key, wrapped by version `tenant_key_version`."""

    subject: str
    version: int
    id: UUID
    tenant_key_version: int
    wrapped: bytes


class KeyStore(Protocol):
    """Wrapped keys of tenants and subjects."""

    async def tenant_keys(self, route: Route) -> Sequence[StoredTenantKey]:
        """Every version, oldest first; empty for a tenant that has none."""
        ...

    async def add_tenant_key(self, route: Route, key: StoredTenantKey) -> None:
        """Add a version; does nothing when that version exists: the first one stays."""
        ...

    async def newest_subject_key(self, route: Route, subject: str) -> StoredSubjectKey | None:
        """The newest version of a subject's key."""
        ...

    async def subject_keys(self, route: Route, ids: Sequence[UUID]) -> Sequence[StoredSubjectKey]:
        """The keys that exist among `ids`, of any version, in no order."""
        ...

    async def add_subject_key(self, route: Route, key: StoredSubjectKey, uses: int) -> bool:
        """Add a version with uses reserved for this caller; False when that version exists, or the
        version of the tenant key that wrapped it does not (any more)."""
        ...

    async def reserve(
        self,
        route: Route,
        key_id: UUID,
        uses: int,
        limit: int,
        longest_use: timedelta | None = None,
    ) -> bool:
        """Reserve uses of a key for this caller alone.

        Returns:
            False, and nothing changes, when its total would pass `limit`, when it is older than
            `longest_use`, or when it does not exist.
        """
        ...

    async def revision(self, route: Route) -> int:
        """Grows with each rotation and each destruction of a key of the tenant."""
        ...

    async def destroy_subject_keys(self, route: Route, subject: str) -> int:
        """Delete every version of a subject's key for good; how many there were."""
        ...


_TENANT_KEYS = """
    SELECT version, kms_key_id, wrapped FROM aeterna.tenant_key
    WHERE tenant_id = $1 ORDER BY version
"""
_ADD_TENANT_KEY = """
    INSERT INTO aeterna.tenant_key (tenant_id, version, kms_key_id, wrapped)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_NEWEST_SUBJECT_KEY = """
    SELECT subject_id AS subject, version, id, tenant_key_version, wrapped FROM aeterna.subject_key
    WHERE tenant_id = $1 AND subject_id = $2 ORDER BY version DESC LIMIT 1
"""
_SUBJECT_KEYS = """
    SELECT subject_id AS subject, version, id, tenant_key_version, wrapped FROM aeterna.subject_key
    WHERE tenant_id = $1 AND id = ANY ($2::uuid[])
"""
_ADD_SUBJECT_KEY = """
    INSERT INTO aeterna.subject_key
        (tenant_id, subject_id, version, id, tenant_key_version, wrapped, uses)
    SELECT $1, $2, $3, $4, $5, $6, $7
    WHERE EXISTS (SELECT FROM aeterna.tenant_key WHERE tenant_id = $1 AND version = $5)
    ON CONFLICT DO NOTHING RETURNING true
"""
_RESERVE = """
    UPDATE aeterna.subject_key SET uses = uses + $3
    WHERE tenant_id = $1 AND id = $2 AND uses + $3 <= $4
        AND ($5::interval IS NULL OR created_at > now() - $5) RETURNING true
"""
_DESTROY = """
    WITH destroyed AS (
        DELETE FROM aeterna.subject_key WHERE tenant_id = $1 AND subject_id = $2 RETURNING 1
    ), forgotten AS (
        DELETE FROM aeterna.retired_key WHERE tenant_id = $1 AND subject_id = $2)
    SELECT count(*) FROM destroyed
"""
_REVISION = "SELECT revision FROM aeterna.key_revision WHERE tenant_id = $1"
REVISE = """
    INSERT INTO aeterna.key_revision AS r (tenant_id, revision) VALUES ($1, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET revision = r.revision + 1
"""


class PostgresKeyStore:
    """`KeyStore` in the tenant's shard; row-level security is a second wall behind `tenant_id`."""

    async def tenant_keys(self, route: Route) -> Sequence[StoredTenantKey]:
        """See `KeyStore`."""
        return [StoredTenantKey(**row) for row in await spine.read(route, _TENANT_KEYS)]

    async def add_tenant_key(self, route: Route, key: StoredTenantKey) -> None:
        """See `KeyStore`."""
        values = (key.version, key.kms_key_id, key.wrapped)
        async with spine.writing(route) as write:
            await write.conn.execute(_ADD_TENANT_KEY, route.tenant, *values)

    async def newest_subject_key(self, route: Route, subject: str) -> StoredSubjectKey | None:
        """See `KeyStore`."""
        rows = await spine.read(route, _NEWEST_SUBJECT_KEY, subject)
        return StoredSubjectKey(**rows[0]) if rows else None

    async def subject_keys(self, route: Route, ids: Sequence[UUID]) -> Sequence[StoredSubjectKey]:
        """See `KeyStore`."""
        rows = await spine.read(route, _SUBJECT_KEYS, ids)
        return [StoredSubjectKey(**row) for row in rows]

    async def add_subject_key(self, route: Route, key: StoredSubjectKey, uses: int) -> bool:
        """See `KeyStore`."""
        values = (key.subject, key.version, key.id, key.tenant_key_version, key.wrapped, uses)
        async with spine.writing(route) as write:
            return bool(await write.conn.fetchval(_ADD_SUBJECT_KEY, route.tenant, *values))

    async def reserve(
        self,
        route: Route,
        key_id: UUID,
        uses: int,
        limit: int,
        longest_use: timedelta | None = None,
    ) -> bool:
        """See `KeyStore`."""
        values = (key_id, uses, limit, longest_use)
        async with spine.writing(route) as write:
            return bool(await write.conn.fetchval(_RESERVE, route.tenant, *values))

    async def revision(self, route: Route) -> int:
        """See `KeyStore`."""
        rows = await spine.read(route, _REVISION)
        return int(rows[0]["revision"]) if rows else 0

    async def destroy_subject_keys(self, route: Route, subject: str) -> int:
        """See `KeyStore`."""
        async with spine.writing(route) as write:
            write.add(REVISE)
            return int(await write.conn.fetchval(_DESTROY, route.tenant, subject))
