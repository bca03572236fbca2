"""Registered agents: what may be changed in them, and by whom. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from libs.auth.roles import Role
from libs.authorization.rules import MAX_DEPTH, AgentState
from services.governance.authorization.domain.roles import ADMINISTRATORS, Person
from services.governance.authorization.errors import (
    AgentRevoked,
    BeyondOwn,
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


def check_gift(person: Person, before: Agent | None, after: Agent, ends: datetime | None) -> None:
    """Whether agents that act for a person may make this of an agent: they give nothing that is
    not their own, and change none of themselves. People give all, as no agent may more than the
    person it acts for.

    Args:
        before: What it was; None for a new one.
        ends: When the first of them ends.

    Raises:
        BeyondOwn: They may not.
    """
    if not person.agents:
        return
    if before and before.id in person.agents:
        raise BeyondOwn("change of itself")
    for capability in sorted(frozenset(after.capabilities) - person.capabilities):
        if before is None or capability not in before.capabilities:
            raise BeyondOwn(capability)
    if after.max_depth > max(person.max_depth, before.max_depth if before else 0):
        raise BeyondOwn("delegation depth")
    if ends and (after.expires_at is None or after.expires_at > ends):
        raise BeyondOwn("time")
