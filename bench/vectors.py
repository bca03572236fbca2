"""Vectors as long as remote models make them, for want of a remote model.

Synthetic: what they say about recall holds for vectors of this spectrum and this local intrinsic
dimension, not for a model.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from libs.embedding.rules import unit_rows

Vectors = NDArray[np.float32]

SPECTRUM = (
    "variance by component as all-MiniLM-L6-v2 has it (90, 95 and 99 % in 124, 187 and 298 of 384"
    " principal components of MS MARCO passages; lucven.com/posts/embeddings/embedding_dimensions),"
    " stretched to 1536, that of component i falling as (i + 400)^-3.7, in descending order, as"
    " Matryoshka training tends to put it. Points are random cosine features of 16 latent"
    " numbers (90 % of the variance) and noise: their neighbourhoods have about the intrinsic"
    " dimension, 20, that was measured of the real vectors above. Without latent numbers no graph"
    " finds anything among so many independent directions."
)
_OFFSET, _DECAY = 400, 3.7  # least squares of the three points' logarithms
_LATENT, _WIDTH, _NOISE = 16, 1.4, 0.1
_BATCH = 10_000
_SEED = 20


def synthetic(stored: int, queries: int, dimensions: int) -> tuple[Vectors, Vectors]:
    """So many to store and to look for, of length 1."""
    vectors = np.vstack(list(_batches(stored + queries, dimensions)))
    return vectors[:stored], vectors[stored:]


def _batches(count: int, dimensions: int) -> Iterator[Vectors]:
    dice = np.random.default_rng(_SEED)
    places = np.arange(1, dimensions + 1) * (1536 / dimensions)
    deviations = ((places + _OFFSET) ** (-_DECAY / 2)).astype(np.float32)
    weights = dice.standard_normal((_LATENT, dimensions), np.float32) * _WIDTH / _LATENT**0.5
    phases = dice.uniform(0, 2 * np.pi, dimensions).astype(np.float32)
    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        latent = dice.standard_normal((size, _LATENT), np.float32)
        features = np.cos(latent @ weights + phases) * np.float32(2**0.5 * (1 - _NOISE) ** 0.5)
        noise = dice.standard_normal((size, dimensions), np.float32) * np.float32(_NOISE**0.5)
        yield unit_rows((features + noise) * deviations)
