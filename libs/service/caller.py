"""Who is calling and for which tenant: bound by the pipeline, read by servicers."""

from contextvars import ContextVar
from dataclasses import dataclass

from libs.auth import Identity, Role
from libs.changes import Origin
from libs.errors import AppError, Kind
from libs.tenancy import Route, TenantId, TenantNotFound

READERS = frozenset(Role)
WRITERS = READERS - {Role.VIEWER}
REVIEWERS = frozenset({Role.TECH_LEAD, Role.ARCHITECT, Role.ADMIN, Role.TENANT_ADMIN})
ADMINISTRATORS = frozenset({Role.ADMIN, Role.TENANT_ADMIN, Role.PLATFORM_ADMIN})
PLATFORM = frozenset({Role.PLATFORM_ADMIN})


class PermissionDenied(AppError):
    """The caller is known but may not do this."""

    kind, reason = Kind.DENIED, "PERMISSION_DENIED"

    def __init__(self, needed: frozenset[Role]) -> None:
        roles = ", ".join(sorted(needed))
        super().__init__(f"This needs one of the roles: {roles}.", roles=roles)


class ForeignTenant(AppError):
    """Only a platform administrator may name a tenant other than the token's."""

    kind, reason = Kind.DENIED, "FOREIGN_TENANT"

    def __init__(self) -> None:
        super().__init__("The token belongs to another tenant.")


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of the current call. `tenant` is the one that the call is for."""

    identity: Identity
    tenant: TenantId
    origin: Origin
    resolved: Route | None

    @property
    def route(self) -> Route:
        """The way to the tenant's data; not for services registered as unrouted."""
        if self.resolved is None:
            raise TenantNotFound(self.tenant)
        return self.resolved

    def require(self, roles: frozenset[Role]) -> None:
        """Raises PermissionDenied unless the caller has one of the roles."""
        if not self.has(roles):
            raise PermissionDenied(roles)

    def has(self, roles: frozenset[Role]) -> bool:
        """Whether the caller has one of the roles."""
        return bool(self.identity.roles & roles)


_CALLER: ContextVar[Caller] = ContextVar("caller")


def caller(roles: frozenset[Role] = READERS) -> Caller:
    """The caller of the current call, who has one of `roles`.

    Raises:
        PermissionDenied: None of them.
    """
    current = _CALLER.get()
    current.require(roles)
    return current


def bound() -> Caller | None:
    """The caller of the current call, once it is known."""
    return _CALLER.get(None)


def bind(current: Caller) -> None:
    """Makes `current` the caller of this task."""
    _CALLER.set(current)
