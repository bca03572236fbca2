"""What the operations need from the outside."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from libs.aip.filtering import Condition
from libs.changes import Command
from libs.ot.clocks import Fields
from libs.tenancy import Route, TenantId
from services.sync.documents.domain.document import Document, Edit, State
from services.sync.documents.domain.drafts import Draft
from services.sync.documents.domain.editing import Body
from services.sync.documents.domain.revisions import Revision


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command has made: the version, and the edit if it was one. `state` is that of the
    version, where it is at hand; a repeat has none."""

    id: UUID
    version: int
    edit: Edit | None
    state: State | None = None


class Credentials(NamedTuple):
    """In whose name another service is called."""

    token: str
    tenant: TenantId


@dataclass(frozen=True, slots=True)
class Item:
    """A knowledge item, as far as saving goes by it."""

    id: UUID
    version: int
    is_draft: bool
    title: str
    content: str


class Knowledge(Protocol):
    """The knowledge service. Every method raises what it refuses, and KnowledgeUnavailable."""

    async def get(self, by: Credentials, item: UUID) -> Item:
        """An item as it is."""

    async def create(self, by: Credentials, request_id: UUID, draft: Draft) -> UUID:
        """Makes a draft; once for a request id."""

    async def update(self, by: Credentials, request_id: UUID, item: Item, draft: Draft) -> None:
        """Changes a draft that is still as it was read.

        Raises:
            AppError: Of kind CONFLICT: it is not.
        """

    async def supersede(self, by: Credentials, request_id: UUID, new: UUID, old: UUID) -> None:
        """Says that an item is to replace another; once."""


class Documents(Protocol):
    """Documents of all tenants. Every method raises StoreUnavailable when the shard cannot be
    reached, and DocumentNotFound for a document that there is not."""

    async def submit(self, route: Route, command: Command[Body]) -> Outcome:
        """Carries out a command; a repeat of the request gets the first answer.

        Raises:
            AppError: What `decide` refuses, Behind among it, RequestIdReused, or what refuses the
                writer.
        """

    async def known(self, route: Route, document: UUID) -> State:
        """A document as it is, or was a moment ago."""

    async def newest(self, route: Route, document: UUID) -> State:
        """A document as it is."""

    async def deepened(self, route: Route, document: UUID, version: int) -> State:
        """As `known`, with the edits after a version, as far as they are kept and there is room."""

    def missed(
        self, route: Route, document: UUID, first: int, last: int
    ) -> AsyncIterator[Sequence[Edit]]:
        """The edits after the one version up to the other, some at a time; DocumentBusy if one is
        not kept any more."""

    async def at(self, route: Route, document: UUID, version: int) -> State:
        """A document as it was.

        Raises:
            VersionNotReached, HistoryCompacted: There is no such version, or no longer.
        """

    async def edits(
        self, route: Route, document: UUID, since: int, limit: int
    ) -> tuple[Sequence[Edit], int]:
        """The edits after a version, without gaps, at most `limit`; and the newest version.

        Raises:
            BaseNotReached, HistoryCompacted: There is no such version, or no longer.
        """

    async def edits_of(
        self, route: Route, document: UUID, numbers: Sequence[int]
    ) -> Sequence[Edit]:
        """Those that these changes of the document are, as far as they are kept."""

    async def revisions(
        self, route: Route, document: UUID, before: int, limit: int
    ) -> Sequence[Revision]:
        """Edits up to a version, each as a revision, newest first; at most `limit`."""

    async def page(
        self, route: Route, where: Sequence[Condition], before: UUID | None, limit: int
    ) -> Sequence[tuple[Document, Fields]]:
        """Newest first, those older than `before`."""

    async def places(
        self, route: Route, columns: Sequence[str], most: int
    ) -> list[tuple[str, ...]]:
        """What the rows hold in these columns (SQL from our own code), each once, at most `most`
        and one more."""
