"""What the operations need from the outside."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.aip.filtering import Comparison
from libs.changes import Asked
from libs.signing import Signed
from libs.spine.changes import LoggedChange
from libs.tenancy import Route, TenantId
from services.governance.audit.domain import Event


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a log begins and ends, at one moment: what was pruned last and its hash (0 and the
    tenant's genesis for nothing), the last number given out, the greatest one there is."""

    floor: int
    floor_hash: bytes
    given: int
    newest: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The hash that an entry had when it was signed."""

    number: int
    hash: bytes
    created_at: datetime
    signed: Signed


class Trail(Protocol):
    """The change log of a tenant. Every method raises StoreUnavailable when the shard cannot be
    reached."""

    async def record(self, route: Route, asked: Asked, event: Event) -> LoggedChange:
        """Appends an event once; a repeat of its request gets the first entry.

        Raises:
            RequestIdReused: The request id was used for something else.
            TenantMoved, TenantSuspended: The shard refuses the writer.
        """

    async def page(
        self, route: Route, where: Sequence[Comparison], since: int, limit: int
    ) -> Sequence[LoggedChange]:
        """Oldest first, those numbered above `since`, at most `limit`."""

    def since(self, route: Route, number: int) -> AsyncIterator[Sequence[LoggedChange]]:
        """Everything numbered above `number`, page by page."""

    async def ends(self, route: Route) -> Ends:
        """Where the log begins and ends."""

    async def prune(self, route: Route, until: int) -> None:
        """Prunes entries up to `until`."""

    async def pruned(self, route: Route, asked: Asked, until: int) -> int:
        """Prunes entries up to `until` and notes that in the log, once for a request; the number
        of the last entry that is gone."""


class Vouchers(Protocol):
    """The platform's signatures under entries that erasing a person has changed."""

    async def voucher(self, tenant: TenantId) -> Callable[[LoggedChange], bool]:
        """Says whether an entry is as it was signed; raises StoreUnavailable."""


class Lengths(Protocol):
    """The logs of all tenants. Raises StoreUnavailable when the control database cannot be reached;
    tenants of a shard that cannot be reached are left out."""

    async def lengths(self) -> Mapping[TenantId, int]:
        """The last number given out in the log of every active tenant that has any."""


class Checkpoints(Protocol):
    """The control database. Every method raises StoreUnavailable when it cannot be reached."""

    async def add(self, tenant: TenantId, number: int, digest: bytes, signed: Signed) -> None:
        """Keeps a checkpoint; the first one of a number stays."""

    async def all(self, tenant: TenantId) -> Sequence[Checkpoint]:
        """In the order of their numbers."""

    async def page(self, tenant: TenantId, since: int, limit: int) -> Sequence[Checkpoint]:
        """Those numbered above `since`, at most `limit`."""

    async def newest(self) -> Mapping[TenantId, tuple[int, datetime]]:
        """The newest of every tenant: its number and when it was made."""

    async def keys(self) -> Mapping[str, bytes]:
        """The public keys that ever signed, by id."""
