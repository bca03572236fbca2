"""Policies of a tenant and questions about them, at random, and Cedar's own answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import cedarpy

from libs.auth import Role
from libs.authorization.asking import Actor, Agent, Principal, agent_actor, entity, person_actor
from libs.authorization.engine import actions, policies_text
from libs.authorization.rules import CAPABILITIES, Binding
from libs.authorization.things import ATTRIBUTES, KNOWLEDGE_ITEM, MEMORY, TENANT, Thing

TENANT_ID = "acme"
_LAYERS = ("agent", "user", "session", "project", "team", "org", "company")
_GROUPS = ("memory:read", "memory:write", "knowledge:read", "knowledge:propose", "memory:delete")
_ON_MEMORIES = ("GetMemory", "SearchMemories", "CreateMemory", "UpdateMemory", "DeleteMemory")
_ON_ITEMS = ("GetKnowledgeItem", "SearchKnowledgeItems", "CreateKnowledgeItem", "CreateRelation")
_ON_TENANT = ("GetMemorySettings", "ReindexMemories", "ListAuditEntries", "CreateTenant")


def random_policies(random: Random, count: int) -> dict[str, str]:
    """As many policies by id: of people, roles, agents and everybody; about actions, groups and
    everything; with conditions on where things are."""
    return {f"p{number}": _policy(random) for number in range(count)}


def _policy(random: Random) -> str:
    effect = random.choice(("permit", "permit", "forbid"))
    scope = f"{_principal(random)}, {_action(random)}, {_resource(random)}"
    return f"{effect} ({scope}){_conditions(random)};"


def _principal(random: Random) -> str:
    role = f'Aeterna::Role::"{random.choice(list(Role)).value}"'
    return random.choice(
        (
            f'principal == Aeterna::User::"u{random.randrange(400)}"',
            f'principal == Aeterna::User::"u{random.randrange(400)}"',
            f"principal in {role}",
            f"principal is Aeterna::User in {role}",
            f'principal == Aeterna::Agent::"a{random.randrange(20)}"',
            "principal is Aeterna::Agent",
            "principal",
            "principal",
        )
    )


def _action(random: Random) -> str:
    named = [f'Aeterna::Action::"{each}"' for each in random.sample(_ON_MEMORIES + _ON_ITEMS, 2)]
    group = f'Aeterna::Action::"{random.choice(_GROUPS)}"'
    choices = (f"action == {named[0]}", f"action in [{', '.join(named)}]", f"action in {group}")
    return random.choice((*choices, *choices, "action"))


def _resource(random: Random) -> str:
    return random.choice(("resource", "resource", "resource is Aeterna::Memory"))


def _conditions(random: Random) -> str:
    place = random.choice(
        (
            f'resource.project == "p{random.randrange(300)}"',
            f'resource.team == "t{random.randrange(100)}"',
            f'resource.org == "o{random.randrange(10)}" && resource.layer == "org"',
            f'resource.user == "u{random.randrange(400)}"',
        )
    )
    more = random.choice(
        (
            "",
            "",
            f' && resource.layer == "{random.choice(_LAYERS)}"',
            f' && principal in Aeterna::Role::"{random.choice(list(Role)).value}"',
            ' && resource has status && resource.status != "hot"',
            " && principal.tenant == resource.tenant",
            " && resource.user == principal.person",
        )
    )
    unless = random.choice(("", "", "", '\nunless { resource.layer == "company" }'))
    return f"\nwhen {{ {place}{more} }}{unless}"


@dataclass(frozen=True, slots=True)
class Question:
    """May this principal do this there?"""

    principal: Principal
    action: str
    thing: Thing


def random_question(random: Random) -> Question:
    """Mostly about memories, mostly of people with the usual roles."""
    action, kind = random.choice(
        (
            (random.choice(_ON_MEMORIES), MEMORY),
            (random.choice(_ON_MEMORIES), MEMORY),
            (random.choice(_ON_ITEMS), KNOWLEDGE_ITEM),
            (random.choice(_ON_TENANT), TENANT),
        )
    )
    return Question(_asking(random), action, _thing(random, kind))


def _asking(random: Random) -> Principal:
    bindings = (Binding(random.choice(list(Role)[:6]), team_id=f"t{random.randrange(100)}"),)
    return Principal(
        tenant=TENANT_ID,
        person=f"u{random.randrange(400)}",
        roles=frozenset(random.sample(list(Role), random.choice((0, 1, 1, 1, 2)))),
        bindings=bindings if random.random() < 0.3 else (),
        suspended=random.random() < 0.05,
        agent=_agent(random) if random.random() < 0.3 else None,
    )


def _agent(random: Random) -> Agent:
    return Agent(
        name=f"a{random.randrange(20)}",
        state=random.choice(("active", "active", "active", "revoked", "expired")),
        depth=random.randint(1, 3),
        max_depth=random.randint(1, 3),
        capabilities=frozenset(random.sample(sorted(CAPABILITIES), random.randrange(8))),
    )


def _thing(random: Random, kind: str) -> Thing:
    tenant = TENANT_ID if random.random() < 0.95 else "other"
    if kind == TENANT:
        return Thing(kind, tenant)
    ids: dict[str, Any] = {
        "org": f"o{random.randrange(10)}",
        "team": f"t{random.randrange(100)}",
        "project": f"p{random.randrange(300)}",
    }
    status = random.choice(("hot", "warm", "draft", "accepted"))
    if kind == KNOWLEDGE_ITEM:
        return Thing(kind, tenant, layer=random.choice(_LAYERS[3:]), status=status, **ids)
    user, agent = f"u{random.randrange(400)}", f"a{random.randrange(20)}"
    layer = random.choice(_LAYERS)
    return Thing(
        kind, tenant, layer=layer, user=user, agent=agent, session="s1", status=status, **ids
    )


class Oracle:
    """What Cedar says of all policies as one text, nothing parsed before and nothing left out."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        own = "\n".join(f'@id("{name}")\n{text}' for name, text in texts.items())
        self.text = policies_text() + own
        self._actions = list(actions().rows.values())
        self._policies = cedarpy.PolicySet.from_str(self.text)

    def __call__(self, question: Question) -> tuple[bool, tuple[str, ...]]:
        """Whether it is allowed, and the policies that decide."""
        deciding: list[str] = []
        for actor in self._actors(question):
            allowed, ids = self._ask(actor, question.action, question.thing)
            if not allowed:
                return False, tuple(sorted(ids))
            deciding += sorted(ids)
        return True, tuple(dict.fromkeys(deciding))

    def _actors(self, question: Question) -> list[Actor]:
        principal = question.principal
        person = person_actor(principal, principal.roles_for(question.thing))
        return [person, *([agent_actor(principal, principal.agent)] if principal.agent else [])]

    def parsed(
        self, question: Question
    ) -> list[tuple[dict[str, Any], cedarpy.PolicySet, cedarpy.Entities]]:
        """What Cedar is asked, with everything parsed before and nothing left out."""
        return [self._parsed(actor, question) for actor in self._actors(question)]

    def _parsed(
        self, actor: Actor, question: Question
    ) -> tuple[dict[str, Any], cedarpy.PolicySet, cedarpy.Entities]:
        request, rows = self._asked(actor, question.action, question.thing)
        return request, self._policies, cedarpy.Entities.from_json_str(json.dumps(rows))

    def _ask(self, actor: Actor, action: str, thing: Thing) -> tuple[bool, Sequence[str]]:
        request, rows = self._asked(actor, action, thing)
        answer = cedarpy.is_authorized(request, self.text, json.dumps(rows))
        names = answer.diagnostics.id_annotations_by_reason
        return answer.allowed, [names[each] for each in answer.diagnostics.reasons]

    def _asked(self, actor: Actor, action: str, thing: Thing) -> tuple[dict[str, Any], list[Any]]:
        """A request, and the entities that it is about."""
        resource = entity(thing.kind, thing.name)
        request = {
            "principal": actor.uid,
            "action": entity("Action", action),
            "resource": resource,
            "context": {},
        }
        attributes = {name: getattr(thing, name) for name in ATTRIBUTES[thing.kind]}
        rows: list[Any] = [actor.json(), *self._actions]
        rows.append({"uid": resource, "attrs": attributes, "parents": []})
        return request, rows
