"""From the claims of a token whose signature holds to an identity: every rule but the signature.

Sources: RFC 7519 (4.1) for the registered claims, RFC 8693 (4.1) for `act`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from libs.auth.errors import TokenExpired, TokenInvalid
from libs.auth.identity import Identity, is_name
from libs.auth.roles import Role
from libs.auth.settings import AuthSettings, IssuerSettings
from libs.errors import InvalidRequest
from libs.tenancy import TenantId, parse_tenant_id

_MAX_ACTORS = 3
_MAX_CAPABILITIES = 100

Claims = Mapping[str, Any]


def read_identity(
    claims: Claims, issuer: IssuerSettings, settings: AuthSettings, now: datetime
) -> Identity:
    """The identity that an issuer's token gives at this time.

    Raises:
        TokenExpired: It was valid once.
        TokenInvalid: It is for another audience or time, or a claim breaks the rules.
    """
    _check_audience(claims, issuer.audience)
    expires_at = _check_times(claims, settings, now)
    subject = _name(claims, "sub")
    tenant, roles = _granted(claims, issuer, subject)
    agent, *delegation = _agents(claims) or ("",)
    return Identity(
        tenant=tenant,
        subject=subject,
        roles=roles,
        agent=agent,
        delegation=tuple(delegation),
        issuer=issuer.issuer,
        expires_at=expires_at,
        capabilities=_capabilities(claims),
    )


def _check_audience(claims: Claims, audience: str) -> None:
    named = claims.get("aud")
    if audience not in (named if isinstance(named, list) else [named]):
        raise TokenInvalid("claim aud")


def _check_times(claims: Claims, settings: AuthSettings, now: datetime) -> datetime:
    """The claims exp, iat and nbf (which may be absent); the leeway is for clocks that differ."""
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    starts_at = _time(claims, "nbf") if "nbf" in claims else issued_at
    if expires_at <= now - settings.leeway:
        raise TokenExpired
    if max(issued_at, starts_at) > now + settings.leeway:
        raise TokenInvalid("not valid yet")
    if expires_at - issued_at > settings.max_lifetime:
        raise TokenInvalid("lives too long")
    return expires_at


def _time(claims: Claims, claim: str) -> datetime:
    seconds = claims.get(claim)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TokenInvalid(f"claim {claim}")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise TokenInvalid(f"claim {claim}") from None


def _name(claims: Claims, claim: str) -> str:
    value = claims.get(claim)
    if not is_name(value):
        raise TokenInvalid(f"claim {claim}")
    return value


def _granted(
    claims: Claims, issuer: IssuerSettings, subject: str
) -> tuple[TenantId, frozenset[Role]]:
    if issuer.subjects is None:
        return _tenant(claims, issuer.tenant_claim), _roles(claims, issuer.roles_claim)
    if subject not in issuer.subjects:
        raise TokenInvalid("claim sub")
    return issuer.subjects[subject].tenant, issuer.subjects[subject].roles


def _tenant(claims: Claims, claim: str) -> TenantId:
    value = claims.get(claim)
    try:
        return parse_tenant_id(value if isinstance(value, str) else "")
    except InvalidRequest:
        raise TokenInvalid(f"claim {claim}") from None


def _roles(claims: Claims, claim: str) -> frozenset[Role]:
    """Those that exist here; there need be none: people may have roles in parts of the tenant."""
    named = claims.get(claim)
    if not isinstance(named, list):
        raise TokenInvalid(f"claim {claim}")
    return frozenset(role for role in Role if role in named)


def _capabilities(claims: Claims) -> frozenset[str]:
    """Of the agent; those that do not exist here mean nothing."""
    named = claims.get("capabilities", [])
    if not isinstance(named, list) or len(named) > _MAX_CAPABILITIES:
        raise TokenInvalid("claim capabilities")
    return frozenset(each for each in named if isinstance(each, str))


def _agents(claims: Claims) -> list[str]:
    """Who acts, then who passed the task on, latest first: `act` nests in that order.

    The claim `agent` names who acts as well; a token that has both must not contradict itself.
    """
    agents = _actors(claims.get("act"))
    if claims.get("agent") in (None, ""):
        return agents
    agent = _name(claims, "agent")
    if agents and agents[0] != agent:
        raise TokenInvalid("claim act")
    return agents or [agent]


def _actors(act: object) -> list[str]:
    actors: list[str] = []
    while act is not None:
        if not isinstance(act, dict) or len(actors) == _MAX_ACTORS or not is_name(act.get("sub")):
            raise TokenInvalid("claim act")
        actors.append(act["sub"])
        act = act.get("act")
    return actors
