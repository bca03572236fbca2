"""The port through which the suite turns texts into vectors, and what every embedder promises.

Knows no provider: `local` and `openai` are adapters, `settings.open_embedder` chooses between them.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

MAX_CHARACTERS = 8192  # about 2000 English tokens; what follows them does not count


class Embedder(Protocol):
    """Turns texts into points whose dot product is their likeness."""

    @property
    def identity(self) -> str:
        """Model, dimensions and, where there is one, weight table: "name/256/sif-1".

        Vectors of different identities must never be compared or kept in one index.
        """
        ...

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        ...

    @property
    def prefixes(self) -> tuple[int, ...]:
        """Shorter lengths that a vector may be cut to, ascending: `rules.shortened`."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """The vectors of N texts, in their order; only the first MAX_CHARACTERS of each count.

        Returns:
            float32, shape (N, dimensions); rows have length 1. A text that is empty or blank is
            like nothing: its row, and no other, is all zeros.
        Raises:
            EmbedderUnavailable: no answer now; the same call may succeed later.
            EmbedderRefused: the provider does not accept our key, model or address.
            TextRefused: the provider does not accept one of these texts.
            EmbedderAnswerInvalid: the provider answered something that are not N such vectors.
        """
        ...
