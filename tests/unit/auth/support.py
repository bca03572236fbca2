"""Keys, tokens and an issuer for the tests of authentication.

Tokens are signed with `cryptography` alone, so that what is tested does not check itself.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, settings
from joserfc.jwk import ECKey, OKPKey, RSAKey

from libs.auth import Authenticator, AuthSettings, IssuerSettings
from libs.auth.keys import KeySource

ISSUER, AUDIENCE = "https://login.example", "aeterna"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RSA, EC, ED = generate_rsa(65537, 2048), generate_ec(SECP256R1()), Ed25519PrivateKey.generate()
STRANGER = Ed25519PrivateKey.generate()

# In a fresh checkout the first text takes seconds: Hypothesis builds its tables of Unicode.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
Jwk = dict[str, Any]


class Clock:
    """A time of day that passes when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **passed: float) -> None:
        self.now += timedelta(**passed)


class Endpoint:
    """Where an issuer publishes its keys; counts how often it is asked."""

    def __init__(self, *keys: Jwk) -> None:
        self.calls = 0
        self.failure: Exception | None = None
        self.document = b""
        self.publish(*keys)

    def publish(self, *keys: Jwk) -> None:
        self.document = key_set(*keys)

    async def fetch(self) -> bytes:
        self.calls += 1
        if self.failure:
            raise self.failure
        return self.document


def jwk(private: PrivateKey, key_id: str, **extra: Any) -> Jwk:
    """The public half, as an issuer publishes it."""
    key: RSAKey | ECKey | OKPKey
    if isinstance(private, RSAPrivateKey):
        key = RSAKey.import_key(private)
    elif isinstance(private, Ed25519PrivateKey):
        key = OKPKey.import_key(private)
    else:
        key = ECKey.import_key(private)
    return {**key.as_dict(private=False), "kid": key_id, **extra}


def key_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


KEYS = (jwk(RSA, "rsa", use="sig", alg="RS256"), jwk(EC, "ec"), jwk(ED, "ed", use="sig"))


def signature(key: PrivateKey | bytes, data: bytes) -> bytes:
    """As RFC 7518 and RFC 8037 say; bytes are a secret for HMAC with SHA-256."""
    if isinstance(key, bytes):
        return hmac.new(key, data, hashlib.sha256).digest()
    if isinstance(key, RSAPrivateKey):
        return key.sign(data, PKCS1v15(), SHA256())
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    r, s = decode_dss_signature(key.sign(data, ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def signed(header: object, payload: object, key: PrivateKey | bytes) -> str:
    """A token with any header and payload; bytes are taken as they are."""
    parts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in (header, payload)]
    data = ".".join(segment(part) for part in parts)
    return f"{data}.{segment(signature(key, data.encode()))}"


def make_claims(**changes: Any) -> dict[str, Any]:
    """Valid claims, issued now for an hour; a change to None removes a claim."""
    now = int(NOW.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann",
        "tenant": "acme",
        "roles": ["developer"],
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def make_token(
    *,
    key: PrivateKey | bytes = ED,
    header: Mapping[str, Any] | None = None,
    **changes: Any,
) -> str:
    return signed({"alg": "EdDSA", "kid": "ed", **(header or {})}, make_claims(**changes), key)


def seconds(after_now: float) -> float:
    """A NumericDate (RFC 7519): seconds after `NOW`."""
    return NOW.timestamp() + after_now


def issuer_settings(**changes: Any) -> IssuerSettings:
    url = "https://login.example/keys"
    return IssuerSettings(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks_url": url, **changes})


def authenticator_of(
    clock: Clock,
    endpoints: Mapping[str, Endpoint],
    issuers: Sequence[IssuerSettings] = (),
    **options: int,
) -> Authenticator:
    """An authenticator of these issuers, or of the usual one."""
    sources = {name: KeySource(name, each.fetch, clock) for name, each in endpoints.items()}
    settings = AuthSettings(issuers=tuple(issuers) or (issuer_settings(),))
    return Authenticator(settings, sources, clock, **options)
