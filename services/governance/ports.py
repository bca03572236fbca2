"""What the operations need from the outside."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.changes import Origin, Request
from libs.tenancy import Route, TenantId
from services.governance.domain.tenant import Draft, State, Tenant


class TenantChange(Protocol):
    """A tenant that nobody else creates or changes meanwhile. What was not committed is undone."""

    @property
    def tenant(self) -> Tenant | None:
        """As it is now; None when there is none."""

    @property
    def answered(self) -> Tenant | None:
        """The first answer to this request; None when it is the first."""

    async def place(self, shard: str) -> Route:
        """The way to a new tenant's data: on this shard, or on the emptiest shared one for "".

        Raises:
            ShardNotFound, ShardOccupied, NoSharedShard: As they say.
        """

    async def route(self) -> Route:
        """The way to the tenant's data, suspended or not; raises TenantNotFound."""

    async def create(self, draft: Draft, route: Route) -> Tenant:
        """Commits the new tenant, placed where `route` leads."""

    async def set_state(self, state: State) -> Tenant:
        """Commits the state; the tenant as it is now, or the first answer to this request."""


class Registry(Protocol):
    """The control database. Every method raises StoreUnavailable when it cannot be reached."""

    def changing(
        self, tenant: TenantId, request: Request | None
    ) -> AbstractAsyncContextManager[TenantChange]:
        """Holds the tenant until the block ends; raises RequestIdReused."""

    async def get(self, tenant: TenantId) -> Tenant:
        """One tenant; raises TenantNotFound."""

    async def page(self, after: str, limit: int) -> Sequence[Tenant]:
        """By id, those greater than `after`."""


class Shards(Protocol):
    """The tenant's own row and log in its shard: the fence that every writer has to pass.

    Every method may be repeated, and raises StoreUnavailable when the shard cannot be reached.
    """

    async def provision(self, route: Route, origin: Origin) -> None:
        """Makes room for a new tenant."""

    async def suspend(self, route: Route, origin: Origin) -> None:
        """Lowers the fence: no write passes once this returns."""

    def resuming(self, route: Route, origin: Origin) -> AbstractAsyncContextManager[None]:
        """Raises the fence when the block ends well."""
