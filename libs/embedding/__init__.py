"""The ports through which the suite turns texts into vectors, and what every embedder promises.

Services ask a `TenantEmbedder`; behind it is an `Embedder` that computes in this process, or a
`RemoteEmbedder` that costs time and money. Knows no provider: `settings` chooses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from libs.tenancy import Route
from libs.usage import NOBODY, Attribution

Vectors = NDArray[np.float32]

MAX_CHARACTERS = 8192  # about 2000 English tokens; what follows them does not count


class Purpose(StrEnum):
    """What a vector is for."""

    QUERY = "query"  # to search with: used once
    DOCUMENT = "document"  # to be stored and found


class Text(NamedTuple):
    """A text to embed. `subject` is the user it is about, "" for the tenant's own; `attribution`:
    whom inside the tenant it is embedded for."""

    content: str
    subject: str = ""
    attribution: Attribution = NOBODY


class Embedded(NamedTuple):
    """Vectors and what they cost.

    Attributes:
        vectors: As `Embedder.embed` returns them.
        tokens: Of each text; `estimated` when the provider does not count them.
    """

    vectors: Vectors
    tokens: Sequence[int]
    estimated: bool


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
        """
        ...


class RemoteEmbedder(Protocol):
    """The same, of a provider who counts tokens."""

    @property
    def identity(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def prefixes(self) -> tuple[int, ...]: ...

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """As `Embedder.embed`.

        Raises:
            EmbedderUnavailable: no answer now; the same call may succeed later.
            EmbedderRefused: the provider does not accept our key, model or address.
            TextRefused: the provider does not accept one of these texts.
            EmbedderAnswerInvalid: the provider answered something that are not N such vectors.
        """
        ...


class TenantEmbedder(Protocol):
    """What services ask: embeds in the name of a tenant."""

    @property
    def identity(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def prefixes(self) -> tuple[int, ...]: ...

    async def embed(self, route: Route, texts: Sequence[Text], purpose: Purpose) -> Vectors:
        """As `Embedder.embed`.

        Raises:
            EmbeddingRateLimited: the tenant has asked for more than its share.
            What a RemoteEmbedder raises; StoreUnavailable: the shard cannot be reached.
        """
        ...


@dataclass(frozen=True)
class Direct:
    """`TenantEmbedder` over an embedder that costs less than looking its answers up."""

    embedder: Embedder

    @property
    def identity(self) -> str:
        return self.embedder.identity

    @property
    def dimensions(self) -> int:
        return self.embedder.dimensions

    @property
    def prefixes(self) -> tuple[int, ...]:
        return self.embedder.prefixes

    async def embed(self, route: Route, texts: Sequence[Text], purpose: Purpose) -> Vectors:
        return await self.embedder.embed([text.content for text in texts])
