"""What the authenticator believes of a token whose signature holds, and what it refuses."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.auth import (
    Authenticator,
    Grant,
    Identity,
    IssuerUnknown,
    Role,
    TokenExpired,
    TokenInvalid,
)
from libs.tenancy import TenantId
from tests.unit.auth.support import (
    ED,
    ISSUER,
    KEYS,
    NOW,
    Clock,
    Endpoint,
    authenticator_of,
    issuer_settings,
    make_claims,
    make_token,
    seconds,
    signed,
    unhurried,
)

LONG = 256  # bytes: the longest name


async def test_the_claims_become_the_identity(authenticator: Authenticator) -> None:
    identity = await authenticator.authenticate(make_token(roles=["viewer", "tech_lead"]))

    assert identity == Identity(
        tenant=TenantId("acme"),
        subject="ann",
        roles=frozenset({Role.VIEWER, Role.TECH_LEAD}),
        agent="",
        delegation=(),
        issuer=ISSUER,
        expires_at=NOW + timedelta(hours=1),
    )


@pytest.mark.parametrize("audience", ["aeterna", ["aeterna"], ["other", "aeterna"]])
async def test_one_of_the_audiences_is_enough(authenticator: Authenticator, audience: Any) -> None:
    assert (await authenticator.authenticate(make_token(aud=audience))).subject == "ann"


@pytest.mark.parametrize("issuer", ["https://login.example/", "", 5, ["https://login.example"]])
async def test_another_issuer_is_unknown(authenticator: Authenticator, issuer: Any) -> None:
    with pytest.raises(IssuerUnknown):
        await authenticator.authenticate(make_token(iss=issuer))


def each(claim: str, *values: Any) -> list[tuple[dict[str, Any], str]]:
    """Cases of one claim that is at fault."""
    return [({claim: value}, f"claim {claim}") for value in values]


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        *each("aud", None, "", "other", ["other"], [], {"aeterna": 1}),
        *each("exp", None, True, "1", [], 1e300, float("nan"), 10**99),
        *each("iat", None, False, "1", float("inf")),
        *each("nbf", True, "1", {}),
        ({"exp": seconds(24 * 3600 + 1)}, "lives too long"),
        ({"iat": seconds(-23 * 3600 - 1)}, "lives too long"),
        *each("sub", None, "", " ", 5, "a\nb", "a\x00", "\u202e", "é" * 129),
        *each("tenant", None, "", "Acme", "-a", "a.b", "a" * 64, 5),
        *each("roles", None, "viewer", {}),
        *each("agent", 5, "a\tb", ["planner"], "a" * 257),
        *each("act", "planner", 5, {}, {"sub": ""}, {"sub": "a\n"}),
        ({"act": {"sub": "planner", "act": "router"}}, "claim act"),
        ({"act": {"sub": "planner"}, "agent": "router"}, "claim act"),
    ],
)
async def test_a_claim_that_breaks_the_rules_is_named(
    authenticator: Authenticator, claims: dict[str, Any], problem: str
) -> None:
    with pytest.raises(TokenInvalid) as caught:
        await authenticator.authenticate(make_token(**claims))

    assert caught.value.metadata == {"problem": problem}


@pytest.mark.parametrize(("ago", "accepted"), [(29, True), (30, False), (3600, False)])
async def test_an_expired_token_is_accepted_within_the_leeway(
    authenticator: Authenticator, ago: int, accepted: bool
) -> None:
    token = make_token(iat=seconds(-7200), exp=seconds(-ago))
    if accepted:
        assert await authenticator.authenticate(token)
    else:
        with pytest.raises(TokenExpired):
            await authenticator.authenticate(token)


@pytest.mark.parametrize(
    "claims", [{"iat": seconds(31)}, {"nbf": seconds(31)}, {"iat": seconds(31), "nbf": seconds(0)}]
)
async def test_a_token_from_the_future_is_refused_beyond_the_leeway(
    authenticator: Authenticator, clock: Clock, claims: dict[str, Any]
) -> None:
    token = make_token(**claims)
    with pytest.raises(TokenInvalid, match="not valid yet"):
        await authenticator.authenticate(token)

    clock.advance(seconds=1)

    assert await authenticator.authenticate(token)


@pytest.mark.parametrize("named", [[], ["root"], [["viewer"]]])
async def test_a_token_need_give_no_role(authenticator: Authenticator, named: list[object]) -> None:
    assert (await authenticator.authenticate(make_token(roles=named))).roles == frozenset()


async def test_unknown_roles_are_ignored(authenticator: Authenticator) -> None:
    token = make_token(roles=["root", 5, None, ["admin"], "viewer", "VIEWER"])

    assert (await authenticator.authenticate(token)).roles == {Role.VIEWER}


async def test_the_longest_names_are_accepted(authenticator: Authenticator) -> None:
    identity = await authenticator.authenticate(make_token(sub="é" * 128, agent="a" * LONG))

    assert (identity.subject, identity.agent) == ("é" * 128, "a" * LONG)


@pytest.mark.parametrize(
    ("claims", "agent", "delegation"),
    [
        ({"agent": "planner"}, "planner", ()),
        ({"act": {"sub": "planner"}}, "planner", ()),
        ({"act": {"sub": "planner"}, "agent": "planner"}, "planner", ()),
        ({"act": {"sub": "planner"}, "agent": ""}, "planner", ()),
        ({"act": {"sub": "c", "act": {"sub": "b", "act": {"sub": "a"}}}}, "c", ("b", "a")),
    ],
)
async def test_actors_are_read_latest_first(
    authenticator: Authenticator, claims: dict[str, Any], agent: str, delegation: tuple[str, ...]
) -> None:
    identity = await authenticator.authenticate(make_token(**claims))

    assert (identity.agent, identity.delegation) == (agent, delegation)


async def test_a_chain_of_four_actors_is_too_long(authenticator: Authenticator) -> None:
    act: dict[str, Any] = {"sub": "a"}
    for name in "bcd":
        act = {"sub": name, "act": act}

    with pytest.raises(TokenInvalid, match="claim act"):
        await authenticator.authenticate(make_token(act=act))


async def test_an_issuer_may_name_its_claims(clock: Clock, endpoint: Endpoint) -> None:
    issuer = issuer_settings(tenant_claim="org", roles_claim="groups")
    authenticator = authenticator_of(clock, {ISSUER: endpoint}, [issuer])

    identity = await authenticator.authenticate(make_token(org="umbrella", groups=["admin"]))

    assert identity.tenant == "umbrella"
    assert identity.roles == {Role.ADMIN}


async def test_listed_subjects_have_what_they_are_given_and_others_nothing(
    clock: Clock, endpoint: Endpoint
) -> None:
    worker = "system:serviceaccount:aeterna:operator"
    grant = Grant(tenant=TenantId("platform"), roles=frozenset({Role.PLATFORM_ADMIN}))
    issuer = issuer_settings(subjects={worker: grant})
    authenticator = authenticator_of(clock, {ISSUER: endpoint}, [issuer])

    identity = await authenticator.authenticate(make_token(sub=worker, tenant=None, roles=None))

    assert identity.tenant == "platform"
    assert identity.roles == {Role.PLATFORM_ADMIN}
    with pytest.raises(TokenInvalid, match="claim sub"):
        await authenticator.authenticate(make_token(sub="ann"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
changes = st.dictionaries(st.sampled_from([*make_claims(), "nbf", "agent", "act"]), json_values)


@unhurried
@given(changes)
async def test_any_signed_claims_give_an_identity_or_a_refusal(claims: dict[str, Any]) -> None:
    clock = Clock()
    authenticator = authenticator_of(clock, {ISSUER: Endpoint(*KEYS)})
    token = signed({"alg": "EdDSA", "kid": "ed"}, make_claims() | claims, ED)
    try:
        identity = await authenticator.authenticate(token)
    except (TokenInvalid, TokenExpired, IssuerUnknown):
        return
    assert identity.actor.isprintable()
    assert identity.roles <= set(Role)
