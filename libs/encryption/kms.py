"""The port to a key management service, which holds the keys at the top of the hierarchy.

Knows nothing of a provider. A context (names and values, never secret) is authenticated with every
wrapped key: it unwraps under the same context only.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from libs.encryption.errors import DecryptionFailed, KmsUnusable
from libs.encryption.primitives import KEY_BYTES

Context = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as it is stored: `key_id` is the service's name of the key that wrapped it."""

    key_id: str
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """A fresh 256-bit key, in the clear and wrapped."""

    plaintext: bytes = field(repr=False)
    wrapped: WrappedKey


@dataclass(frozen=True, slots=True)
class KmsDescription:
    """What an operator may see: the key that wraps now, since when, and how many still unwrap.

    Attributes:
        state: `enabled`, or the service's own word for why it may not be used.
        automatic: Whether the service rotates it by itself.
        deletion_at: When it will be deleted, if that is scheduled.
    """

    provider: str
    key_id: str
    created_at: datetime
    versions: int
    state: str = "enabled"
    automatic: bool = False
    deletion_at: datetime | None = None


class Kms(Protocol):
    """Wraps tenant keys under keys that never leave it.

    Every method raises KmsUnavailable when the service does not answer, and KmsAccessDenied when it
    refuses us.
    """

    @property
    def is_production_safe(self) -> bool:
        """False for a provider that production mode refuses."""
        ...

    async def generate(self, context: Context) -> GeneratedKey:
        """A fresh random key, wrapped by the current version."""
        ...

    async def wrap(self, plaintext: bytes, context: Context) -> WrappedKey:
        """Wrap a given 256-bit key with the current version: for moving keys to a new one."""
        ...

    async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """The key in the clear.

        Raises:
            DecryptionFailed: altered, or wrapped under another context.
            KmsKeyMissing: wrapped by a key that the service does not hold.
            KmsKeyDisabled: wrapped by a key that may not be used.
        """
        ...

    async def rewrap(self, wrapped: WrappedKey, context: Context) -> WrappedKey:
        """The same key, wrapped by the current version; inside the service where it can do that.

        Raises: As `unwrap`.
        """
        ...

    async def rotate(self) -> str:
        """Make a new version the one that wraps; old ones still unwrap.

        Returns:
            Its key id; the old one where a service names no versions.
        """
        ...

    async def describe(self) -> KmsDescription:
        """The state of the key."""
        ...

    async def keys(self) -> Sequence[KmsDescription]:
        """Every key, or version of one, that the service shows us; some hundred at most."""
        ...

    def owns(self, key_id: str) -> bool:
        """Whether a key of this name would be here: services may follow each other."""
        ...


async def self_test(kms: Kms) -> None:
    """Prove at boot that keys come back under their own context and under no other.

    Raises:
        KmsUnusable: they do not; the process must not serve.
    """
    context = {"purpose": "self-test", "nonce": secrets.token_hex(8)}
    generated = await kms.generate(context)
    rewrapped = await kms.wrap(generated.plaintext, context)
    again = await kms.rewrap(generated.wrapped, context)
    for wrapped in (generated.wrapped, rewrapped, again):
        if await kms.unwrap(wrapped, context) != generated.plaintext:
            raise KmsUnusable("a wrapped key came back different")
    if len(generated.plaintext) != KEY_BYTES:
        raise KmsUnusable("keys are not 256 bits long")
    await _refuses_other_context(kms, rewrapped, {**context, "nonce": "another"})


async def _refuses_other_context(kms: Kms, wrapped: WrappedKey, other: Context) -> None:
    try:
        await kms.unwrap(wrapped, other)
    except DecryptionFailed:
        return
    raise KmsUnusable("the context of a wrapped key is not checked")
