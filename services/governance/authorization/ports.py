"""What the servicers need of the rules.

Every method raises StoreUnavailable when the shard cannot be reached; those that change something
also RequestIdReused, TenantMoved and TenantSuspended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.auth import Role
from libs.authorization.rules import AgentState
from libs.changes import Asked
from libs.tenancy import Route
from services.governance.authorization.domain.agents import Agent
from services.governance.authorization.domain.policies import Policy, Version
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
        """A new one with these fields; raises AgentAlreadyExists, NotOwner, BeyondOwn,
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
        BeyondOwn."""

    async def turn(
        self, route: Route, asked: Asked, person: Person, agent: str, state: AgentState
    ) -> Agent:
        """Suspends, resumes or revokes; raises AgentNotFound, NotOwner, AgentRevoked,
        BeyondOwn."""

    async def get(self, route: Route, agent: str) -> Agent:
        """One agent; raises AgentNotFound."""

    async def page(self, route: Route, after: str, limit: int) -> Sequence[Agent]:
        """By id, those greater than `after`."""


class Policies(Protocol):
    """A tenant's own policies, each with the version that is shown: the active, or the newest.

    `expected` is the etag that the policy must have, "" for any; else EtagMismatch is raised, and
    PolicyNotFound where there is none.
    """

    async def create(
        self, route: Route, asked: Asked, policy: str, text: str, description: str
    ) -> tuple[Policy, Version]:
        """A new one, as a draft; raises PolicyAlreadyExists, TooMany."""

    async def update(
        self, route: Route, asked: Asked, policy: str, expected: str, text: str, description: str
    ) -> tuple[Policy, Version]:
        """One version more, as a draft; raises TooMany."""

    async def activate(
        self, route: Route, asked: Asked, policy: str, expected: str, version: int
    ) -> tuple[Policy, Version]:
        """Makes a version hold, the newest for 0; raises PolicyVersionNotFound, PolicyNotValid,
        TooMany."""

    async def roll_back(
        self, route: Route, asked: Asked, policy: str, expected: str
    ) -> tuple[Policy, Version]:
        """Makes the version hold that did before; raises NothingToRollBackTo, PolicyNotValid."""

    async def deactivate(
        self, route: Route, asked: Asked, policy: str, expected: str
    ) -> tuple[Policy, Version]:
        """Makes none hold."""

    async def delete(self, route: Route, asked: Asked, policy: str, expected: str) -> None:
        """Removes it with its versions."""

    async def get(self, route: Route, policy: str) -> tuple[Policy, Version]:
        """One policy."""

    async def page(self, route: Route, after: str, limit: int) -> Sequence[tuple[Policy, Version]]:
        """By id, those greater than `after`."""

    async def history(
        self, route: Route, policy: str, below: int, limit: int
    ) -> tuple[Policy, Sequence[Version]]:
        """The versions below a number, newest first; 0: all."""

    async def text(self, route: Route, policy: str, version: int) -> str:
        """The statement of a version, the newest for 0; raises PolicyVersionNotFound."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question that was asked, as it is kept, how often, when last, and since which hour."""

    question: Mapping[str, Any]
    asked: int
    last_at: datetime
    hour: datetime


class Decisions(Protocol):
    """Decisions that were made."""

    async def recorded(
        self, route: Route, since: datetime | None, until: datetime | None, limit: int
    ) -> Sequence[Recorded]:
        """Those of a time, by whole hours, that were asked last first."""
