"""The platform's signing key: made when first needed, its private half wrapped by the KMS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from libs.encryption.kms import Context, Kms, WrappedKey
from libs.postgres import lend, store_errors
from libs.signing import key_id
from libs.spine.changes import LoggedChange

_CONTEXT: Context = {"purpose": "certificates"}
_NEWEST = """
    SELECT id, public_key, kms_key_id, wrapped, created_at FROM control.signing_key
    ORDER BY created_at DESC, id
"""
_HOLD = "SELECT pg_advisory_xact_lock(4112606013)"
_ADD = """
    INSERT INTO control.signing_key (id, public_key, kms_key_id, wrapped) VALUES ($1, $2, $3, $4)
"""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What verifies."""

    id: str
    public_key: bytes
    created_at: datetime


@dataclass
class Signing:
    """Keys in the control database; `control` is a pool of governance's role."""

    control: asyncpg.Pool
    kms: Kms
    _key: Ed25519PrivateKey | None = field(default=None, repr=False)

    async def public_keys(self) -> Sequence[PublicKey]:
        """The newest first; there is one at least."""
        await self.key()
        return [
            PublicKey(row["id"], row["public_key"], row["created_at"]) for row in await self._rows()
        ]

    async def key(self) -> Ed25519PrivateKey:
        """What signs."""
        if self._key is None:
            rows = await self._rows() or await self._made()
            wrapped = WrappedKey(rows[0]["kms_key_id"], rows[0]["wrapped"])
            seed = await self.kms.unwrap(wrapped, _CONTEXT)
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
        return self._key

    async def voucher(self, tenant: str) -> Callable[[LoggedChange], bool]:
        """Says whether the platform has signed a row of the log as it is."""
        keys = [
            Ed25519PublicKey.from_public_bytes(each["public_key"]) for each in await self._rows()
        ]

        def vouched(change: LoggedChange) -> bool:
            signature, form = change.amendment, change.amended_form(tenant)
            return signature is not None and any(_verifies(key, signature, form) for key in keys)

        return vouched

    async def _rows(self) -> list[asyncpg.Record]:
        with store_errors():
            async with lend(self.control) as conn:
                rows: list[asyncpg.Record] = await conn.fetch(_NEWEST)
        return rows

    async def _made(self) -> list[asyncpg.Record]:
        generated = await self.kms.generate(_CONTEXT)
        public = Ed25519PrivateKey.from_private_bytes(generated.plaintext).public_key()
        raw, wrapped = public.public_bytes_raw(), generated.wrapped
        with store_errors():
            async with lend(self.control) as conn, conn.transaction():
                await conn.execute(_HOLD)  # replicas that begin at once make one
                if not await conn.fetch(_NEWEST):
                    await conn.execute(_ADD, key_id(raw), raw, wrapped.key_id, wrapped.ciphertext)
                rows: list[asyncpg.Record] = await conn.fetch(_NEWEST)
        return rows


def _verifies(key: Ed25519PublicKey, signature: bytes, form: bytes) -> bool:
    try:
        key.verify(signature, form)
    except InvalidSignature:
        return False
    return True
