"""What is done with requests: seal first, then write; read, then open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.approvals import Config, Configured, Kind, Mode, nearest
from libs.changes import Asked
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import APPROVAL_COMMENT, APPROVAL_DESCRIPTION, APPROVAL_TITLE
from libs.errors import invalid
from libs.scope import Scope
from libs.tenancy import Route
from services.governance.approvals.domain import Asking, Delegation, Person
from services.governance.approvals.ports import Comment, Requests, Settings, Stored, Texts

_LONGEST_DELEGATION = timedelta(days=90)
_LONGEST_TIMEOUT = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Opened:
    """A request with what is sealed in it; comments in the order of decisions."""

    stored: Stored
    title: str
    description: str
    comments: Sequence[str]


@dataclass(frozen=True, slots=True)
class DelegationDraft:
    """A right to pass on, as the caller gave it."""

    delegate: str
    kinds: frozenset[Kind]
    scope: Scope
    expires_at: datetime


@dataclass(frozen=True)
class RequestOperations:
    """Every operation on requests. People decide; agents may ask in their names."""

    requests: Requests
    keyring: Keyring
    new_id: Callable[[], UUID]

    async def open(
        self, route: Route, asked: Asked, asking: Asking, title: str, description: str
    ) -> Opened:
        """Asks for an approval."""
        new = self.new_id()
        plain = [
            Plain("", APPROVAL_TITLE, new, title.encode()),
            Plain("", APPROVAL_DESCRIPTION, new, description.encode()),
        ]
        sealed = await self.keyring.seal(route, plain)
        texts = Texts(title=sealed[0], description=sealed[1])
        return await self.get(route, await self.requests.open(route, asked, new, asking, texts))

    async def decide(
        self,
        route: Route,
        asked: Asked,
        person: Person,
        request: UUID,
        approves: bool,
        comment: str,
    ) -> Opened:
        """Approves or rejects, in the caller's own name."""
        new = self.new_id()
        plain = Plain("", APPROVAL_COMMENT, new, comment.encode())
        (blob,) = await self.keyring.seal(route, [plain])
        await self.requests.decide(route, asked, request, person, approves, Comment(new, blob))
        return await self.get(route, request)

    async def withdraw(self, route: Route, asked: Asked, person: Person, request: UUID) -> Opened:
        """Takes a request back."""
        await self.requests.withdraw(route, asked, request, person)
        return await self.get(route, request)

    async def carry_out(
        self, route: Route, asked: Asked, person: Person, request: UUID, digest: str
    ) -> Opened:
        """Marks an approved request as carried out."""
        await self.requests.carry_out(route, asked, request, person, digest)
        return await self.get(route, request)

    async def get(self, route: Route, request: UUID) -> Opened:
        """One request; raises RequestNotFound."""
        (opened,) = await self._opened(route, [await self.requests.get(route, request)])
        return opened

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Opened]:
        """Newest first, those older than `before`."""
        return await self._opened(route, await self.requests.page(route, where, before, limit))

    async def _opened(self, route: Route, stored: Sequence[Stored]) -> list[Opened]:
        sealed = [each for one in stored for each in _sealed(one)]
        texts = iter(await self.keyring.open(route, sealed))
        return [
            Opened(
                each,
                next(texts).decode(),
                next(texts).decode(),
                [next(texts).decode() for _ in each.texts.comments],
            )
            for each in stored
        ]


def _sealed(stored: Stored) -> list[Sealed]:
    request, texts = stored.approval.id, stored.texts
    return [
        Sealed(APPROVAL_TITLE, request, texts.title),
        Sealed(APPROVAL_DESCRIPTION, request, texts.description),
        *(Sealed(APPROVAL_COMMENT, comment, blob) for comment, blob in texts.comments),
    ]


@dataclass(frozen=True)
class SettingOperations:
    """Delegations and configurations."""

    settings: Settings
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]

    async def delegate(
        self, route: Route, asked: Asked, person: Person, draft: DelegationDraft
    ) -> Delegation:
        """Passes the caller's own right to decide on; raises InvalidRequest."""
        now = self.now()
        if draft.delegate == person.subject:
            raise invalid("approval_delegation.delegate", "must be somebody else")
        if not now < draft.expires_at <= now + _LONGEST_DELEGATION:
            message = f"must be in the future, at most {_LONGEST_DELEGATION.days} days"
            raise invalid("approval_delegation.expire_time", message)
        delegation = Delegation(
            id=self.new_id(),
            holder=person.subject,
            delegate=draft.delegate,
            roles=person.roles_in(draft.scope),
            kinds=draft.kinds,
            scope=draft.scope,
            expires_at=draft.expires_at,
            created_at=now,
        )
        return await self.settings.delegate(route, asked, delegation)

    async def configure(
        self, route: Route, asked: Asked, scope: Scope, config: Config, etag: str
    ) -> Configured:
        """Sets the configuration of a scope; raises InvalidRequest, ConfigVersionMismatch."""
        _check(config)
        return await self.settings.configure(route, asked, scope, config, etag)

    async def effective(self, route: Route, scope: Scope) -> Configured:
        """The configuration that counts in a scope."""
        return nearest(await self.settings.configured(route), scope)


def _check(config: Config) -> None:
    field = "approval_config"
    if not timedelta(minutes=1) <= config.timeout <= _LONGEST_TIMEOUT:
        raise invalid(f"{field}.timeout", "must be 1 minute to 366 days")
    escalates = config.escalate_after
    if escalates is not None and not timedelta(0) < escalates < config.timeout:
        raise invalid(f"{field}.escalate_after", "must be shorter than timeout")
    if config.approvers and len(set(config.approvers)) < config.quorum:
        raise invalid(f"{field}.approvers", f"must name {config.quorum} people at least")
    if config.mode is Mode.SINGLE and config.quorum != 1:
        raise invalid(f"{field}.quorum", "must be 1 or unset in mode single")
