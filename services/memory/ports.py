"""What the operations need from the outside."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from libs.aip.filtering import Condition
from libs.changes import Command
from libs.tenancy import Route
from services.memory.domain.changes import Body
from services.memory.domain.memory import Stored


class Near(NamedTuple):
    """A memory, and the turns before and after it in its session, nearest first, at most two
    each; those of a memory that was not asked for are not told."""

    memory: Stored
    before: Sequence[UUID]
    after: Sequence[UUID]


class Consenting(Protocol):
    """What people allow."""

    async def require_to_store(self, route: Route, subjects: Collection[str]) -> None:
        """Raises ConsentMissing unless all of these people allow what storing needs."""


class Memories(Protocol):
    """Memories of a tenant. Every method raises StoreUnavailable when the shard cannot be
    reached."""

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Stored]:
        """Carries out a command once; a repeat of its request gets the first answer: the memories
        that it made or changed, none for a deletion.

        Raises:
            MemoryNotFound, VersionMismatch, NotBroader, RequestIdReused: As they say.
            TenantMoved, TenantSuspended: The shard refuses the writer.
        """

    async def get_many(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        """Those that exist, in the order of `ids`."""

    async def around(
        self, route: Route, ids: Sequence[UUID], centres: Sequence[UUID]
    ) -> list[Near]:
        """Those of `ids` that exist, and the two turns before and after each of `centres`, which
        are among them, in its session."""

    async def page(
        self, route: Route, where: Sequence[Condition], before: UUID | None, limit: int
    ) -> list[Stored]:
        """Newest first, those older than `before`, at most `limit`."""

    async def places(
        self, route: Route, columns: Sequence[str], most: int
    ) -> list[tuple[str, ...]]:
        """What there is in these columns of rows (SQL from our own code), each once, at most `most`
        and one more."""

    async def earlier(self, route: Route, memory: UUID, limit: int) -> list[Stored]:
        """Of the versions before the current one, one for each that reads otherwise, at most
        `limit`."""

    async def all_versions(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        """The versions before the current ones, as far as they are kept."""

    async def versions(self, route: Route, memory: UUID, numbers: Sequence[int]) -> list[Stored]:
        """The versions that these changes made, as far as they are kept."""
