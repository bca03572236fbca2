"""The cryptographic operations that everything above is made of, each a standard one.

Knows nothing of tenants, fields or storage. `cryptography` (OpenSSL) does the work; this module
says which algorithms are used and turns every way of failing into `DecryptionFailed`.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from libs.encryption.errors import DecryptionFailed

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


def seal(cipher: AESGCM, data: bytes, aad: bytes) -> bytes:
    """Encrypt with AES-GCM (NIST SP 800-38D) under a fresh random 96-bit nonce.

    Returns:
        nonce (12 bytes), ciphertext (as long as `data`), tag (16 bytes).
    """
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, aad)


def open_sealed(cipher: AESGCM, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Decrypt AES-GCM ciphertext with its tag of 16 bytes at the end.

    Args:
        nonce: 8 to 128 bytes: what OpenSSL takes; everything stored by this package has 12.
    Raises:
        DecryptionFailed: the tag does not match, or a size is impossible.
    """
    try:
        return cipher.decrypt(nonce, sealed, aad)
    except (InvalidTag, ValueError):
        raise DecryptionFailed from None


def wrap_key(wrapping_key: bytes, key: bytes) -> bytes:
    """AES key wrap (RFC 3394) of a key of 16 bytes or more, a multiple of 8: adds 8 bytes.

    Raises:
        ValueError: a size is not allowed.
    """
    return keywrap.aes_key_wrap(wrapping_key, key)


def unwrap_key(wrapping_key: bytes, wrapped: bytes) -> bytes:
    """The inverse of `wrap_key`.

    Raises:
        DecryptionFailed: `wrapped` was not made with this key.
    """
    try:
        return keywrap.aes_key_unwrap(wrapping_key, wrapped)
    except (keywrap.InvalidUnwrap, ValueError):
        raise DecryptionFailed from None


def wrap_secret(wrapping_key: bytes, secret: bytes) -> bytes:
    """AES key wrap with padding (RFC 5649) of a secret of any length from 1 byte.

    Raises:
        ValueError: a size is not allowed.
    """
    return keywrap.aes_key_wrap_with_padding(wrapping_key, secret)


def unwrap_secret(wrapping_key: bytes, wrapped: bytes) -> bytes:
    """The inverse of `wrap_secret`.

    Raises:
        DecryptionFailed: `wrapped` was not made with this key.
    """
    try:
        return keywrap.aes_key_unwrap_with_padding(wrapping_key, wrapped)
    except (keywrap.InvalidUnwrap, ValueError):
        raise DecryptionFailed from None


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """Derive `length` bytes (1 to 8160) from a secret (RFC 5869 with SHA-256).

    Raises:
        ValueError: `length` is out of range.
    """
    return HKDF(hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)


def length_prefixed(*parts: bytes) -> bytes:
    """Join parts, each behind its length (4 bytes, big-endian): no two lists give equal bytes."""
    return b"".join(len(part).to_bytes(4) + part for part in parts)
