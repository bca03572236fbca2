"""Signatures that are checked outside of the suite: audit checkpoints, certificates of erasure.

One Ed25519 key (RFC 8032) signs for the platform. How to use it:

    signer = await open_signer(control_pool, platform.kms, settings.signing_key)  # in a wiring
    signed = signer.sign("aeterna.erasure.v1", {"tenant": "acme", "erased": 12})

`signed` goes into an answer or a file as it is; who holds the public key checks it offline:

    statement = signed.verify(public_key, "aeterna.erasure.v1")  # or raises SignatureInvalid

What is signed is the purpose, a zero byte and the statement's own bytes, so that a signature for
one purpose proves nothing for another. Knows nothing of what is stated.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from libs.errors import AppError, Kind

PUBLIC_KEY_BYTES = 32


class SignatureInvalid(AppError):
    """A statement was not signed with this key, for this purpose, as it stands."""

    kind, reason = Kind.PRECONDITION, "SIGNATURE_INVALID"

    def __init__(self) -> None:
        super().__init__("The signature does not belong to this statement and key.")


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement, in the bytes that were signed, and the signature of the key with this id."""

    statement: bytes
    key_id: str
    signature: bytes

    def verify(self, public_key: bytes, purpose: str) -> Any:
        """What is stated, if `public_key` (32 bytes) signed it for this purpose.

        Raises:
            SignatureInvalid: It did not, or the statement is not JSON.
        """
        try:
            key = Ed25519PublicKey.from_public_bytes(public_key)
            key.verify(self.signature, _message(purpose, self.statement))
            return json.loads(self.statement)
        except (InvalidSignature, ValueError) as exc:
            raise SignatureInvalid from exc

    def to_json(self) -> dict[str, str]:
        """For files: the statement as text, the signature in base64."""
        signature = base64.b64encode(self.signature).decode()
        return {
            "statement": self.statement.decode(),
            "key_id": self.key_id,
            "signature": signature,
        }

    @classmethod
    def from_json(cls, value: Any) -> "Signed":
        """Back from `to_json`.

        Raises:
            SignatureInvalid: It is something else.
        """
        try:
            signature = base64.b64decode(value["signature"], validate=True)
            return cls(value["statement"].encode(), str(value["key_id"]), signature)
        except (KeyError, TypeError, AttributeError, ValueError) as exc:
            raise SignatureInvalid from exc


@dataclass(frozen=True, slots=True)
class Signer:
    """Holds the private key; `public_key` (32 bytes) is for everybody."""

    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return key_id(self.public_key)

    def sign(self, purpose: str, statement: Mapping[str, Any]) -> Signed:
        """Signs the statement as JSON. `purpose` names its kind and version: aeterna.erasure.v1"""
        text = json.dumps(statement, ensure_ascii=False, sort_keys=True).encode()
        return Signed(text, self.key_id, self.private.sign(_message(purpose, text)))


def key_id(public_key: bytes) -> str:
    """How a key is called: the first 16 hexadecimal digits of its SHA-256."""
    return sha256(public_key).hexdigest()[:16]


def _message(purpose: str, statement: bytes) -> bytes:
    return purpose.encode() + b"\0" + statement
