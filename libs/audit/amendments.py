"""Entries that erasing a person has changed: the platform signed them as they are. Pure."""

from collections.abc import Callable, Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from libs.spine.changes import LoggedChange


def voucher(tenant: str, public_keys: Iterable[bytes]) -> Callable[[LoggedChange], bool]:
    """Says whether one of these keys (32 bytes each) signed an entry of the tenant as it is."""
    keys = [key for each in public_keys if (key := _key(each))]

    def vouched(change: LoggedChange) -> bool:
        signature, form = change.amendment, change.amended_form(tenant)
        return signature is not None and any(_verifies(key, signature, form) for key in keys)

    return vouched


def _key(public_key: bytes) -> Ed25519PublicKey | None:
    """None for what somebody has put in the place of one: it vouches for nothing."""
    try:
        return Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError:
        return None


def _verifies(key: Ed25519PublicKey, signature: bytes, form: bytes) -> bool:
    try:
        key.verify(signature, form)
    except InvalidSignature:
        return False
    return True
