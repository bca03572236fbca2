"""Registered agents: what may be changed in them, and by whom. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from libs.auth.role import Role
from libs.authorization.rules import MAX_DEPTH, AgentState
from services.governance.authorization.domain.roles import ADMINISTRATORS, Person
from services.governance.authorization.errors import (
    AgentRevoked,
    CapabilityNotOwn,
    EtagMismatch,
    NotOwner,
)

COLLECTION = "agents"
MOST = 5_000  # agents of a tenant: every service loads them all


class Agent(BaseModel, frozen=True):
    """An agent as it is stored."""

    id: str
    owner: str
    capabilities: tuple[str, ...] = ()  # sorted
    max_depth: int = MAX_DEPTH
    state: AgentState = AgentState.ACTIVE
    expires_at: datetime | None = None
    version: int = 1
    number: int = 0
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Another one for each version."""
        return str(self.version)

    def changed(self, expected: str, values: dict[str, Any], now: datetime) -> Self:
        """The next version; `expected`: the etag that it must have now, "" for any.

        Raises:
            EtagMismatch, AgentRevoked: As they say.
        """
        if expected not in ("", self.etag):
            raise EtagMismatch(f"{COLLECTION}/{self.id}", self.etag)
        if self.state is AgentState.REVOKED and values.get("state") is not AgentState.REVOKED:
            raise AgentRevoked(self.id)
        return self.model_copy(update={**values, "version": self.version + 1, "updated_at": now})

    def check_change(self, person: Person, own: Iterable[Role]) -> None:
        """Raises NotOwner unless he owns it, or his `own` roles are an administrator's."""
        if person.user != self.owner and not ADMINISTRATORS & frozenset(own):
            raise NotOwner(self.id)


def check_capabilities(given: Iterable[str], own: frozenset[str]) -> None:
    """Raises CapabilityNotOwn if an agent with its `own` gives others what it does not have."""
    for capability in sorted(frozenset(given) - own):
        raise CapabilityNotOwn(capability)
