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


def unit_rows(rows: NDArray[np.floating[Any]]) -> Vectors:
    """Rows scaled to length 1, shape (N, D) in and out; rows of zeros stay as they are."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    scaled: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
    return scaled
