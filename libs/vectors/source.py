"""Entities as points of the vector index, embedded again from the texts in their rows.

Knows nothing of where rows and texts come from.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from libs.changes import Entity
from libs.embedding import Embedder
from libs.tenancy import Route
from libs.vectors import Point
from libs.vectors.projection import Projection


class Numbered(Entity, Protocol):
    """An entity that knows which change made it."""

    @property
    def number(self) -> int: ...


N = TypeVar("N", bound=Numbered)


@dataclass(frozen=True)
class EmbeddingSource(Generic[N]):
    """`libs.vectors.projection.Source` over what reads entities and what opens their texts."""

    entities: Callable[[Route, Sequence[UUID]], Awaitable[Sequence[N]]]
    texts: Callable[[Route, Sequence[N]], Awaitable[Sequence[str]]]  # one each, in order
    embedder: Embedder

    async def __call__(self, route: Route, ids: Sequence[UUID]) -> Mapping[UUID, Projection]:
        found = await self.entities(route, ids)
        vectors = await self.embedder.embed(await self.texts(route, found))
        return {
            each.id: Projection(each.number, Point(each.id, vector, each.payload()))
            for each, vector in zip(found, vectors, strict=True)
        }
