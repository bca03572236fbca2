"""Whose signatures vouch for rows of the change log that erasing a person has changed."""

from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from libs.signing.store import public_keys
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId


@dataclass(frozen=True)
class SignedAmendments:
    """`Vouchers` of the platform's keys; `control` is a pool of governance's role."""

    control: asyncpg.Pool

    async def voucher(self, tenant: TenantId) -> Callable[[LoggedChange], bool]:
        """Says whether the platform has signed a row of the log as it is."""
        found = await public_keys(self.control)
        keys = [Ed25519PublicKey.from_public_bytes(each) for each in found.values()]

        def vouched(change: LoggedChange) -> bool:
            signature, form = change.amendment, change.amended_form(tenant)
            return signature is not None and any(_verifies(key, signature, form) for key in keys)

        return vouched


def _verifies(key: Ed25519PublicKey, signature: bytes, form: bytes) -> bool:
    try:
        key.verify(signature, form)
    except InvalidSignature:
        return False
    return True
