"""What the operations need from the outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.approvals import Config, Configured
from libs.changes import Asked
from libs.scope import Scope
from libs.tenancy import Route
from services.governance.approvals.domain import Approval, Asking, Delegation, Person


@dataclass(frozen=True, slots=True)
class Texts:
    """What is sealed of a request, with the sealed comments of its decisions in their order."""

    title: bytes
    description: bytes
    comments: tuple[tuple[UUID, bytes], ...] = ()  # what each is sealed to, and the blob


@dataclass(frozen=True, slots=True)
class Stored:
    """A request as it is stored: `year` and `serial` are its number for people."""

    approval: Approval
    year: int
    serial: int
    texts: Texts


@dataclass(frozen=True, slots=True)
class Comment:
    """A sealed comment, and what it is sealed to."""

    id: UUID
    blob: bytes


class Requests(Protocol):
    """Requests of a tenant. Every method raises StoreUnavailable when the shard cannot be reached;
    those that write decide under the tenant's lock, remember the answer to their request, and
    raise what `domain` refuses."""

    async def open(
        self, route: Route, asked: Asked, new: UUID, asking: Asking, texts: Texts
    ) -> UUID:
        """Opens a request; its id, or that of the one that the request opened before.

        Raises:
            TargetNotFound, RequestPending, TooFewApprovers: As they say.
        """

    async def decide(
        self,
        route: Route,
        asked: Asked,
        request: UUID,
        person: Person,
        approves: bool,
        comment: Comment,
    ) -> None:
        """Notes a decision."""

    async def withdraw(self, route: Route, asked: Asked, request: UUID, person: Person) -> None:
        """Takes a request back."""

    async def carry_out(
        self, route: Route, asked: Asked, request: UUID, person: Person, digest: str
    ) -> None:
        """Marks an approved request as carried out."""

    async def get(self, route: Route, request: UUID) -> Stored:
        """One; raises RequestNotFound."""

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Stored]:
        """Newest first, those older than `before`, at most `limit`."""

    async def tick(self, route: Route) -> int:
        """Does to requests what is due, and raises alerts of it; how many there were."""


class Settings(Protocol):
    """Delegations and configurations of a tenant; as `Requests`."""

    async def delegate(self, route: Route, asked: Asked, delegation: Delegation) -> Delegation:
        """Stores a delegation; it, or the one that the request made before."""

    async def delegations(
        self, route: Route, person: str, before: UUID | None, limit: int
    ) -> list[Delegation]:
        """Those of and to a person ("" for everybody's) that have not expired, newest first."""

    async def undelegate(self, route: Route, asked: Asked, delegation: UUID, person: str) -> None:
        """Ends one of a person's; raises DelegationNotFound."""

    async def configured(self, route: Route) -> list[Configured]:
        """All configurations."""

    async def configure(
        self, route: Route, asked: Asked, scope: Scope, config: Config, etag: str
    ) -> Configured:
        """Sets the configuration of a scope; raises ConfigVersionMismatch."""

    async def unconfigure(self, route: Route, asked: Asked, scope: Scope, etag: str) -> None:
        """Removes it; raises ConfigNotFound, ConfigVersionMismatch."""
