import os
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.encryption import ENCRYPTED_FIELDS, DecryptionFailed, Field, registry
from libs.encryption.envelope import OVERHEAD_BYTES, DataKey, key_id_of
from libs.encryption.registry import MEMORY_CONTENT

SECRET = os.urandom(32)
KEY_ID = uuid4()

fields = st.sampled_from(sorted(ENCRYPTED_FIELDS))
tenants = st.text(min_size=1, max_size=5)
versions = st.integers(1, 2**32 - 1)
places = st.tuples(tenants, versions, fields, st.uuids())
nonces = st.builds(os.urandom, st.just(12))

Place = tuple[str, int, Field, UUID]


def seal_at(place: Place, data: bytes, nonce: bytes) -> bytes:
    tenant, version, field, row_id = place
    return DataKey(tenant, KEY_ID, version, SECRET).seal(field, row_id, data, nonce)


def open_at(place: Place, blob: bytes) -> bytes:
    tenant, version, field, row_id = place
    return DataKey(tenant, KEY_ID, version, SECRET).open(field, row_id, blob)


def mixes(place: Place, other: Place) -> list[Place]:
    """`place` with one part of `other`, for each part."""
    tenant, version, field, row_id = place
    return [
        (other[0], version, field, row_id),
        (tenant, other[1], field, row_id),
        (tenant, version, other[2], row_id),
        (tenant, version, field, other[3]),
    ]


@given(places, st.binary(), nonces)
def test_what_was_sealed_opens_in_its_place(place: Place, data: bytes, nonce: bytes) -> None:
    blob = seal_at(place, data, nonce)

    assert open_at(place, blob) == data
    assert key_id_of(blob) == KEY_ID.bytes
    assert len(blob) == len(data) + OVERHEAD_BYTES


@given(places, places, nonces)
def test_it_opens_nowhere_else(place: Place, other: Place, nonce: bytes) -> None:
    """Each part of the place counts by itself."""
    blob = seal_at(place, b"secret", nonce)
    for moved in mixes(place, other):
        if moved != place:
            with pytest.raises(DecryptionFailed):
                open_at(moved, blob)


@given(places, st.binary(max_size=40), nonces, st.data())
def test_no_byte_can_be_altered(
    place: Place, data: bytes, nonce: bytes, draw: st.DataObject
) -> None:
    blob = bytearray(seal_at(place, data, nonce))
    at = draw.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= draw.draw(st.integers(1, 255))

    with pytest.raises(DecryptionFailed):
        open_at(place, bytes(blob))


@given(places, nonces, st.integers(0, OVERHEAD_BYTES + 5))
def test_a_truncated_value_is_refused(place: Place, nonce: bytes, length: int) -> None:
    with pytest.raises(DecryptionFailed):
        open_at(place, seal_at(place, b"secret", nonce)[:length])


@given(st.binary(max_size=100))
def test_a_foreign_value_is_refused(blob: bytes) -> None:
    with pytest.raises(DecryptionFailed) as refusal:
        open_at(("acme", 1, MEMORY_CONTENT, uuid4()), blob)

    assert str(refusal.value) == "The stored value cannot be decrypted."
    assert refusal.value.metadata == {}


def test_a_value_without_our_format_names_no_key() -> None:
    with pytest.raises(DecryptionFailed):
        key_id_of(b"plain text that is longer than the overhead of the format")


@pytest.mark.parametrize("field", [Field("memory", "id"), Field("knowledge_item", "metadata")])
def test_a_field_that_is_not_registered_is_a_programming_error(field: Field) -> None:
    key = DataKey("acme", KEY_ID, 1, SECRET)

    with pytest.raises(ValueError, match="not registered"):
        key.seal(field, uuid4(), b"", os.urandom(12))
    with pytest.raises(ValueError, match="not registered"):
        key.open(field, uuid4(), key.seal(MEMORY_CONTENT, uuid4(), b"", os.urandom(12)))


def test_every_field_with_a_name_in_the_registry_is_registered() -> None:
    named = {value for value in vars(registry).values() if isinstance(value, Field)}

    assert named == ENCRYPTED_FIELDS


def test_a_data_key_has_256_bits() -> None:
    with pytest.raises(DecryptionFailed):
        DataKey("acme", KEY_ID, 1, bytes(16))
