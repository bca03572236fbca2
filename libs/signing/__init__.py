"""Certificates of the platform: canonical JSON under an Ed25519 signature, which anybody verifies.
Pure.

Canonical (as RFC 8785 has it, for texts, whole numbers, lists and objects): UTF-8, keys in the
order of their code points, nothing between.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from libs.errors import AppError, Kind

ALGORITHM = "Ed25519"


class CertificateInvalid(AppError):
    """The signature is not that of the key, or the text is no certificate."""

    kind, reason = Kind.PRECONDITION, "CERTIFICATE_INVALID"

    def __init__(self, why: str) -> None:
        super().__init__(f"This is no valid certificate: {why}.", why=why)


def canonical(value: Any) -> bytes:
    """The one text of a JSON value."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def key_id(public_key: bytes) -> str:
    """How certificates name a key."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def signed(statement: Mapping[str, Any], key: Ed25519PrivateKey) -> str:
    """The statement with its signature, as canonical JSON."""
    identity = key_id(key.public_key().public_bytes_raw())
    signature = base64.b64encode(key.sign(canonical(statement))).decode()
    seal = {"algorithm": ALGORITHM, "keyId": identity, "value": signature}
    return canonical({**statement, "signature": seal}).decode()


def verified(certificate: str, public_key: bytes) -> dict[str, Any]:
    """What it states, once the signature is checked.

    Raises:
        CertificateInvalid: As it says.
    """
    try:
        statement: dict[str, Any] = json.loads(certificate)
        seal = statement.pop("signature")
        signature = base64.b64decode(seal["value"], validate=True)
        key = Ed25519PublicKey.from_public_bytes(public_key)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise CertificateInvalid("it cannot be read") from exc
    if seal.get("algorithm") != ALGORITHM:
        raise CertificateInvalid("it is signed in another way")
    try:
        key.verify(signature, canonical(statement))
    except InvalidSignature as exc:
        raise CertificateInvalid("it was altered, or signed with another key") from exc
    return statement
