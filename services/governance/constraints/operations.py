"""What is done with policies: seal first, then write; read, open, then judge."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.changes import Asked, Command
from libs.constraints import Layer, Merge, Mode, Policy, Rule
from libs.constraints.checking import ChangeSet, Verdict, check, cost
from libs.constraints.conflicts import Conflict, conflicts
from libs.constraints.derive import derived
from libs.constraints.resolution import Held, Resolution, resolve
from libs.constraints.standing import check_policy
from libs.constraints.store import Opened, opened, seal
from libs.constraints.stored import PolicyNotFound, Stored
from libs.constraints.validation import check_rules
from libs.encryption.keyring import Keyring
from libs.scope import Scope
from libs.tenancy import Route
from services.governance.constraints.domain import (
    Body,
    Create,
    Delete,
    Update,
    changeable,
    check_scope,
    seen,
)
from services.governance.constraints.errors import CheckTooLarge, PoliciesChanged
from services.governance.constraints.ports import Policies

_TRIES = 5  # while other policies change
_MOST = 512 * 2**20, 5_000_000  # characters and names that a check may look at: some seconds
_FIELD = "constraint_policy"


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy to create, as the caller gave it."""

    key: str
    title: str
    layer: Layer
    scope: Scope
    mode: Mode
    merge: Merge
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Patch:
    """What is to change; None: as it was."""

    title: str | None = None
    mode: Mode | None = None
    merge: Merge | None = None
    rules: tuple[Rule, ...] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A policy, and what it contradicts without being refused for it."""

    policy: Opened
    conflicts: Sequence[Conflict] = ()


@dataclass(frozen=True)
class PolicyOperations:
    """Changing and reading policies. The request calls a policy `constraint_policy`."""

    policies: Policies
    keyring: Keyring
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]

    async def create(self, route: Route, asked: Asked, draft: Draft, by: str) -> Told:
        """Stores a policy.

        Raises:
            InvalidRequest, ConstraintConflict, MandatoryPolicy, PolicyExists, TooManyPolicies,
                TooManyRules, RequestIdReused: As they say.
        """
        check_scope(draft.layer, draft.scope, f"{_FIELD}.scope")
        check_rules(draft.rules, f"{_FIELD}.rules")
        at, policy = self.now(), self.new_id()
        document = await seal(self.keyring, route, policy, draft.title, draft.rules)
        stored = Stored(
            id=policy,
            key=draft.key,
            layer=draft.layer,
            scope=draft.scope,
            mode=draft.mode,
            merge=draft.merge,
            source=None,
            rules=len(draft.rules),
            author=by,
            version=1,
            number=0,
            document=document,
            created_at=at,
            updated_at=at,
        )

        async def attempt() -> Told:
            others = await self.policies.all(route)
            found = await self._judged(route, Opened(stored, draft.title, draft.rules), others)
            return await self._submit(route, asked, Create(stored, seen(others)), found)

        return await self._repeated(attempt)

    async def update(
        self, route: Route, asked: Asked, policy: UUID, etag: str, patch: Patch
    ) -> Told:
        """Changes what is given.

        Raises:
            PolicyNotFound, PolicyVersionMismatch, PolicyOfItem, InvalidRequest,
                ConstraintConflict, MandatoryPolicy, RequestIdReused: As they say.
        """
        if patch.rules is not None:
            check_rules(patch.rules, f"{_FIELD}.rules")

        async def attempt() -> Told:
            others = await self.policies.all(route)
            stored = changeable({each.id: each for each in others}, policy, "")
            (before,) = await opened(self.keyring, route, [stored])
            after = _patched(before, patch)
            rest = [each for each in others if each.id != policy]
            found = await self._judged(route, after, rest)
            document = await seal(self.keyring, route, policy, after.title, after.rules)
            body = Update(
                id=policy,
                etag=etag,
                seen=seen(others),
                mode=after.stored.mode,
                merge=after.stored.merge,
                rules=len(after.rules),
                document=document,
                at=self.now(),
            )
            return await self._submit(route, asked, body, found)

        return await self._repeated(attempt)

    async def delete(self, route: Route, asked: Asked, policy: UUID, etag: str) -> None:
        """Removes a policy; raises PolicyNotFound, PolicyVersionMismatch, PolicyOfItem."""
        command: Command[Body] = Command(asked.origin, asked.request, Delete(policy, etag))
        await self.policies.submit(route, command)

    async def get(self, route: Route, policy: UUID) -> Opened:
        """One policy; raises PolicyNotFound."""
        stored = await self.policies.get_many(route, [policy])
        if not stored:
            raise PolicyNotFound(policy)
        (found,) = await opened(self.keyring, route, stored)
        return found

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Opened]:
        """Newest first, those older than `before`."""
        stored = await self.policies.page(route, where, before, limit)
        return await opened(self.keyring, route, stored)

    async def _judged(
        self, route: Route, policy: Opened, others: Sequence[Stored]
    ) -> list[Conflict]:
        beside = [each.policy for each in await opened(self.keyring, route, others)]
        return await asyncio.to_thread(check_policy, policy.policy, beside)

    async def _submit(
        self, route: Route, asked: Asked, body: Create | Update, found: Sequence[Conflict]
    ) -> Told:
        command: Command[Body] = Command(asked.origin, asked.request, body)
        written = await self.policies.submit(route, command)
        (policy,) = await opened(self.keyring, route, written)
        return Told(policy, found)

    async def _repeated(self, attempt: Callable[[], Awaitable[Told]]) -> Told:
        """Again, when other policies have changed between judging and writing."""
        for _ in range(_TRIES - 1):
            try:
                return await attempt()
            except PoliciesChanged:
                continue
        return await attempt()


def _patched(before: Opened, patch: Patch) -> Opened:
    stored = replace(
        before.stored,
        mode=patch.mode or before.stored.mode,
        merge=patch.merge or before.stored.merge,
    )
    title = before.title if patch.title is None else patch.title
    return Opened(stored, title, before.rules if patch.rules is None else patch.rules)


@dataclass(frozen=True)
class Judging:
    """What holds in a scope, and judging by it."""

    policies: Policies
    keyring: Keyring

    async def resolve(self, route: Route, scope: Scope) -> Resolution:
        """Which rules hold in a scope, and what became of the others."""
        return resolve(await self._all(route), scope)

    async def conflicts(self, route: Route, scope: Scope) -> list[Conflict]:
        """Pairs of rules that cannot both be kept: those that hold in a scope; without any id,
        of all policies."""
        policies = await self._all(route)
        if any(scope.values()):
            policies = [each for each in policies if each.applies_in(scope)]
        return await asyncio.to_thread(conflicts, policies)

    async def check(self, route: Route, scope: Scope, changes: ChangeSet, derive: bool) -> Verdict:
        """Judges a change set; raises CheckTooLarge."""
        resolution = await self.resolve(route, scope)
        return await self.judge(resolution, changes, derive)

    async def judge(self, resolution: Resolution, changes: ChangeSet, derive: bool) -> Verdict:
        """The same by what was resolved; in a thread, so that other calls go on."""

        def work() -> Verdict:
            judged = derived(changes) if derive else changes
            _check_size(resolution.held, judged)
            return check(resolution.held, judged)

        return await asyncio.to_thread(work)

    async def _all(self, route: Route) -> list[Policy]:
        stored = await self.policies.all(route)
        return [each.policy for each in await opened(self.keyring, route, stored)]


def _check_size(held: Sequence[Held], changes: ChangeSet) -> None:
    for what, size, most in zip(("characters", "names"), cost(held, changes), _MOST, strict=True):
        if size > most:
            raise CheckTooLarge(what, size, most)
