"""How embedders keep the promises of the port: bounded, well-formed text in, unit vectors out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.embedding import MAX_CHARACTERS, Vectors


def bounded(text: str) -> str:
    """The part of a text that counts, as Unicode that can be encoded.

    JSON can smuggle in half of a surrogate pair, which no tokenizer or HTTP body accepts: each
    becomes a question mark.
    """
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def shortened(vector: Vectors, dimensions: int) -> Vectors:
    """The first so many numbers of each vector along the last axis, scaled to length 1 again.

    Means something only for lengths that the model was trained for (Kusupati et al., "Matryoshka
    Representation Learning", NeurIPS 2022).

    Args:
        vector: Shape (..., D).
        dimensions: 1 to D.
    Returns:
        Shape (..., dimensions); a prefix of zeros stays as it is.
    Raises:
        ValueError: There are not so many numbers.
    """
    if not 1 <= dimensions <= vector.shape[-1]:
        raise ValueError(f"a vector of {vector.shape[-1]} has no prefix of {dimensions}")
    prefix = vector[..., :dimensions]
    return unit_rows(prefix.reshape(-1, dimensions)).reshape(prefix.shape)


def unit_rows(rows: NDArray[np.floating[Any]]) -> Vectors:
    """Rows scaled to length 1, shape (N, D) in and out; rows of zeros stay as they are."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    scaled: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
    return scaled
