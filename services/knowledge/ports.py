"""What the operations need from the outside."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from libs.aip.filtering import Condition
from libs.changes import Command
from libs.consent import Consents
from libs.tenancy import Route
from services.knowledge.domain import changes, relations
from services.knowledge.domain.item import Stored
from services.knowledge.domain.relations import Relation


class Consenting(Protocol):
    """What people allow."""

    async def get(self, route: Route) -> Consents:
        """As it is now, or was at most a second ago; raises StoreUnavailable."""


class Items(Protocol):
    """Items of a tenant. Every method raises StoreUnavailable when the shard cannot be reached."""

    async def submit(self, route: Route, command: Command[changes.Body]) -> Sequence[Stored]:
        """Carries out a command once; a repeat of its request gets the first answer: the item that
        it made or changed, then those that this superseded.

        Raises:
            ItemNotFound, VersionMismatch, IllegalTransition, SelfReview, ApprovalRequired,
                RequestIdReused: As they say.
            TenantMoved, TenantSuspended: The shard refuses the writer.
        """

    async def get_many(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        """Those that exist, in the order of `ids`."""

    async def page(
        self, route: Route, where: Sequence[Condition], before: UUID | None, limit: int
    ) -> list[Stored]:
        """Newest first, those older than `before`, at most `limit`."""

    async def all_versions(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        """The versions before the current ones, as far as they are kept."""

    async def places(
        self, route: Route, columns: Sequence[str], most: int
    ) -> list[tuple[str, ...]]:
        """What there is in these columns of rows (SQL from our own code), each once, at most `most`
        and one more."""

    async def versions(self, route: Route, item: UUID, numbers: Sequence[int]) -> list[Stored]:
        """The versions that these changes made."""


class Relations(Protocol):
    """Links between the items of a tenant; raises StoreUnavailable like `Items`."""

    async def submit(self, route: Route, command: Command[relations.Body]) -> Sequence[Relation]:
        """Carries out a command once; a repeat of its request gets the first answer: the relation
        that it made, none for a removal.

        Raises:
            ItemNotFound, RelationNotFound, RelationExists, NotADraft, InvalidRequest,
                RequestIdReused: As they say.
            TenantMoved, TenantSuspended: The shard refuses the writer.
        """

    async def get_many(self, route: Route, ids: Sequence[UUID]) -> list[Relation]:
        """Those that exist, in no order."""

    async def page(
        self, route: Route, item: UUID, before: UUID | None, limit: int
    ) -> list[Relation]:
        """Those from and to an item, newest first, older than `before`, at most `limit`."""
