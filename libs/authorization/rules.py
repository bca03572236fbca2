"""What a tenant has said about who may do what, as it holds at one moment. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from libs.auth.roles import Role

# What an agent can be allowed; a service's policies say which actions need which.
CAPABILITIES = frozenset(
    {
        *(f"memory:{each}" for each in ("read", "write", "delete", "promote")),
        *(f"knowledge:{each}" for each in ("read", "propose", "edit")),
        *(f"policy:{each}" for each in ("read", "create", "simulate")),
        *(f"governance:{each}" for each in ("read", "submit", "approve")),
        "org:read",
        *(f"agent:{each}" for each in ("register", "delegate")),
    }
)
MAX_DEPTH = 3  # agents that may stand one behind the other


class AgentState(StrEnum):
    """Whether an agent may act; one that was revoked stays so."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Binding:
    """A role of a user inside a scope; "" for an id: all of them.

    `expires_at`: when it ends by itself; None for never.
    """

    role: Role
    org_id: str = ""
    team_id: str = ""
    project_id: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgentGrant:
    """A registered agent: who answers for it, and what it may do at most.

    `max_depth` is how many agents may stand one behind the other when it acts, itself included.
    """

    owner: str
    capabilities: frozenset[str]
    max_depth: int
    state: AgentState
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TenantRules:
    """All of it. What has lapsed by the time of reading is not in it, but for agents, which stay.

    Attributes:
        version: Another one whenever any of it is; for nothing but comparing.
        policies: The active policies of the tenant, each one Cedar statement, by id.
        bindings: By the id of the user.
        agents: Those that were registered, by id.
        suspended: Users who may do nothing.
        lapses_at: When a binding or an agent ends by itself next: read again then.
    """

    version: int = 0
    policies: Mapping[str, str] = field(default_factory=dict)
    bindings: Mapping[str, tuple[Binding, ...]] = field(default_factory=dict)
    agents: Mapping[str, AgentGrant] = field(default_factory=dict)
    suspended: frozenset[str] = frozenset()
    lapses_at: datetime | None = None


def first_end(moments: Iterable[datetime | None], now: datetime) -> datetime | None:
    """The next of these after `now`, if there is one."""
    return min((each for each in moments if each and each > now), default=None)
