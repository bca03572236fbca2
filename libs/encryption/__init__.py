"""Envelope encryption of fields: KMS key > tenant key > subject key > field.

Services call `Keyring`; wiring gives it a `Kms` and a `KeyStore`. Which fields are encrypted is
said in `registry`.
"""

from libs.encryption.errors import (
    DecryptionFailed,
    KeyDestroyed,
    KmsAccessDenied,
    KmsKeyDisabled,
    KmsKeyMissing,
    KmsUnavailable,
    KmsUnusable,
    SubjectKeyNotFound,
    TenantKeyMissing,
)
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import ENCRYPTED_FIELDS, Field

__all__ = [
    "ENCRYPTED_FIELDS",
    "DecryptionFailed",
    "Field",
    "KeyDestroyed",
    "Keyring",
    "KmsAccessDenied",
    "KmsKeyDisabled",
    "KmsKeyMissing",
    "KmsUnavailable",
    "KmsUnusable",
    "Plain",
    "Sealed",
    "SubjectKeyNotFound",
    "TenantKeyMissing",
]
