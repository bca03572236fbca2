"""Decisions by Cedar, in this process: the suite's policies and those of one tenant.

Policies are indexed by what they need in order to hold, so that the few that may are evaluated, not
all; what was decided is remembered. Neither changes an answer.
"""

import json
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from importlib.resources import files
from itertools import count
from typing import Generic, TypeVar

import cedarpy

from libs.auth.roles import Role
from libs.authorization.asking import (
    NOTHING_PERMITS,
    Actor,
    Decision,
    Principal,
    agent_actor,
    entity,
    person_actor,
)
from libs.authorization.compiled import Json, Policy, base_texts, read_policies
from libs.authorization.things import TENANT, Thing

_CHOSEN = 2_000  # sets of policies that are kept parsed
_KNOWN = 200  # things whose decisions a principal's are kept for
_OWN = "policy:administer"  # the group that tenants' policies say nothing about
# Conditions that policies are found by, the most telling first.
_SELDOM = ("project", "team", "session", "user", "agent", "org")
_TELLING = (*_SELDOM, "status", "layer")

_NUMBERS = count(1)  # of engines: what one decided says nothing of another

# In the text that Cedar itself gives of a schema.
_APPLIES = re.compile(r'action "(\w+)" in \[[^\]]*\] appliesTo \{[^}]*resource: \[([^\]]+)\]')

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Key = tuple[str, str, str]


class Bounded(Generic[K, V]):
    """A map that forgets what was asked for least lately."""

    def __init__(self, most: int) -> None:
        self._most, self._values = most, OrderedDict[K, V]()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of the key, made if it is not known."""
        values = self._values
        if key in values:
            values.move_to_end(key)
            return values[key]
        value = values[key] = make()
        if len(values) > self._most:
            values.popitem(last=False)
        return value


class Actions:
    """The actions of the schema: their groups, and what they are done to."""

    def __init__(self, schema: str) -> None:
        self.schema = cedarpy.Schema.from_str(schema)
        rows = json.loads(str(cedarpy.Entities.from_json_str("[]", self.schema)))
        self.rows = {row["uid"]["id"]: row for row in rows if _is_action(row)}
        members: dict[str, set[str]] = defaultdict(set)
        for action, row in self.rows.items():
            for parent in row["parents"]:
                members[parent["id"]].add(action)
        self.members = {group: frozenset(each) for group, each in members.items()}
        applies = _APPLIES.findall(str(self.schema))
        self._kinds = {action: frozenset(kinds.split(", ")) for action, kinds in applies}

    def on_tenant(self, action: str) -> bool:
        """Whether it is done to the tenant as a whole, and to nothing in it."""
        return self._kinds.get(action) == frozenset({TENANT})

    def kind(self, action: str) -> str | None:
        """What it is done to, the tenant if that is among more; None for what is no action of its
        own."""
        kinds = self._kinds.get(action, frozenset())
        return TENANT if TENANT in kinds else next(iter(kinds), None)

    def closed(self, action: str) -> list[Json]:
        """The entities of an action and of its groups."""
        row = self.rows[action]
        return [row, *(self.rows[each["id"]] for each in row["parents"])]


def _is_action(row: Json) -> bool:
    return bool(row["uid"]["type"] == "Aeterna::Action")


@cache
def actions() -> Actions:
    """Those of the suite's schema."""
    return Actions(schema_text())


def schema_text() -> str:
    """The suite's schema, in Cedar's own syntax."""
    return files("libs.authorization").joinpath("schema.cedarschema").read_text("utf-8")


def policies_text() -> str:
    """The suite's own policies."""
    return files("libs.authorization").joinpath("policies.cedar").read_text("utf-8")


@cache
def _base() -> tuple[Policy, ...]:
    return tuple(read_policies(base_texts(policies_text()), actions().members, tenant=False))


