"""How an issuer's keys are kept: rotation, storms of unknown keys, and an issuer that is down."""

import asyncio

import httpx
import pytest

from libs.auth import Authenticator, KeysUnavailable, TokenInvalid
from libs.auth.keys import KeySource
from libs.auth.signatures import KeyName
from tests.unit.auth.support import ED, ISSUER, KEYS, STRANGER, Clock, Endpoint, jwk, make_token

KNOWN, NEW = KeyName("ed", "EdDSA"), KeyName("new", "EdDSA")
FAILURES = [
    httpx.ConnectError("refused"),
    TimeoutError(),
    FileNotFoundError(),
    ValueError("too large"),
]


class GatedEndpoint(Endpoint):
    """Answers when its gate is open."""

    def __init__(self) -> None:
        super().__init__(*KEYS)
        self.gate = asyncio.Event()

    async def fetch(self) -> bytes:
        document = await super().fetch()
        await self.gate.wait()
        return document


@pytest.fixture
def source(endpoint: Endpoint, clock: Clock) -> KeySource:
    return KeySource(ISSUER, endpoint.fetch, clock)


async def test_a_new_key_is_found_when_a_token_names_it(
    authenticator: Authenticator, endpoint: Endpoint, clock: Clock
) -> None:
    await authenticator.authenticate(make_token())
    endpoint.publish(*KEYS, jwk(STRANGER, "new"))
    clock.advance(seconds=10)

    assert await authenticator.authenticate(make_token(key=STRANGER, header={"kid": "new"}))
    assert await authenticator.authenticate(make_token(sub="bob"))
    assert endpoint.calls == 2


async def test_a_storm_of_unknown_keys_asks_the_issuer_once_in_ten_seconds(
    authenticator: Authenticator, endpoint: Endpoint, clock: Clock
) -> None:
    for calls in (1, 2, 3):
        garbage = [make_token(header={"kid": f"{calls}-{number}"}) for number in range(200)]
        attempts = [authenticator.authenticate(token) for token in garbage]
        answers = await asyncio.gather(*attempts, return_exceptions=True)

        assert {type(answer) for answer in answers} == {TokenInvalid}
        assert endpoint.calls == calls
        clock.advance(seconds=10)


async def test_garbage_that_names_no_allowed_algorithm_or_issuer_asks_nobody(
    authenticator: Authenticator, endpoint: Endpoint
) -> None:
    garbage = [make_token(header={"alg": "HS256", "kid": "x"}), make_token(iss="x"), "a.b.c"]

    await asyncio.gather(*map(authenticator.authenticate, garbage), return_exceptions=True)

    assert endpoint.calls == 0


async def test_callers_share_one_attempt(clock: Clock) -> None:
    endpoint = GatedEndpoint()
    source = KeySource(ISSUER, endpoint.fetch, clock)
    searches = [asyncio.create_task(source.find(KNOWN)) for _ in range(100)]
    await asyncio.sleep(0)
    endpoint.gate.set()

    found = await asyncio.gather(*searches)

    assert None not in found
    assert endpoint.calls == 1


async def test_a_caller_that_gives_up_does_not_stop_the_others(clock: Clock) -> None:
    endpoint = GatedEndpoint()
    source = KeySource(ISSUER, endpoint.fetch, clock)
    impatient, patient = (asyncio.create_task(source.find(KNOWN)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait([impatient])
    endpoint.gate.set()

    assert await patient
    assert impatient.cancelled()
    assert endpoint.calls == 1


async def test_old_keys_are_renewed_in_the_background(clock: Clock) -> None:
    endpoint = GatedEndpoint()
    endpoint.gate.set()
    source = KeySource(ISSUER, endpoint.fetch, clock)
    await source.find(KNOWN)
    endpoint.gate.clear()
    endpoint.publish(jwk(ED, "new"))
    clock.advance(minutes=5, seconds=1)

    assert await source.find(KNOWN)  # although the issuer does not answer yet

    await asyncio.sleep(0)
    assert endpoint.calls == 2
    endpoint.gate.set()
    assert await source.find(NEW)
    assert await source.find(KNOWN) is None
    assert endpoint.calls == 2


@pytest.mark.parametrize("failure", FAILURES)
async def test_an_issuer_that_is_down_from_the_start_is_unavailable(
    source: KeySource, endpoint: Endpoint, clock: Clock, failure: Exception
) -> None:
    endpoint.failure = failure
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            await source.find(KNOWN)
    assert endpoint.calls == 1

    endpoint.failure = None
    clock.advance(seconds=10)

    assert await source.find(KNOWN)


async def test_the_last_keys_serve_for_a_day_while_the_issuer_is_down(
    source: KeySource, endpoint: Endpoint, clock: Clock
) -> None:
    await source.find(KNOWN)
    endpoint.failure = httpx.ConnectError("refused")

    for _ in range(24):
        clock.advance(hours=1)
        assert await source.find(KNOWN)
    clock.advance(seconds=1)
    with pytest.raises(KeysUnavailable):
        await source.find(KNOWN)


async def test_a_key_that_a_broken_issuer_may_have_added_is_neither_accepted_nor_refused(
    source: KeySource, endpoint: Endpoint, clock: Clock
) -> None:
    await source.find(KNOWN)
    endpoint.failure = httpx.ConnectError("refused")
    clock.advance(seconds=10)

    with pytest.raises(KeysUnavailable):
        await source.find(NEW)


async def test_a_damaged_document_leaves_the_keys_in_use(
    source: KeySource, endpoint: Endpoint, clock: Clock
) -> None:
    await source.find(KNOWN)
    endpoint.document = b"<html>"
    clock.advance(minutes=6)
    renewal = source.renew()
    assert renewal
    await renewal

    assert await source.find(KNOWN)


async def test_an_issuer_may_withdraw_all_its_keys(
    source: KeySource, endpoint: Endpoint, clock: Clock
) -> None:
    await source.find(KNOWN)
    endpoint.publish()
    clock.advance(minutes=6)
    renewal = source.renew()
    assert renewal
    await renewal

    assert await source.find(KNOWN) is None


async def test_a_clock_that_was_set_back_does_not_stop_renewal(
    source: KeySource, endpoint: Endpoint, clock: Clock
) -> None:
    await source.find(KNOWN)
    endpoint.publish(jwk(ED, "new"))
    clock.advance(hours=-1)

    assert await source.find(NEW)


async def test_closing_stops_the_attempt_that_runs(clock: Clock) -> None:
    source = KeySource(ISSUER, GatedEndpoint().fetch, clock)
    attempt = source.renew()

    await source.close()

    assert attempt
    assert attempt.cancelled()
