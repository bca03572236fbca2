"""Sealing small things outside a shard: each under a key of its own, which the KMS wraps."""

from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.encryption.kms import Context, Kms, WrappedKey
from libs.encryption.primitives import NONCE_BYTES, open_sealed, seal


class Kept(NamedTuple):
    """What is stored of a sealed thing: without `wrapped` nobody opens it."""

    kms_key_id: str
    wrapped: bytes
    sealed: bytes


async def keep(kms: Kms, context: Context, data: bytes) -> Kept:
    """Seals under a fresh key."""
    key = await kms.generate(context)
    sealed = seal(AESGCM(key.plaintext), data, _aad(context))
    return Kept(key.wrapped.key_id, key.wrapped.ciphertext, sealed)


async def reopen(kms: Kms, context: Context, kept: Kept) -> bytes:
    """What was sealed.

    Raises:
        DecryptionFailed: It was altered, or sealed for another context.
    """
    key = await kms.unwrap(WrappedKey(kept.kms_key_id, kept.wrapped), context)
    nonce, body = kept.sealed[:NONCE_BYTES], kept.sealed[NONCE_BYTES:]
    return open_sealed(AESGCM(key), nonce, body, _aad(context))


def _aad(context: Context) -> bytes:
    return "\0".join(f"{name}={context[name]}" for name in sorted(context)).encode()
