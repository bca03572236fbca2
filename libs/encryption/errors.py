"""Errors of encryption. They name keys by id at most: no key, no plaintext, no hint at a cause."""

from collections.abc import Iterable
from uuid import UUID

from libs.errors import AppError, Kind


class DecryptionFailed(AppError):
    """The bytes were not sealed here, for this place, with this key. Says no more on purpose."""

    kind, reason = Kind.PRECONDITION, "DECRYPTION_FAILED"

    def __init__(self) -> None:
        super().__init__("The stored value cannot be decrypted.")


class KeyDestroyed(AppError):
    """The key of a value is gone, by erasure as a rule: the value can never be read again."""

    kind, reason = Kind.NOT_FOUND, "KEY_DESTROYED"

    def __init__(self, key_ids: Iterable[UUID]) -> None:
        names = ", ".join(sorted(map(str, key_ids)))
        super().__init__(f"Encryption keys no longer exist: {names}.", keyIds=names)


class TenantKeyMissing(AppError):
    """The tenant was never provisioned with a key, so nothing can be sealed for it."""

    kind, reason = Kind.PRECONDITION, "TENANT_KEY_MISSING"

    def __init__(self, tenant: str) -> None:
        super().__init__(f"Tenant {tenant} has no encryption key.", tenant=tenant)


class KmsKeyMissing(AppError):
    """The key management service does not hold the key that wrapped a tenant key."""

    kind, reason = Kind.PRECONDITION, "KMS_KEY_MISSING"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The key management service has no key {key_id}.", keyId=key_id)


class KmsUnusable(AppError):
    """The key management service failed its self-test, or its keyring file cannot be trusted."""

    kind, reason = Kind.PRECONDITION, "KMS_UNUSABLE"

    def __init__(self, why: str) -> None:
        super().__init__(f"The key management service is unusable: {why}.", why=why)


class KmsUnavailable(AppError):
    """The key management service does not answer, or is overloaded; what is cached goes on."""

    kind, reason = Kind.UNAVAILABLE, "KMS_UNAVAILABLE"

    def __init__(self, provider: str) -> None:
        super().__init__(
            f"The key management service ({provider}) cannot be reached.", kms=provider
        )


class KmsKeyDisabled(AppError):
    """The key exists, but may not be used: it was disabled, or is about to be deleted."""

    kind, reason = Kind.PRECONDITION, "KMS_KEY_DISABLED"

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"Key {key_id} of the key management service may not be used: it is disabled, to be"
            " deleted or too old.",
            keyId=key_id,
        )


class KmsAccessDenied(AppError):
    """The key management service refuses our credentials."""

    kind, reason = Kind.PRECONDITION, "KMS_ACCESS_DENIED"

    def __init__(self, provider: str) -> None:
        super().__init__(
            f"The key management service ({provider}) denies access to its key.", kms=provider
        )


class SubjectKeyNotFound(AppError):
    """Nothing was ever sealed for this subject, or its keys were destroyed."""

    kind, reason = Kind.NOT_FOUND, "SUBJECT_KEY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("The subject has no key.")
