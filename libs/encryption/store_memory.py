"""`KeyStore` in a dictionary: for tests and benchmarks, held to the same contract suite."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.encryption.store import StoredSubjectKey, StoredTenantKey
from libs.tenancy import Route


class MemoryKeyStore:
    """Keys of any number of tenants, gone with the process."""

    def __init__(self) -> None:
        self._tenant_keys: dict[tuple[str, int], StoredTenantKey] = {}
        self._subject_keys: dict[tuple[str, str, int], StoredSubjectKey] = {}
        self._uses: dict[UUID, int] = {}
        self._created: dict[UUID, datetime] = {}
        self._revisions: Counter[str] = Counter()

    async def tenant_keys(self, route: Route) -> Sequence[StoredTenantKey]:
        """See `KeyStore`."""
        keys = [key for (tenant, _), key in self._tenant_keys.items() if tenant == route.tenant]
        return sorted(keys, key=lambda key: key.version)

    async def add_tenant_key(self, route: Route, key: StoredTenantKey) -> None:
        """See `KeyStore`."""
        self._tenant_keys.setdefault((route.tenant, key.version), key)

    async def newest_subject_key(self, route: Route, subject: str) -> StoredSubjectKey | None:
        """See `KeyStore`."""
        keys = [key for key in self._of(route) if key.subject == subject]
        return max(keys, key=lambda key: key.version, default=None)

    async def subject_keys(self, route: Route, ids: Sequence[UUID]) -> Sequence[StoredSubjectKey]:
        """See `KeyStore`."""
        return [key for key in self._of(route) if key.id in ids]

    async def add_subject_key(self, route: Route, key: StoredSubjectKey, uses: int) -> bool:
        """See `KeyStore`."""
        name = (route.tenant, key.subject, key.version)
        if name in self._subject_keys or not self._wrappable(route, key):
            return False
        self._created[key.id] = datetime.now(UTC)
        self._subject_keys[name] = key
        self._uses[key.id] = uses
        return True

    async def reserve(
        self,
        route: Route,
        key_id: UUID,
        uses: int,
        limit: int,
        longest_use: timedelta | None = None,
    ) -> bool:
        """See `KeyStore`."""
        exists = any(key.id == key_id for key in self._of(route))
        if not exists or self._uses[key_id] + uses > limit:
            return False
        if longest_use is not None and self._created[key_id] <= datetime.now(UTC) - longest_use:
            return False
        self._uses[key_id] += uses
        return True

    async def revision(self, route: Route) -> int:
        """See `KeyStore`."""
        return self._revisions[route.tenant]

    async def destroy_subject_keys(self, route: Route, subject: str) -> int:
        """See `KeyStore`."""
        self._revisions[route.tenant] += 1
        doomed = [key for key in self._of(route) if key.subject == subject]
        for key in doomed:
            del self._subject_keys[route.tenant, key.subject, key.version]
        return len(doomed)

    def _wrappable(self, route: Route, key: StoredSubjectKey) -> bool:
        return (route.tenant, key.tenant_key_version) in self._tenant_keys

    def _of(self, route: Route) -> list[StoredSubjectKey]:
        return [key for (tenant, *_), key in self._subject_keys.items() if tenant == route.tenant]
