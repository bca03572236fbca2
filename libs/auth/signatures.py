"""Signed tokens (RFC 7515, compact form) and the public keys (RFC 7517) that verify them.

A key verifies one algorithm, which the key's type decides and never the token, so that a token
cannot choose how it is checked. Knows nothing of claims, issuers or where keys come from.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from libs.auth.errors import TokenInvalid
from libs.auth.identity import is_name

_MAX_TOKEN = 8192  # characters: the most that gRPC accepts for all metadata of a call
_MIN_RSA_BITS = 2048  # RFC 7518, 3.3
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+")
_ALGORITHM_OF = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
# Taken from the registry itself: its lookup warns of EdDSA, for which RFC 9864 has a newer name.
_ALGORITHMS = {name: JWSRegistry.algorithms[name] for name in _ALGORITHM_OF.values()}


class KeyName(NamedTuple):
    """What a token says of its key; a key is found under its own algorithm only."""

    id: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token's parts. Nothing in here is true before `PublicKey.verifies` says so."""

    key: KeyName
    payload: bytes = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies the one algorithm of its name."""

    name: KeyName
    key: Key

    def verifies(self, token: SignedToken) -> bool:
        """Whether the token was signed with this key's private half."""
        algorithm = _ALGORITHMS[self.name.algorithm]
        return token.key == self.name and algorithm.verify(
            token.signing_input, token.signature, self.key
        )


def parse_token(token: str) -> SignedToken:
    """Take a compact token apart.

    Raises:
        TokenInvalid: it is malformed, longer than 8192 characters, names no key or an algorithm
            other than RS256, ES256 and EdDSA, or has header fields that must be understood.
    """
    if len(token) > _MAX_TOKEN or not _COMPACT.fullmatch(token):
        raise TokenInvalid
    header, payload, signature = token.split(".")
    signing_input = f"{header}.{payload}".encode()
    return SignedToken(_key_name(header), _decode(payload), signing_input, _decode(signature))


def parse_object(text: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        TokenInvalid: it is none, or is nested too deeply to be read.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise TokenInvalid from None
    if not isinstance(value, dict):
        raise TokenInvalid
    return value


def _key_name(header: str) -> KeyName:
    fields = parse_object(_decode(header))
    key_id, algorithm = fields.get("kid"), fields.get("alg")
    # crit: extensions to be understood or refused, and none is understood here (RFC 7515, 4.1.11)
    if "crit" in fields or not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise TokenInvalid
    if not isinstance(key_id, str):
        raise TokenInvalid
    return KeyName(key_id, algorithm)


def _decode(text: str) -> bytes:
    """Base64url with one spelling per value: no padding, no other letters, unused bits zero."""
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise TokenInvalid from None
    if _encode(value) != text:
        raise TokenInvalid
    return value


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def parse_keys(document: bytes) -> dict[KeyName, PublicKey]:
    """The keys of a JWK set that can verify tokens.

    Left out, as RFC 7517 (5) asks for: keys of other types, uses or algorithms, and those without
    an id. So are keys that are weak, damaged, or published with their private half.

    Raises:
        ValueError: the document is not a JWK set.
    """
    try:
        entries = json.loads(document)["keys"]
        keys = [_usable(entry) for entry in entries if isinstance(entry, dict)]
    except (LookupError, TypeError, RecursionError) as exc:
        raise ValueError("not a JWK set") from exc
    return {key.name: key for key in keys if key}


def _usable(entry: Mapping[str, Any]) -> PublicKey | None:
    try:
        algorithm = _ALGORITHM_OF[entry["kty"], entry.get("crv")]
        key = import_key(dict(entry))
        _ALGORITHMS[algorithm].check_key(key)  # its `use` and `alg`, when it has them
        key.check_key_op("verify")
    except (JoseError, LookupError, TypeError, ValueError):
        return None
    if key.is_private or _is_weak(key) or not is_name(entry.get("kid")):
        return None
    return PublicKey(KeyName(entry["kid"], algorithm), key)


def _is_weak(key: Key) -> bool:
    return isinstance(key, RSAKey) and key.public_key.key_size < _MIN_RSA_BITS


def sign(claims: Mapping[str, Any], key_id: str, private_key: RSAKey | ECKey | OKPKey) -> str:
    """A compact token of these claims, signed with the algorithm of the key's type."""
    curve = None if isinstance(private_key, RSAKey) else private_key.curve_name
    algorithm = _ALGORITHM_OF[private_key.key_type, curve]
    header = {"typ": "JWT", "alg": algorithm, "kid": key_id}
    signing_input = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
    signature = _ALGORITHMS[algorithm].sign(signing_input.encode(), private_key)
    return f"{signing_input}.{_encode(signature)}"
