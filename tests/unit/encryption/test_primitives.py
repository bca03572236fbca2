import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from libs.encryption import DecryptionFailed
from libs.encryption.primitives import (
    NONCE_BYTES,
    length_prefixed,
    open_sealed,
    seal,
    unwrap_secret,
    wrap_key,
    wrap_secret,
)

keys = st.binary(min_size=32, max_size=32)


@given(keys, st.binary(), st.binary())
def test_what_was_sealed_opens(key: bytes, data: bytes, aad: bytes) -> None:
    sealed = seal(AESGCM(key), data, aad)

    assert open_sealed(AESGCM(key), sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad) == data


def test_every_nonce_is_fresh() -> None:
    cipher = AESGCM(bytes(32))

    assert len({seal(cipher, b"", b"")[:NONCE_BYTES] for _ in range(100)}) == 100


@given(keys, st.binary(min_size=1, max_size=3000))
def test_a_secret_of_any_length_unwraps(key: bytes, secret: bytes) -> None:
    assert unwrap_secret(key, wrap_secret(key, secret)) == secret


def test_another_key_does_not_unwrap_a_secret() -> None:
    wrapped = wrap_secret(bytes(32), b"private key")

    with pytest.raises(DecryptionFailed):
        unwrap_secret(b"\x01" * 32, wrapped)


def test_a_key_of_a_wrong_size_is_not_wrapped() -> None:
    with pytest.raises(ValueError, match="key"):
        wrap_key(bytes(32), b"short")


parts = st.lists(st.binary(max_size=4), max_size=4)


@given(parts, parts)
def test_length_prefixed_lists_are_equal_only_when_their_parts_are(
    one: list[bytes], other: list[bytes]
) -> None:
    assert (length_prefixed(*one) == length_prefixed(*other)) == (one == other)
