"""What the authenticator remembers, and for how long."""

import pytest

from libs.auth import Authenticator, TokenExpired, TokenInvalid
from tests.unit.auth.support import (
    ISSUER,
    STRANGER,
    Clock,
    Endpoint,
    authenticator_of,
    jwk,
    make_token,
    seconds,
)


async def withdraw_keys(authenticator: Authenticator, clock: Clock, endpoint: Endpoint) -> None:
    """Replace the issuer's keys and have a token with an unknown key make that known."""
    endpoint.publish(jwk(STRANGER, "new"))
    clock.advance(seconds=10)
    await authenticator.authenticate(make_token(key=STRANGER, header={"kid": "new"}))


async def test_a_verified_token_is_remembered_for_five_minutes(
    authenticator: Authenticator, clock: Clock, endpoint: Endpoint
) -> None:
    identity = await authenticator.authenticate(make_token())
    await withdraw_keys(authenticator, clock, endpoint)

    assert await authenticator.authenticate(make_token()) == identity

    clock.advance(minutes=5)
    with pytest.raises(TokenInvalid):
        await authenticator.authenticate(make_token())


async def test_a_remembered_token_expires(authenticator: Authenticator, clock: Clock) -> None:
    token = make_token(exp=seconds(60))
    await authenticator.authenticate(token)

    clock.advance(seconds=90)

    with pytest.raises(TokenExpired):
        await authenticator.authenticate(token)


async def test_the_tokens_used_last_are_remembered(clock: Clock, endpoint: Endpoint) -> None:
    authenticator = authenticator_of(clock, {ISSUER: endpoint}, remembers=3)
    first, second, third = (make_token(sub=name) for name in ("ann", "bob", "cid"))
    for token in (first, second, third, first):
        await authenticator.authenticate(token)
    await withdraw_keys(authenticator, clock, endpoint)

    assert (await authenticator.authenticate(first)).subject == "ann"
    assert (await authenticator.authenticate(third)).subject == "cid"
    with pytest.raises(TokenInvalid):
        await authenticator.authenticate(second)


async def test_a_refusal_is_not_remembered(authenticator: Authenticator, clock: Clock) -> None:
    token = make_token(nbf=seconds(60))
    with pytest.raises(TokenInvalid):
        await authenticator.authenticate(token)

    clock.advance(seconds=60)

    assert await authenticator.authenticate(token)
