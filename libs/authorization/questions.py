"""Questions to policies as JSON, so that they can be asked again. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from libs.auth import Role
from libs.authorization.asking import Agent, Decision, Principal
from libs.authorization.engine import Asker
from libs.authorization.rules import Binding
from libs.authorization.things import Thing

Json = Mapping[str, Any]
_TEXTS = tuple(each.name for each in fields(Thing) if each.name != "unknown")
_PLACE = ("org_id", "team_id", "project_id")


@dataclass(frozen=True, slots=True)
class Question:
    """May this principal do this to this? Without a thing: is there anything that it may do it
    to?"""

    principal: Principal
    action: str
    thing: Thing | None = None

    def answer(self, asker: Asker) -> Decision:
        """What some policies say, asked for the principal."""
        return asker.decide(self.action, self.thing) if self.thing else asker.admits(self.action)

    @property
    def actor(self) -> str:
        """Who asks, as changes name it, but for those that agents passed the task on."""
        person = f"user:{self.principal.person}"
        agent = self.principal.agent
        return f"agent:{agent.name} for {person}" if agent else person

    @property
    def about(self) -> str:
        """To what, in a line: its kind and what it is bound to."""
        if self.thing is None:
            return ""
        bound = [(name, getattr(self.thing, name)) for name in _TEXTS[2:]]
        parts = [f"{name}={value}" for name, value in bound if value]
        return " ".join([self.thing.kind, *parts])

    def json(self) -> dict[str, Any]:
        """As it is kept."""
        principal = self.principal
        return {
            "action": self.action,
            "tenant": principal.tenant,
            "person": principal.person,
            "roles": sorted(principal.roles),
            "bindings": sorted(
                [each.role, *(getattr(each, name) for name in _PLACE)]
                for each in principal.bindings
            ),
            "suspended": principal.suspended,
            "agent": _agent_to(principal.agent),
            "thing": _thing_to(self.thing),
        }

    @classmethod
    def of(cls, kept: Json) -> "Question":
        """The question that was kept.

        Raises:
            ValueError, KeyError, TypeError: Another release wrote what this one does not know.
        """
        principal = Principal(
            tenant=kept["tenant"],
            person=kept["person"],
            roles=frozenset(map(Role, kept["roles"])),
            bindings=tuple(Binding(Role(role), *place) for role, *place in kept["bindings"]),
            suspended=kept["suspended"],
            agent=_agent_of(kept["agent"]),
        )
        return cls(principal, kept["action"], _thing_of(kept["thing"]))


def _thing_to(thing: Thing | None) -> dict[str, Any] | None:
    """The fields that say something."""
    if thing is None:
        return None
    values: dict[str, Any] = {name: value for name in _TEXTS if (value := getattr(thing, name))}
    return {**values, "unknown": sorted(thing.unknown)} if thing.unknown else values


def _thing_of(kept: Json | None) -> Thing | None:
    if kept is None:
        return None
    return Thing(**{**kept, "unknown": frozenset(kept.get("unknown", ()))})


def _agent_to(agent: Agent | None) -> Sequence[Any] | None:
    if agent is None:
        return None
    return [agent.name, agent.state, agent.depth, agent.max_depth, sorted(agent.capabilities)]


def _agent_of(kept: Sequence[Any] | None) -> Agent | None:
    if kept is None:
        return None
    name, state, depth, max_depth, capabilities = kept
    return Agent(name, state, depth, max_depth, frozenset(capabilities))
