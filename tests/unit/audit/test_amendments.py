"""Whose signatures vouch for an entry that erasing a person has changed."""

from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.audit.amendments import voucher
from libs.spine.changes import LoggedChange

_ENTRY = LoggedChange(
    number=1,
    resource="memories/1",
    operation="created",
    actor="user:erased-1",
    subject="erased-1",
    layer="user",
    trace_id="",
    request_id="",
    event="",
    committed_at=datetime(2026, 1, 1, tzinfo=UTC),
    hash=bytes(32),
)


def test_what_is_no_key_vouches_for_nothing() -> None:
    """Somebody may have altered the table of keys, too."""
    key = Ed25519PrivateKey.generate()
    signed = replace(_ENTRY, amendment=key.sign(_ENTRY.amended_form("acme")))
    public = key.public_key().public_bytes_raw()

    assert not voucher("acme", [b"altered"])(signed)
    assert voucher("acme", [b"altered", public])(signed)
