"""Memories as points of the vector index, made from their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.embedding import Embedder
from libs.encryption.keyring import Keyring, Sealed
from libs.encryption.registry import MEMORY_CONTENT
from libs.tenancy import Route
from libs.vectors import Point
from libs.vectors.projection import Projection
from services.memory.store.memories import fetch_many


@dataclass(frozen=True)
class MemorySource:
    """Embeds the content of memories again."""

    keyring: Keyring
    embedder: Embedder

    async def __call__(self, route: Route, ids: Sequence[UUID]) -> Mapping[UUID, Projection]:
        stored = await fetch_many(route, ids)
        sealed = [Sealed(MEMORY_CONTENT, each.id, each.content) for each in stored]
        texts = [content.decode() for content in await self.keyring.open(route, sealed)]
        vectors = await self.embedder.embed(texts)
        return {
            each.id: Projection(each.number, Point(each.id, vector, each.payload()))
            for each, vector in zip(stored, vectors, strict=True)
        }
