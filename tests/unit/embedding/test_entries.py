import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.embedding.cache.entries import Entry, Slots
from libs.embedding.rules import unit_rows
from libs.embedding.usage import Tier
from libs.embedding.wording import GROUPS, Signature
from libs.tenancy import TenantId

DIMENSIONS = 8
digests = st.binary(min_size=32, max_size=32)
short = st.binary(min_size=8, max_size=8)
signatures = st.builds(
    Signature, st.dictionaries(st.sampled_from(GROUPS), short), st.booleans(), st.booleans()
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    numbers = draw(st.lists(st.floats(0.1, 1), min_size=DIMENSIONS, max_size=DIMENSIONS))
    (vector,) = unit_rows(np.array([numbers]))
    return Entry(
        digest=draw(digests),
        number=draw(st.integers(0, 2**62)),
        subject=draw(short),
        tokens=draw(st.integers(0, 2**32 - 1)),
        estimated=draw(st.booleans()),
        signature=draw(signatures),
        vector=vector,
    )


@given(entries())
def test_an_entry_survives_being_stored(entry: Entry) -> None:
    again = Entry.parse(entry.to_bytes(), entry.digest, DIMENSIONS)

    assert again is not None
    same = ("digest", "number", "subject", "tokens", "estimated", "signature")
    assert [getattr(again, name) for name in same] == [getattr(entry, name) for name in same]
    np.testing.assert_allclose(again.vector, entry.vector, atol=1e-3)
    assert np.linalg.norm(again.vector) == pytest.approx(1, abs=1e-6)


@given(entries(), digests)
def test_what_lies_in_the_slot_of_another_is_not_taken(entry: Entry, digest: bytes) -> None:
    data = entry.to_bytes()

    assert (Entry.parse(data, digest, DIMENSIONS) is not None) == (digest == entry.digest)
    assert Entry.parse(data, entry.digest, DIMENSIONS + 1) is None
    assert Entry.parse(data[:-2], entry.digest, DIMENSIONS) is None
    assert Entry.parse(None, digest, DIMENSIONS) is None


@given(st.binary(max_size=200), digests)
def test_garbage_is_nothing(data: bytes, digest: bytes) -> None:
    assert Entry.parse(data, digest, DIMENSIONS) is None


@given(entries(), st.data(), st.integers(0, 255))
def test_a_damaged_entry_breaks_nothing(entry: Entry, data: st.DataObject, value: int) -> None:
    damaged = bytearray(entry.to_bytes())
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = value

    found = Entry.parse(bytes(damaged), entry.digest, DIMENSIONS)

    assert found is None or np.isfinite(found.vector).all()


def test_rewrites_of_another_release_are_not_guessed() -> None:
    vector = np.ones(DIMENSIONS, np.float32)
    signature = Signature({GROUPS[0]: bytes(8)}, context=False, names=False)
    data = bytearray(Entry(bytes(32), 1, bytes(8), 3, False, signature, vector).to_bytes())
    place = data.index(bytes(8) + vector.astype("<f2").tobytes()) - 1
    data[place] = len(GROUPS)

    assert Entry.parse(bytes(data), bytes(32), DIMENSIONS) is None


@given(st.lists(digests, unique=True, min_size=1, max_size=200), st.integers(1, 50))
def test_a_tenant_has_so_many_slots_of_its_own(found: list[bytes], each: int) -> None:
    mine, others = Slots(TenantId("acme"), each), Slots(TenantId("acme-2"), each)
    keys = {mine.key(tier, digest) for digest in found for tier in (Tier.EXACT, Tier.SEMANTIC)}

    assert len(keys) <= 2 * each
    assert not keys & {others.key(Tier.EXACT, digest) for digest in found}
