"""Who a request is from, as a verified token says.

Knows nothing of tokens.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeGuard

from libs.auth.roles import Role as Role
from libs.tenancy import TenantId

_MAX_NAME_BYTES = 256


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller. All names are printable and at most 256 bytes long.

    Attributes:
        subject: The user or workload in whose name things are done.
        agent: The agent that acts in that name; "" when the subject acts itself.
        delegation: The agents that passed the task on to `agent`, latest first; without it.
        capabilities: What the token says that `agent` may, where it is not registered.
        token: What proved it, for calls that are made in the caller's name.
    """

    tenant: TenantId
    subject: str
    roles: frozenset[Role]
    agent: str
    delegation: tuple[str, ...]
    issuer: str
    expires_at: datetime
    capabilities: frozenset[str] = frozenset()
    token: str = field(default="", repr=False, compare=False)

    @property
    def actor(self) -> str:
        """Who acted for whom: `user:ann`, `agent:planner for agent:router for user:ann`.

        No two chains of names have the same: spaces in names are written %20, percent signs %25.
        """
        agents = (self.agent, *self.delegation) if self.agent else self.delegation
        parts = [*(f"agent:{escaped(name)}" for name in agents), f"user:{escaped(self.subject)}"]
        return " for ".join(parts)


def person_of(actor: str) -> str:
    """Who an actor acts for in the end, `user:ann`: the same whatever agents were between."""
    return actor.rpartition(" for ")[2]


def subject_of(actor: str) -> str:
    """The id of that person, as tokens have it."""
    return person_of(actor).removeprefix("user:").replace("%20", " ").replace("%25", "%")


def escaped(name: str) -> str:
    """A name as it stands in an actor."""
    return name.replace("%", "%25").replace(" ", "%20")


def is_name(value: object) -> TypeGuard[str]:
    """Whether this is a string of 1 to 256 bytes of UTF-8, all printable; blank is not.

    Printable, as Unicode says, leaves out control and formatting characters, line ends and
    surrogates: what could forge or hide a part of a log line.
    """
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        return False
    return len(value.encode()) <= _MAX_NAME_BYTES
