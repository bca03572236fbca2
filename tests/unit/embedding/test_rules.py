"""Cutting vectors to a prefix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from libs.embedding import Vectors
from libs.embedding.rules import shortened, unit_rows

rows = arrays(np.float32, (3, 8), elements=st.floats(-1, 1, width=16))


@given(rows, st.integers(1, 8))
def test_a_prefix_keeps_its_direction_and_has_length_one(raw: Vectors, dimensions: int) -> None:
    vectors = unit_rows(raw)
    short = shortened(vectors, dimensions)

    assert short.shape == (3, dimensions)
    assert short.dtype == np.float32
    lengths = np.linalg.norm(vectors[:, :dimensions], axis=1)
    np.testing.assert_allclose(short * lengths[:, None], vectors[:, :dimensions], atol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(short, axis=1), np.where(lengths > 0, 1, 0), atol=1e-5
    )


@given(rows, st.integers(1, 8), st.integers(1, 8))
def test_a_prefix_of_a_prefix_is_the_prefix(raw: Vectors, first: int, second: int) -> None:
    longer, shorter = max(first, second), min(first, second)
    vectors = unit_rows(raw)

    np.testing.assert_allclose(
        shortened(shortened(vectors, longer), shorter), shortened(vectors, shorter), atol=1e-3
    )


@given(rows)
def test_one_vector_is_cut_as_among_others(raw: Vectors) -> None:
    np.testing.assert_array_equal(shortened(raw[0], 4), shortened(raw, 4)[0])


@pytest.mark.parametrize("dimensions", [0, -1, 9])
def test_a_prefix_that_is_not_there_is_refused(dimensions: int) -> None:
    with pytest.raises(ValueError, match=f"no prefix of {dimensions}"):
        shortened(np.ones(8, np.float32), dimensions)
