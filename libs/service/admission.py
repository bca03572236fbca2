"""From a token to a caller: of calls and of connections alike.

Knows nothing of what carried the token.
"""

from functools import partial

from libs.auth import Authenticator, Identity, Role
from libs.authorization.asking import Decision
from libs.authorization.authority import Authority
from libs.authorization.denials import Denial, Denials
from libs.authorization.engine import actions
from libs.authorization.recording import Recorder
from libs.changes import Origin
from libs.service.caller import Caller, ForeignTenant
from libs.service.limits import Limits
from libs.service.platform import Platform
from libs.service.settings import ServerSettings
from libs.tenancy import Route, TenantId, TenantNotFound, TenantSuspended, parse_tenant_id
from libs.tenancy.directory import Directory
from libs.tracing import current_trace_id
from libs.usage.recorder import UsageRecorder

TENANT_HEADER = "x-aeterna-tenant"


class Admission:
    """Lets callers in to one service of this process; `authorize` asks what they may do."""

    def __init__(
        self,
        service: str,
        authenticator: Authenticator,
        directory: Directory,
        authority: Authority,
        denials: Denials,
        recorder: Recorder,
        limits: Limits,
        usage: UsageRecorder,
    ) -> None:
        self._service, self._limits, self._usage = service, limits, usage
        self._authenticator, self._directory = authenticator, directory
        self._authority, self._denials, self._recorder = authority, denials, recorder

    async def caller(
        self, token: str, named: str | None, action: str, *, routed: bool = True
    ) -> Caller:
        """The caller that a bearer token gives. What it is refused is noted as a denial of
        `action`.

        Args:
            named: The tenant that the caller says it is about; None for the token's own.
            routed: Whether it is about the data of that tenant.

        Raises:
            TokenMissing, TokenInvalid, TokenExpired, IssuerUnknown, KeysUnavailable: The token.
            ForeignTenant: It is about another tenant than the token's.
            CallRateLimited, TenantNotFound, TenantSuspended, StoreUnavailable: As they say.
        """
        identity = await self._authenticator.authenticate(token)
        return await self.known(identity, named, action, routed=routed)

    async def known(
        self, identity: Identity, named: str | None, action: str, *, routed: bool = True
    ) -> Caller:
        """The same for somebody whose token was verified before. Counts as a call."""
        origin = Origin(identity.actor, current_trace_id())
        try:
            tenant = _named_tenant(named, identity.tenant, identity.roles)
        except ForeignTenant as exc:
            self._deny(identity.tenant, origin, action, Decision(allowed=False, reason=str(exc)))
            raise
        self._limits.admit(tenant, self._service)
        route = await self._directory.route(tenant) if routed else None
        if route:
            self._usage.request(tenant, self._service)
        ask = partial(self._authority.asker, route or await self._home(identity), identity)
        deny = partial(self._deny, tenant if routed else identity.tenant, origin)
        return Caller(identity, tenant, origin, route, await ask(), ask, deny, self._recorder)

    def _deny(self, tenant: TenantId, origin: Origin, action: str, decision: Decision) -> None:
        """Tells the trail of the tenant."""
        denial = Denial(tenant, origin.actor, action, decision.policies, decision.reason)
        self._denials.note(denial, origin.trace_id)

    async def _home(self, identity: Identity) -> Route | None:
        """The way to the caller's own tenant; there need be none of platform administrators."""
        try:
            return await self._directory.route(identity.tenant)
        except (TenantNotFound, TenantSuspended):
            return None


def admission_of(service: str, platform: Platform, settings: ServerSettings) -> Admission:
    """The admission of a service, on what the process stands on."""
    return Admission(
        service,
        platform.authenticator,
        platform.directory,
        platform.authority,
        platform.denials,
        platform.recorder,
        Limits(settings.calls_per_second, settings.calls_at_once),
        platform.spending.recorder,
    )


def authorize(current: Caller, action: str) -> None:
    """Raises PermissionDenied. What is done to something else than the tenant is not known yet:
    who does it asks again."""
    if actions().on_tenant(action):
        current.demand(action)
    else:
        current.admit(action)


def _named_tenant(named: str | None, own: TenantId, roles: frozenset[Role]) -> TenantId:
    if named is None or named == own:
        return own
    if Role.PLATFORM_ADMIN not in roles:
        raise ForeignTenant
    return parse_tenant_id(named, TENANT_HEADER)
