"""Asking policies: what would be decided otherwise if they were others, and why something is."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from libs.auth import Identity, Role
from libs.authorization.asking import Decision, Principal, principal_of
from libs.authorization.compiled import base_texts
from libs.authorization.engine import Asker, Engine, policies_text
from libs.authorization.questions import Question
from libs.authorization.rules import TenantRules
from libs.authorization.store import load_rules
from libs.authorization.things import Thing
from libs.tenancy import Route, TenantId
from services.governance.authorization.domain.roles import ORDER
from services.governance.authorization.ports import Decisions, Recorded

_MOST = 5_000  # different questions that are tried
_AT_A_TIME = 50  # of them, before others have their turn
_ENGINES = 100  # tenants whose policies are kept as they were read


@dataclass(frozen=True, slots=True)
class Changed:
    """A question that would be answered otherwise."""

    question: Question
    now: Decision
    then: Decision
    asked: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulation has found. `changed`: the most frequent first."""

    decisions: int
    distinct: int
    changed: Sequence[Changed]
    truncated: bool
    oldest: datetime | None

    def count(self, allowed: bool) -> int:
        """Decisions that would be allowed, or denied, and are not now."""
        return sum(each.asked for each in self.changed if each.then.allowed is allowed)


class Engines:
    """Engines of tenants' policies, as long as these are the same. Reading a thousand policies
    takes a fifth of a second: others are served meanwhile."""

    def __init__(self) -> None:
        self._kept: OrderedDict[TenantId, Engine] = OrderedDict()
        self._policies: dict[TenantId, Mapping[str, str]] = {}

    async def of(self, tenant: TenantId, policies: Mapping[str, str]) -> Engine:
        """The engine of all these policies; raises PoliciesUnusable."""
        known = self._kept.get(tenant)
        if known is None or self._policies[tenant] != policies:
            known = await asyncio.to_thread(Engine, policies, known)
            self._kept[tenant], self._policies[tenant] = known, policies
        self._kept.move_to_end(tenant)
        if len(self._kept) > _ENGINES:
            del self._policies[self._kept.popitem(last=False)[0]]
        return known


@dataclass(frozen=True)
class Simulate:
    """Tries policies on decisions that were made."""

    decisions: Decisions
    engines: Engines

    async def __call__(
        self,
        route: Route,
        trials: Mapping[str, str | None],
        since: datetime | None,
        until: datetime | None,
    ) -> Outcome:
        """What would be decided otherwise with these statements by policy id; None: without it.

        Who asked is who it was then, with the roles and capabilities that it had.
        """
        policies = dict((await load_rules(route)).policies)
        changed = {**policies, **{name: text for name, text in trials.items() if text is not None}}
        for name in [name for name, text in trials.items() if text is None]:
            changed.pop(name, None)
        found = await self.decisions.recorded(route, since, until, _MOST + 1)
        tried = found[:_MOST]
        now = await self.engines.of(route.tenant, policies)
        then = await asyncio.to_thread(Engine, changed, now)
        different = await _compare(tried, now, then)
        return Outcome(
            decisions=sum(each.asked for each in tried),
            distinct=len(tried),
            changed=sorted(different, key=lambda each: -each.asked),
            truncated=len(found) > len(tried),
            oldest=min((each.hour for each in tried), default=None),
        )


async def _compare(recorded: Sequence[Recorded], now: Engine, then: Engine) -> list[Changed]:
    """Those answered differently. What only another release knows is not asked."""
    found: list[Changed] = []
    askers: dict[Principal, tuple[Asker, Asker]] = {}
    for place, each in enumerate(recorded):
        if place % _AT_A_TIME == 0:
            await asyncio.sleep(0)
        try:
            question = Question.of(each.question)
            principal = question.principal
            if principal not in askers:
                askers[principal] = now.of(principal), then.of(principal)
            before, after = map(question.answer, askers[principal])
        except (KeyError, TypeError, ValueError):
            continue
        if before.allowed is not after.allowed:
            found.append(Changed(question, before, after, each.asked, each.last_at))
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether something is allowed, and why.

    Attributes:
        texts: The statements of the policies that decided, by id; those of the suite, too.
        roles: Those that the person has where the thing is.
        sufficient: The weakest role with which it would be allowed, if it is not.
    """

    decision: Decision
    texts: Mapping[str, str]
    roles: frozenset[Role]
    sufficient: Role | None


class Check:
    """Answers for anybody, by the rules as they are in the shard now."""

    def __init__(self, engines: Engines, now: Callable[[], datetime]) -> None:
        self._engines, self._now = engines, now

    async def __call__(
        self, route: Route, questions: Sequence[tuple[Identity, str, Thing]]
    ) -> list[Answer]:
        """The answers in order. An identity of another tenant has no rules here."""
        rules = await load_rules(route)
        engine = await self._engines.of(route.tenant, rules.policies)
        return [
            self._answer(engine, rules, identity, action, thing)
            for identity, action, thing in questions
        ]

    def _answer(
        self, engine: Engine, rules: TenantRules, identity: Identity, action: str, thing: Thing
    ) -> Answer:
        if identity.tenant != thing.tenant:
            rules = replace(rules, bindings={}, agents={}, suspended=frozenset())
        principal = principal_of(identity, rules, self._now())
        decision = engine.of(principal).decide(action, thing)
        known = {**_suite_texts(), **rules.policies}
        return Answer(
            decision=decision,
            texts={policy: known[policy] for policy in decision.policies if policy in known},
            roles=principal.roles_for(thing),
            sufficient=None if decision.allowed else _sufficient(engine, principal, action, thing),
        )


def _sufficient(engine: Engine, principal: Principal, action: str, thing: Thing) -> Role | None:
    for role in ORDER:
        with_role = replace(principal, roles=principal.roles | {role})
        if engine.of(with_role).decide(action, thing).allowed:
            return role
    return None


@cache
def _suite_texts() -> Mapping[str, str]:
    return base_texts(policies_text())
