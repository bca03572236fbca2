"""What the key operations need from the outside. Every method raises StoreUnavailable when the
shard cannot be reached, and those that write what refuses a writer."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.changes import Asked, Origin
from libs.encryption.store import StoredSubjectKey, StoredTenantKey
from libs.tenancy import Route
from services.governance.keys.domain import SubjectKey, TenantKey

Succession = Mapping[UUID, tuple[str, bool]]  # of keys: their subject, and whether it is the newest


class Keys(Protocol):
    """Wrapped keys of tenants and of subjects, but for the tenant's reserved one where they are
    shown, rotated or retired."""

    async def tenant_keys(self, route: Route, before: int, limit: int) -> Sequence[TenantKey]:
        """Newest first, the versions below `before` (0: all), at most `limit`."""

    async def subject_keys(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> Sequence[SubjectKey]:
        """By id, downwards."""

    async def add_tenant_key(self, route: Route, asked: Asked, key: StoredTenantKey) -> int | None:
        """The version that the request made, now or before; None: another has this version."""

    async def add_subject_key(
        self, route: Route, asked: Asked, key: StoredSubjectKey
    ) -> UUID | None:
        """The key that the request made, now or before; None: another has this version."""

    async def aged(
        self, route: Route, created_before: datetime, after: str | None, limit: int
    ) -> Sequence[tuple[str, int]]:
        """In order, the subjects after this one (None: all) whose newest key is older, and its
        version."""

    async def count_aged(self, route: Route, created_before: datetime) -> int:
        """How many such subjects there are."""

    async def add_subject_keys(
        self, route: Route, origin: Origin, keys: Sequence[StoredSubjectKey]
    ) -> int:
        """How many were added: others may have these versions, or the tenant key be gone."""

    async def wrapped_before(
        self, route: Route, tenant_key_version: int, after: UUID, limit: int
    ) -> Sequence[StoredSubjectKey]:
        """Keys of subjects, the reserved one too, under older versions, by id, those after."""

    async def count_wrapped_before(self, route: Route, tenant_key_version: int) -> int:
        """How many such keys there are."""

    async def replace_tenant_key(
        self, route: Route, old: StoredTenantKey, new: StoredTenantKey
    ) -> bool:
        """Whether it was still the old one."""

    async def replace_subject_keys(
        self, route: Route, changed: Sequence[tuple[StoredSubjectKey, StoredSubjectKey]]
    ) -> int:
        """How many were still the old ones."""

    async def succession(self, route: Route, ids: Collection[UUID]) -> Succession:
        """Of those keys that exist."""

    async def mark(self, route: Route, mark: UUID) -> int:
        """Marks every key of a subject that has a successor; how many there are."""

    async def unmark(self, route: Route, ids: Collection[UUID]) -> None:
        """Something names these keys."""

    async def count_marked(self, route: Route, mark: UUID) -> int:
        """How many are marked still."""

    async def unmark_all(self, route: Route, mark: UUID) -> None:
        """Leaves them as they were."""

    async def destroy_marked(self, route: Route, origin: Origin, mark: UUID, limit: int) -> int:
        """Destroys keys that are marked still, at most `limit`; how many."""

    async def destroy_unused(self, route: Route, origin: Origin) -> int:
        """Destroys old versions of the tenant's key that wrap no key; how many."""
