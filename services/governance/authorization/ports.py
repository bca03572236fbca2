"""What the servicers need of the rules.

Every method raises StoreUnavailable when the shard cannot be reached; those that change something
also RequestIdReused, TenantMoved and TenantSuspended.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.auth import Role
from libs.authorization.rules import AgentState
from libs.changes import Asked
from libs.tenancy import Route
from services.governance.authorization.domain.agents import Agent
from services.governance.authorization.domain.roles import (
    Person,
    Place,
    RoleBinding,
    SuspendedUser,
)


class Roles(Protocol):
    """Roles of people in places, and people who may do nothing."""

    async def assign(
        self,
        route: Route,
        asked: Asked,
        person: Person,
        user: str,
        role: Role,
        place: Place,
        expires_at: datetime | None,
    ) -> RoleBinding:
        """Gives a role; raises RoleAboveOwn, TooMany."""

    async def revoke(self, route: Route, asked: Asked, person: Person, binding: UUID) -> None:
        """Takes it away; raises RoleBindingNotFound, RoleAboveOwn."""

    async def get(self, route: Route, binding: UUID) -> RoleBinding:
        """One binding; raises RoleBindingNotFound."""

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> Sequence[RoleBinding]:
        """Newest first, those older than `before`."""

    async def suspend(self, route: Route, asked: Asked, person: Person, user: str) -> SuspendedUser:
        """Suspends a user, or finds that he is; raises OwnSuspension, RoleAboveOwn."""

    async def resume(self, route: Route, asked: Asked, person: Person, user: str) -> None:
        """Ends it; raises UserNotSuspended, and what `suspend` raises."""

    async def suspended(self, route: Route, after: str, limit: int) -> Sequence[SuspendedUser]:
        """By user, those greater than `after`."""


class Agents(Protocol):
    """Registered agents."""

    async def register(
        self, route: Route, asked: Asked, person: Person, agent: str, values: dict[str, Any]
    ) -> Agent:
        """A new one with these fields; raises AgentAlreadyExists, NotOwner, CapabilityNotOwn,
        TooMany."""

    async def update(
        self,
        route: Route,
        asked: Asked,
        person: Person,
        agent: str,
        expected: str,
        values: dict[str, Any],
    ) -> Agent:
        """Replaces fields; raises AgentNotFound, NotOwner, EtagMismatch, AgentRevoked,
        CapabilityNotOwn."""

    async def turn(
        self, route: Route, asked: Asked, person: Person, agent: str, state: AgentState
    ) -> Agent:
        """Suspends, resumes or revokes; raises AgentNotFound, NotOwner, AgentRevoked."""

    async def get(self, route: Route, agent: str) -> Agent:
        """One agent; raises AgentNotFound."""

    async def page(self, route: Route, after: str, limit: int) -> Sequence[Agent]:
        """By id, those greater than `after`."""
