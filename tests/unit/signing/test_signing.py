"""A signature proves one statement, for one purpose, by one key."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from libs.signing import SignatureInvalid, Signed, Signer, key_id

_PURPOSE = "aeterna.test.v1"
_SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
_OTHER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))

values = st.none() | st.integers() | st.text(max_size=20)
statements = st.dictionaries(st.text(max_size=10), values, max_size=5)


@given(statements)
def test_what_was_signed_is_read_back_through_a_file(statement: dict[str, object]) -> None:
    text = json.dumps(_SIGNER.sign(_PURPOSE, statement).to_json())

    signed = Signed.from_json(json.loads(text))

    assert signed.verify(_SIGNER.public_key, _PURPOSE) == statement
    assert signed.key_id == key_id(_SIGNER.public_key) == _SIGNER.key_id


@given(statements, st.data())
def test_no_bit_can_be_changed(statement: dict[str, object], data: st.DataObject) -> None:
    signed = _SIGNER.sign(_PURPOSE, statement)
    name = data.draw(st.sampled_from(["statement", "signature"]))
    changed = bytearray(getattr(signed, name))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    changes: dict[str, Any] = {name: bytes(changed)}

    with pytest.raises(SignatureInvalid):
        replace(signed, **changes).verify(_SIGNER.public_key, _PURPOSE)


def test_another_key_or_purpose_proves_nothing() -> None:
    signed = _SIGNER.sign(_PURPOSE, {"a": 1})

    for public_key, purpose in (
        (_OTHER.public_key, _PURPOSE),
        (_SIGNER.public_key, "aeterna.test.v2"),
        (b"short", _PURPOSE),
    ):
        with pytest.raises(SignatureInvalid):
            signed.verify(public_key, purpose)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "x",
        {"statement": 1, "key_id": "", "signature": ""},
        {"statement": "{}", "key_id": "", "signature": "!"},
    ],
)
def test_what_is_no_signed_statement_is_refused(value: object) -> None:
    with pytest.raises(SignatureInvalid):
        Signed.from_json(value)


def test_the_private_key_is_not_shown() -> None:
    assert repr(_SIGNER) == "Signer()"
