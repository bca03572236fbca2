"""The platform's signing key: made at the first start and kept in the control database, wrapped by
the key management service, or given by a setting."""

from pathlib import Path

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from libs.encryption.kms import Kms, WrappedKey
from libs.errors import AppError, Kind
from libs.postgres import Connection, lend, store_errors
from libs.signing import Signer

_CONTEXT = {"purpose": "signing"}
_LOCK = "SELECT pg_advisory_xact_lock(4112606002)"
_NEWEST = """
    SELECT id, kms_key_id, wrapped FROM control.signing_key
    WHERE wrapped IS NOT NULL ORDER BY created_at DESC LIMIT 1
"""
_ADD = """
    INSERT INTO control.signing_key (id, public_key, kms_key_id, wrapped) VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING
"""
_REWRAP = "UPDATE control.signing_key SET kms_key_id = $2, wrapped = $3 WHERE id = $1"
_PUBLIC = "SELECT id, public_key FROM control.signing_key ORDER BY created_at DESC"


class SigningKeyUnusable(AppError):
    """The file that the setting names holds no Ed25519 private key."""

    kind, reason = Kind.PRECONDITION, "SIGNING_KEY_UNUSABLE"

    def __init__(self) -> None:
        super().__init__("The signing key must be an Ed25519 private key, PEM, unencrypted.")


async def open_signer(control: asyncpg.Pool, kms: Kms, given: Path | None = None) -> Signer:
    """The key that signs from now on; several processes that start at once get the same.

    A key that is wrapped by an older key of the KMS is wrapped by its newest.

    Args:
        control: The control database, with the role of governance.
        given: A PEM file; instead of a key that the suite makes.

    Raises:
        SigningKeyUnusable: As it says.
        StoreUnavailable, KmsKeyMissing: The key cannot be had.
    """
    with store_errors():
        async with lend(control) as conn, conn.transaction():
            await conn.execute(_LOCK)
            if given:
                return await _remember(conn, Signer(_load(given)))
            row = await conn.fetchrow(_NEWEST)
            return await (_opened(conn, kms, row) if row else _made(conn, kms))


async def public_keys(control: asyncpg.Pool) -> dict[str, bytes]:
    """The public key of every key that ever signed, by its id."""
    with store_errors():
        async with lend(control) as conn:
            rows = await conn.fetch(_PUBLIC)
    return {row["id"]: row["public_key"] for row in rows}


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        raise SigningKeyUnusable from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyUnusable
    return key


async def _remember(conn: Connection, signer: Signer) -> Signer:
    await conn.execute(_ADD, signer.key_id, signer.public_key, None, None)
    return signer


async def _made(conn: Connection, kms: Kms) -> Signer:
    generated = await kms.generate(_CONTEXT)
    signer = Signer(Ed25519PrivateKey.from_private_bytes(generated.plaintext))
    wrapped = generated.wrapped
    await conn.execute(_ADD, signer.key_id, signer.public_key, wrapped.key_id, wrapped.ciphertext)
    return signer


async def _opened(conn: Connection, kms: Kms, row: asyncpg.Record) -> Signer:
    plaintext = await kms.unwrap(WrappedKey(row["kms_key_id"], row["wrapped"]), _CONTEXT)
    signer = Signer(Ed25519PrivateKey.from_private_bytes(plaintext))
    if row["kms_key_id"] != (await kms.describe()).key_id:
        wrapped = await kms.wrap(plaintext, _CONTEXT)
        await conn.execute(_REWRAP, row["id"], wrapped.key_id, wrapped.ciphertext)
    return signer
