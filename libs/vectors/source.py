"""Entities as points of the vector index, embedded again from the texts in their rows.

Knows nothing of where rows and texts come from.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from libs.changes import Entity, Indexes, Vector
from libs.embedding import TenantEmbedder, Text
from libs.embedding.refusals import unless_refused
from libs.scope import Scope
from libs.tenancy import Route
from libs.usage import Attribution
from libs.vectors import Point
from libs.vectors.projection import Known, Projection


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
    embedder: TenantEmbedder
    scope: Callable[[N], Scope] = lambda _: Scope()  # whom its text is embedded for

    async def __call__(
        self, route: Route, ids: Sequence[UUID], known: Known | None = None
    ) -> Mapping[UUID, Projection]:
        rows = await self.entities(route, ids)
        found = [each for each in rows if Indexes.MEANING in each.indexes]
        vectors: dict[UUID, Vector | None] = {}
        if known:
            vectors |= await known([each.id for each in found])
        unknown = [each for each in found if each.id not in vectors]
        if unknown:
            contents = await self.texts(route, unknown)
            about = [
                Text(text, each.subject, Attribution.of(self.scope(each)))
                for text, each in zip(contents, unknown, strict=True)
            ]
            made = await unless_refused(self.embedder, route, about)
            vectors |= {each.id: row for each, row in zip(unknown, made, strict=True)}
        return {
            each.id: Projection(each.number, Point(each.id, vectors[each.id], each.payload()))
            for each in found
        }
