"""Vectors as long as remote models make them, for want of a remote model.

Gaussian, with the spectrum of a published model in descending order, as a Matryoshka-trained one
tends to put it. Synthetic: what they say about recall holds for such a spectrum, not for a model.
"""

import numpy as np
from numpy.typing import NDArray

from libs.embedding.rules import unit_rows

Vectors = NDArray[np.float32]

SPECTRUM = (
    "spectrum of all-MiniLM-L6-v2 (90, 95 and 99 % of the variance in 124, 187 and 298 of 384"
    " principal components of MS MARCO passages; lucven.com/posts/embeddings/embedding_dimensions),"
    " stretched to 1536: variance of component i falls as (i + 400)^-3.7; no clusters, so that"
    " neighbours are hard to tell"
)
_OFFSET, _DECAY = 400, 3.7  # least squares of the three points' logarithms
_SEED = 20


def synthetic(stored: int, queries: int, dimensions: int) -> tuple[Vectors, Vectors]:
    """So many to store and to look for, of length 1."""
    dice = np.random.default_rng(_SEED)
    places = np.arange(1, dimensions + 1) * (1536 / dimensions)
    deviations = ((places + _OFFSET) ** (-_DECAY / 2)).astype(np.float32)
    rows = dice.standard_normal((stored + queries, dimensions), np.float32) * deviations
    vectors = unit_rows(rows)
    return vectors[:stored], vectors[stored:]
