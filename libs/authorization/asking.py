"""Who asks to do what to what, as policies see it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libs.auth.identity import Identity
from libs.auth.roles import Role
from libs.authorization.rules import MAX_DEPTH, AgentGrant, AgentState, Binding, TenantRules
from libs.authorization.things import Thing

_MAY_DELEGATE = "agent:delegate"
EXPIRED, MAY_NOT_DELEGATE = "expired", "may_not_delegate"


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent that acts, last in a chain of `depth`.

    `state` is that of the weakest of the chain: active, or why it may do nothing.
    """

    name: str
    state: str
    depth: int
    max_depth: int
    capabilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a person, through `agent` if there is one. `roles` hold in the whole tenant."""

    tenant: str
    person: str
    roles: frozenset[Role]
    bindings: tuple[Binding, ...] = ()
    suspended: bool = False
    agent: Agent | None = None

    def roles_for(self, thing: Thing) -> frozenset[Role]:
        """Those that it has where the thing is."""
        if not self.bindings:
            return self.roles
        return self.roles | {each.role for each in self.bindings if _covers(each, thing)}

    def all_roles(self) -> frozenset[Role]:
        """Those that it has anywhere."""
        return self.roles | {each.role for each in self.bindings}


def principal_of(identity: Identity, rules: TenantRules, now: datetime) -> Principal:
    """The caller as the tenant's rules see it."""
    bound = rules.bindings.get(identity.subject, ())
    bindings = tuple(each for each in bound if _holds(each, now))
    everywhere = {each.role for each in bindings if not _scope(each)}
    return Principal(
        tenant=identity.tenant,
        person=identity.subject,
        roles=identity.roles | everywhere,
        bindings=tuple(each for each in bindings if _scope(each)),
        suspended=identity.subject in rules.suspended,
        agent=_agent(identity, rules, now) if identity.agent else None,
    )


def _holds(binding: Binding, now: datetime) -> bool:
    """A tenant has no way to make somebody an administrator of all tenants."""
    ended = binding.expires_at is not None and binding.expires_at <= now
    return binding.role is not Role.PLATFORM_ADMIN and not ended


def _scope(binding: Binding) -> dict[str, str]:
    ids = {"org": binding.org_id, "team": binding.team_id, "project": binding.project_id}
    return {name: value for name, value in ids.items() if value}


def _covers(binding: Binding, thing: Thing) -> bool:
    return all(
        name not in thing.unknown and getattr(thing, name) == value
        for name, value in _scope(binding).items()
    )


def _agent(identity: Identity, rules: TenantRules, now: datetime) -> Agent:
    """Those that passed the task on bound it, too, as far as they are registered."""
    grant = rules.agents.get(identity.agent)
    behind = [rules.agents[each] for each in identity.delegation if each in rules.agents]
    grants = [*([grant] if grant else []), *behind]
    capabilities = grant.capabilities if grant else identity.capabilities
    return Agent(
        name=identity.agent,
        state=_state(grants, behind, now),
        depth=1 + len(identity.delegation),
        max_depth=min((each.max_depth for each in grants), default=MAX_DEPTH),
        capabilities=capabilities.intersection(*(each.capabilities for each in behind)),
    )


def _state(grants: list[AgentGrant], behind: list[AgentGrant], now: datetime) -> str:
    for each in grants:
        if each.state is not AgentState.ACTIVE:
            return each.state.value
        if each.expires_at is not None and each.expires_at <= now:
            return EXPIRED
    if any(_MAY_DELEGATE not in each.capabilities for each in behind):
        return MAY_NOT_DELEGATE
    return AgentState.ACTIVE.value


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. `policies` decided: the forbids or permits that hold; none when nothing permits.

    `reason` says it in words.
    """

    allowed: bool
    policies: tuple[str, ...] = ()
    reason: str = ""


NOTHING_PERMITS = Decision(allowed=False, reason="no policy permits it")


def entity(kind: str, name: str) -> dict[str, str]:
    """A name of the schema."""
    return {"type": f"Aeterna::{kind}", "id": name}


@dataclass(frozen=True, slots=True)
class Actor:
    """A principal as an entity: the person, or the agent, with the roles that it has here."""

    kind: str
    name: str
    roles: frozenset[Role]
    attributes: Mapping[str, Any] = field(hash=False, compare=False)

    @property
    def uid(self) -> dict[str, str]:
        """Its name."""
        return entity(self.kind, self.name)

    def json(self) -> dict[str, Any]:
        """As Cedar reads it."""
        parents = [entity("Role", role.value) for role in sorted(self.roles)]
        return {"uid": self.uid, "attrs": dict(self.attributes), "parents": parents}


def person_actor(principal: Principal, roles: frozenset[Role]) -> Actor:
    """The person in whose name it is done."""
    attributes = {
        "tenant": principal.tenant,
        "person": principal.person,
        "suspended": principal.suspended,
    }
    return Actor("User", principal.person, roles, attributes)


def agent_actor(principal: Principal, agent: Agent) -> Actor:
    """The agent that does it."""
    attributes = {
        "tenant": principal.tenant,
        "person": principal.person,
        "state": agent.state,
        "depth": agent.depth,
        "max_depth": agent.max_depth,
        "capabilities": sorted(agent.capabilities),
    }
    return Actor("Agent", agent.name, frozenset({Role.AGENT}), attributes)
