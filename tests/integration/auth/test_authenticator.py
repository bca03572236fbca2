"""The authenticator with keys from a real web server or a file."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from libs.auth import (
    Authenticator,
    AuthSettings,
    IssuerSettings,
    KeysUnavailable,
    TokenInvalid,
    open_authenticator,
)
from libs.auth.signatures import sign
from tests.integration.auth.conftest import KeyServer, key_set, serve

ISSUER = "https://login.example"
KEY, NEXT_KEY = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")


class Clock:
    """The time of day, with a shift that tests change."""

    def __init__(self) -> None:
        self.shift = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def authenticator(server: KeyServer, clock: Clock) -> AsyncIterator[Authenticator]:
    server.publish(KEY)
    async with open_authenticator(settings_of(jwks_url=server.url), clock) as opened:
        yield opened


def settings_of(**source: Any) -> AuthSettings:
    issuer = IssuerSettings(issuer=ISSUER, audience="aeterna", **source)
    return AuthSettings(issuers=(issuer,))


def token_of(key: OKPKey, subject: str = "ann") -> str:
    now = int(datetime.now(UTC).timestamp())
    times = {"iat": now, "exp": now + 3600}
    claims = {"iss": ISSUER, "aud": "aeterna", "tenant": "acme", "roles": ["viewer"], **times}
    return sign({**claims, "sub": subject}, key.thumbprint(), key)


async def test_keys_are_fetched_once(authenticator: Authenticator, server: KeyServer) -> None:
    tokens = [token_of(KEY, f"user-{number}") for number in range(20)]

    identities = await asyncio.gather(*map(authenticator.authenticate, tokens))

    assert [each.subject for each in identities] == [f"user-{number}" for number in range(20)]
    assert len(server.requests) == 1


async def test_the_only_type_that_kubernetes_offers_is_asked_for(
    authenticator: Authenticator, server: KeyServer
) -> None:
    await authenticator.authenticate(token_of(KEY))

    assert "application/jwk-set+json" in server.requests[0]["accept"]


async def test_keys_are_rotated(
    authenticator: Authenticator, server: KeyServer, clock: Clock
) -> None:
    await authenticator.authenticate(token_of(KEY))
    server.publish(NEXT_KEY)
    clock.shift = timedelta(seconds=10)

    assert await authenticator.authenticate(token_of(NEXT_KEY))
    with pytest.raises(TokenInvalid):
        await authenticator.authenticate(token_of(KEY, "bob"))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, key_set(NEXT_KEY)),
        (302, key_set(NEXT_KEY)),
        (200, b"<html>"),
        (200, key_set(NEXT_KEY) + b" " * 262_144),
    ],
)
async def test_bad_answers_leave_the_keys_in_use(
    authenticator: Authenticator, server: KeyServer, clock: Clock, status: int, body: bytes
) -> None:
    await authenticator.authenticate(token_of(KEY))
    server.status, server.body = status, body
    server.headers = {"Location": server.url}
    clock.shift = timedelta(minutes=6)
    with pytest.raises(KeysUnavailable):
        await authenticator.authenticate(token_of(NEXT_KEY))

    assert await authenticator.authenticate(token_of(KEY, "bob"))
    assert len(server.requests) == 2


async def test_a_server_that_is_gone_leaves_the_keys_in_use(clock: Clock) -> None:
    server = KeyServer()
    server.publish(KEY)
    async with serve(server):
        settings = settings_of(jwks_url=server.url)
        opened = open_authenticator(settings, clock)
        authenticator = await opened.__aenter__()
        await authenticator.authenticate(token_of(KEY))
    clock.shift = timedelta(minutes=6)

    with pytest.raises(KeysUnavailable):
        await authenticator.authenticate(token_of(NEXT_KEY))
    assert await authenticator.authenticate(token_of(KEY, "bob"))
    await opened.__aexit__(None, None, None)


async def test_closing_does_not_wait_for_a_silent_server(server: KeyServer) -> None:
    server.silent = True
    async with asyncio.timeout(4), open_authenticator(settings_of(jwks_url=server.url)):
        pass  # an attempt would be given up after five seconds


async def test_a_file_is_read_anew(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(KEY))
    async with open_authenticator(settings_of(jwks_file=file), clock) as authenticator:
        assert await authenticator.authenticate(token_of(KEY))
        file.write_bytes(key_set(NEXT_KEY))
        clock.shift = timedelta(seconds=10)

        assert await authenticator.authenticate(token_of(NEXT_KEY))


async def test_keys_come_from_a_private_server_that_asks_for_a_token(tmp_path: Path) -> None:
    """As the API server of Kubernetes does: its own CA, and the pod's token to be let in."""
    certificate, context = self_signed(tmp_path)
    token_file = tmp_path / "token"
    token_file.write_text("let-me-in\n")
    server = KeyServer()
    server.publish(KEY)
    async with serve(server, context):
        trusting = {"jwks_ca_file": certificate, "jwks_token_file": token_file}
        async with open_authenticator(settings_of(jwks_url=server.url, **trusting)) as good:
            assert await good.authenticate(token_of(KEY))
        async with open_authenticator(settings_of(jwks_url=server.url)) as wary:
            with pytest.raises(KeysUnavailable):
                await wary.authenticate(token_of(KEY))

    assert [request["authorization"] for request in server.requests] == ["Bearer let-me-in"]


def self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(hours=1)).add_extension(address, False)
    certificate, private = folder / "ca.pem", folder / "key.pem"
    certificate.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return certificate, context
