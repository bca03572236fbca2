"""Where webhooks may be, how their messages are signed, when they are tried again."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import InvalidRequest
from services.governance.alerts.domain import Rules, headers_of, key_of, pause, secret_of

PRODUCTION, DEVELOPMENT = Rules(local=False), Rules(local=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert PRODUCTION.permits(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "::ffff:127.0.0.1",
        "2002:a00:1::1",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
        "2001:0:a9fe:a9fe::1",
    ],
)
def test_all_others_are_not(address: str) -> None:
    assert not PRODUCTION.permits(ip_address(address))


def test_this_machine_is_permitted_in_development_alone() -> None:
    assert DEVELOPMENT.permits(ip_address("127.0.0.1"))
    assert not DEVELOPMENT.permits(ip_address("10.0.0.1"))
    assert DEVELOPMENT.check("http://localhost:8080/hook", "url").port == 8080
    with pytest.raises(InvalidRequest):
        PRODUCTION.check("http://localhost:8080/hook", "url")
    with pytest.raises(InvalidRequest):
        PRODUCTION.check("https://127.0.0.1/hook", "url")


def test_an_operator_may_allow_a_network() -> None:
    rules = Rules(local=False, allowed=[ip_network("10.20.0.0/16")])

    assert rules.permits(ip_address("10.20.1.1"))
    assert not rules.permits(ip_address("10.21.1.1"))


@given(st.binary(min_size=24, max_size=64))
def test_a_key_survives_being_told(key: bytes) -> None:
    assert key_of(secret_of(key), "secret") == key


@given(st.binary(), st.uuids(), st.binary(min_size=24, max_size=64))
def test_a_signature_covers_id_time_and_body(body: bytes, alert: UUID, key: bytes) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)

    headers = headers_of(key, alert, body, now)

    signed = f"msg_{alert}.{int(now.timestamp())}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_the_example_of_the_standard() -> None:
    """From the reference implementation's tests."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "secret")
    body = b'{"test": 2432232314}'
    signed = b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + body

    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()

    assert digest == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_up_to_hours_and_are_spread(attempts: int, chance: float) -> None:
    wait = pause(attempts, chance)

    assert timedelta(seconds=4) <= wait <= timedelta(hours=4.8)
    assert wait <= pause(attempts + 1, chance)


def test_a_day_holds_many_attempts() -> None:
    total, attempts = timedelta(0), 0
    while total < timedelta(days=1):
        attempts += 1
        total += pause(attempts, 0.5)
    assert 10 <= attempts <= 20