class _Index:
    """The policies that may be about one action, by what they need of a request."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies = tuple(policies)
        self._buckets: dict[Key, list[Policy]] = defaultdict(list)
        for each in self.policies:
            self._buckets[_key(each)].append(each)
        self._attributes = {key[1] for key in self._buckets if key[0] == "guard"}

    def candidates(self, actor: Actor, thing: Thing) -> Sequence[Policy]:
        """Those that may hold."""
        kind, name, roles = f"Aeterna::{actor.kind}", actor.name, actor.roles
        there, attributes = f"Aeterna::{thing.kind}", thing.attributes()
        return [
            each
            for key in self._keys(actor, thing)
            for each in self._buckets.get(key, ())
            if each.meets(there, attributes) and each.fits(kind, name, roles)
        ]

    def _keys(self, actor: Actor, thing: Thing) -> Iterator[Key]:
        kind = f"Aeterna::{actor.kind}"
        yield from (("any", "", ""), ("is", kind, ""), ("==", kind, actor.name))
        yield ("in", kind, actor.name)
        for role in actor.roles:
            yield ("in", "Aeterna::Role", role.value)
        for attribute in self._attributes:
            if attribute not in thing.unknown:
                yield ("guard", attribute, getattr(thing, attribute))

    def fitting(self, actor: Actor) -> list[Policy]:
        """Those whose scope admits the actor, whatever the thing."""
        kind = f"Aeterna::{actor.kind}"
        return [each for each in self.policies if each.fits(kind, actor.name, actor.roles)]


def _key(policy: Policy) -> Key:
    """The most telling of what it needs."""
    operator, uid = policy.principals[0] if policy.principals else ("any", ("", ""))
    if operator == "==":
        return ("==", *uid)
    guards = dict(policy.guards)
    for name in (each for each in _TELLING if each in guards):
        if name in _SELDOM or operator != "in":
            return ("guard", name, guards[name])
    return (operator, *uid)


def _read(name: str, text: str) -> list[Policy]:
    return read_policies({name: text}, actions().members, tenant=True)


class Engine:
    """The suite's policies and those of one tenant."""

    def __init__(
        self, texts: Mapping[str, str] | None = None, before: "Engine | None" = None
    ) -> None:
        """
        Args:
            texts: The tenant's policies by id.
            before: What it has read already is not read again.

        Raises:
            PoliciesUnusable: A text is no Cedar policy.
        """
        self.number = next(_NUMBERS)
        known = before.read if before else {}
        self.read: dict[tuple[str, str], list[Policy]] = {
            each: known.get(each) or _read(*each) for each in (texts or {}).items()
        }
        own = (policy for policies in self.read.values() for policy in policies)
        self._policies = (*_base(), *own)
        self.names_people = any(each.about_people for each in self._policies)
        self._indexes: dict[str, _Index] = {}
        self._chosen = Bounded[tuple[str, ...], cedarpy.PolicySet](_CHOSEN)

    def of(self, principal: Principal) -> "Asker":
        """What answers for a principal."""
        return Asker(self, principal)

    def index(self, action: str) -> _Index:
        """The policies for an action of the schema."""
        if action not in self._indexes:
            groups = {each["id"] for each in actions().rows[action]["parents"]}
            about = _base() if _OWN in groups else self._policies
            fit = (each for each in about if each.actions is None or action in each.actions)
            self._indexes[action] = _Index(fit)
        return self._indexes[action]

    def chosen(self, policies: Sequence[Policy]) -> cedarpy.PolicySet:
        """The policies, ready to be evaluated."""
        key = tuple(each.id for each in policies)
        return self._chosen.get(key, lambda: _policy_set(policies))


def _policy_set(policies: Sequence[Policy]) -> cedarpy.PolicySet:
    bodies = ", ".join(each.json for each in policies)
    return cedarpy.PolicySet.from_json_str(
        f'{{"staticPolicies": {{{bodies}}}, "templates": {{}}, "templateLinks": []}}'
    )


