"""Who is calling and for which tenant: bound by the pipeline, read by servicers."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Self

from libs.auth import Identity
from libs.authorization.asking import Decision
from libs.authorization.engine import Asker
from libs.authorization.recording import NoRecorder, Recorder
from libs.authorization.things import TENANT, Thing
from libs.changes import Origin
from libs.errors import AppError, Kind
from libs.tenancy import Route, TenantId, TenantNotFound

_NO_RECORDER = NoRecorder()


class PermissionDenied(AppError):
    """The caller is known but may not do this. `policies` are those that forbid it, none when
    nothing permits it."""

    kind, reason = Kind.DENIED, "PERMISSION_DENIED"

    def __init__(self, action: str, decision: Decision) -> None:
        self.action, self.policies = action, decision.policies
        super().__init__(
            f"{action} is denied: {decision.reason}.",
            action=action,
            policies=",".join(decision.policies),
        )


class ForeignTenant(AppError):
    """Only a platform administrator may name a tenant other than the token's."""

    kind, reason = Kind.DENIED, "FOREIGN_TENANT"

    def __init__(self) -> None:
        super().__init__("The token belongs to another tenant.")


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of the current call. `tenant` is the one that the call is for.

    Attributes:
        asker: Answers by the rules as they were when the call began.
        ask: What answers by those that hold now, for calls that go on.
        denied: Hears of each denial: of which action, and why.
        recorder: Hears what is demanded and how that is decided.
    """

    identity: Identity
    tenant: TenantId
    origin: Origin
    resolved: Route | None
    asker: Asker
    ask: Callable[[], Awaitable[Asker]]
    denied: Callable[[str, Decision], None]
    recorder: Recorder = _NO_RECORDER

    @property
    def route(self) -> Route:
        """The way to the tenant's data; not for services registered as unrouted."""
        if self.resolved is None:
            raise TenantNotFound(self.tenant)
        return self.resolved

    async def now(self) -> Self:
        """The same, by the rules that hold now."""
        return replace(self, asker=await self.ask())

    def demand(self, action: str, thing: Thing | None = None) -> None:
        """Raises PermissionDenied unless the caller may do this to the thing, or to the tenant."""
        about = thing or Thing(TENANT, self.tenant)
        decision = self.asker.decide(action, about)
        self.recorder.record(self.resolved, self.asker.principal, action, about, decision)
        self.heed(action, decision)

    def admit(self, action: str) -> None:
        """Raises PermissionDenied if there is nothing that the caller may do this to."""
        decision = self.asker.admits(action)
        self.recorder.record(self.resolved, self.asker.principal, action, None, decision)
        self.heed(action, decision)

    def may(self, action: str, thing: Thing | None = None) -> bool:
        """Whether the caller may do this to the thing, or to the tenant."""
        return self.asker.decide(action, thing or Thing(TENANT, self.tenant)).allowed

    def heed(self, action: str, decision: Decision) -> None:
        """Raises PermissionDenied if the decision denies."""
        if not decision.allowed:
            self.denied(action, decision)
            raise PermissionDenied(action, decision)


_CALLER: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """The caller of the current call, who may do what the method's action says: to the tenant, or
    else to something, of which the servicer has to ask."""
    return _CALLER.get()


def bound() -> Caller | None:
    """The caller of the current call, once it is known."""
    return _CALLER.get(None)


def bind(current: Caller) -> None:
    """Makes `current` the caller of this task."""
    _CALLER.set(current)