class Asker:
    """Answers for one principal, as long as neither it nor the policies change."""

    def __init__(self, engine: Engine, principal: Principal) -> None:
        self._engine, self.principal = engine, principal
        self._decided = Bounded[tuple[str, Thing], Decision](_KNOWN)
        self._evaluated = Bounded[Hashable, Decision](_KNOWN)
        self._admitted: dict[str, Decision] = {}
        self._reads: dict[tuple[str, bool], frozenset[str] | None] = {}
        self._entities: dict[tuple[str, Actor], cedarpy.Entities] = {}

    @property
    def tells_people_apart(self) -> bool:
        """Whether policies name people, or agents, of equal rights."""
        return self._engine.names_people

    @property
    def rights(self) -> tuple[int, Principal]:
        """Askers for whom these are equal answer alike, but for what is about one of the persons
        that they answer for."""
        principal = self.principal
        if not self.tells_people_apart:
            principal = replace(principal, person="")
        return self._engine.number, principal

    def instead(self, person: str) -> "Asker":
        """What answers for a person with the same rights."""
        return Asker(self._engine, replace(self.principal, person=person))

    def decide(self, action: str, thing: Thing) -> Decision:
        """Whether the principal may do this to such a thing."""
        return self._decided.get((action, thing), lambda: self._decide(action, thing))

    def admits(self, action: str) -> Decision:
        """Whether there may be things that it may do this to: denied only if there are none."""
        if action not in self._admitted:
            roles = self.principal.all_roles()
            decisions = (self._admits(action, actor) for actor in self._actors(roles))
            self._admitted[action] = _all(decisions)
        return self._admitted[action]

    @cached_property
    def bound(self) -> bool:
        """Whether it has roles that hold in a part of the tenant only."""
        return bool(self.principal.bindings)

    def reads(self, action: str, *, tenant: bool) -> frozenset[str] | None:
        """Attributes of things that the policies read on which decisions of this action depend:
        those of the tenant, or the suite's own; None for no such policies. "*": more than that."""
        key = action, tenant
        if key not in self._reads:
            index, roles = self._engine.index(action), self.principal.all_roles()
            fitting = [each for actor in self._actors(roles) for each in index.fitting(actor)]
            found = [each.reads for each in fitting if each.tenant is tenant]
            self._reads[key] = frozenset[str]().union(*found) if found else None
        return self._reads[key]

    def _decide(self, action: str, thing: Thing) -> Decision:
        roles = self.principal.roles_for(thing)
        return _all(self._answer(action, actor, thing) for actor in self._actors(roles))

    def _actors(self, roles: frozenset[Role]) -> list[Actor]:
        """All of whom must be allowed: the person, and the agent that acts for it."""
        actors = [person_actor(self.principal, roles)]
        if self.principal.agent:
            actors.append(agent_actor(self.principal, self.principal.agent))
        return actors

    def _answer(self, action: str, actor: Actor, thing: Thing) -> Decision:
        index = self._engine.index(action)
        if thing.unknown and (blind := self._blind(index, actor, thing)):
            return blind
        candidates = index.candidates(actor, thing)
        return self._evaluate(action, actor, thing, candidates)

    def _blind(self, index: _Index, actor: Actor, thing: Thing) -> Decision | None:
        """A denial by forbids that read what nobody can tell."""
        asked = thing.unknown | {"*"}
        ids = [each.id for each in index.fitting(actor) if not each.permits and each.reads & asked]
        return Decision(False, tuple(ids), "a policy asks what is not known") if ids else None

    def _admits(self, action: str, actor: Actor) -> Decision:
        fitting = self._engine.index(action).fitting(actor)
        certain = [each for each in fitting if not each.about_resource]
        nowhere = Thing(TENANT, self.principal.tenant)
        decision = self._evaluate(action, actor, nowhere, certain)
        possible = any(each.permits and each.about_resource for each in fitting)
        return decision if decision.policies or not possible else Decision(allowed=True)

    def _evaluate(
        self, action: str, actor: Actor, thing: Thing, candidates: Sequence[Policy]
    ) -> Decision:
        """By these policies, all that may hold. What they do not read is left out, so that
        questions that differ in nothing else are one."""
        if not candidates:
            return NOTHING_PERMITS
        read = frozenset[str]().union(*(each.reads for each in candidates))
        there = thing.attributes()
        attributes = {name: there[name] for name in there if "*" in read or name in read}
        by_action = action if any(each.about_action for each in candidates) else ""
        policies = tuple(each.id for each in candidates)
        key = by_action, actor, thing.kind, thing.name, policies, tuple(attributes.items())
        return self._evaluated.get(
            key, lambda: self._cedar(by_action, actor, thing, attributes, candidates)
        )

    def _cedar(
        self,
        action: str,
        actor: Actor,
        thing: Thing,
        attributes: Mapping[str, str | bool],
        candidates: Sequence[Policy],
    ) -> Decision:
        resource = entity(thing.kind, thing.name)
        request = {
            "principal": actor.uid,
            "action": entity("Action", action),
            "resource": resource,
        }
        row = {"uid": resource, "attrs": attributes, "parents": []}
        entities = self._known(action, actor).with_added_json_str(json.dumps([row]))
        result = cedarpy.is_authorized(request, self._engine.chosen(candidates), entities)
        return _decision(result.allowed, result.diagnostics.reasons)

    def _known(self, action: str, actor: Actor) -> cedarpy.Entities:
        """The actor, and the action if that is asked for, to which the thing is added."""
        key = action, actor
        if key not in self._entities:
            rows = [actor.json(), *(actions().closed(action) if action else ())]
            self._entities[key] = cedarpy.Entities.from_json_str(json.dumps(rows))
        return self._entities[key]


def _decision(allowed: bool, reasons: Sequence[str]) -> Decision:
    if not reasons:
        return NOTHING_PERMITS
    return Decision(allowed, tuple(sorted(reasons)), "permitted" if allowed else "forbidden")


def _all(decisions: Iterable[Decision]) -> Decision:
    """Allowed if all are; the first denial otherwise."""
    policies: list[str] = []
    for each in decisions:
        if not each.allowed:
            return each
        policies += each.policies
    return Decision(True, tuple(dict.fromkeys(policies)), "permitted")
