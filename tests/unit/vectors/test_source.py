"""Entities as points, with a provider that does not take every text."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import numpy as np

from libs.changes import Indexes, Vector
from libs.embedding import Purpose, TenantEmbedder, Text, Vectors
from libs.embedding.errors import TextRefused
from libs.vectors.source import EmbeddingSource

ROUTE: Any = None
GOOD, BAD, KNOWN = (UUID(int=number) for number in (1, 2, 3))


class Provider:
    """Refuses what is odious."""

    async def embed(self, route: object, texts: Sequence[Text], purpose: Purpose) -> Vectors:
        if any("odious" in each.content for each in texts):
            raise TextRefused("test", 400)
        return np.ones((len(texts), 2), np.float32)


async def test_an_entity_whose_text_is_refused_has_no_vector_and_harms_no_other() -> None:
    async def entities(route: object, ids: Sequence[UUID]) -> list[Any]:
        values = {"subject": "", "number": 7, "indexes": Indexes.MEANING, "payload": dict}
        return [SimpleNamespace(id=each, **values) for each in ids]

    async def texts(route: object, found: Sequence[Any]) -> list[str]:
        return ["odious" if each.id == BAD else "fine" for each in found]

    async def known(ids: Sequence[UUID]) -> dict[UUID, Vector]:
        return {KNOWN: np.zeros(2, np.float32)}

    source = EmbeddingSource[Any](entities, texts, cast("TenantEmbedder", Provider()))
    projections = await source(ROUTE, [GOOD, BAD, KNOWN], known)

    vectors = {entity: each.point.vector for entity, each in projections.items()}
    assert vectors.pop(BAD) is None
    assert {entity: list(row) for entity, row in vectors.items() if row is not None} == {
        GOOD: [1, 1],
        KNOWN: [0, 0],
    }
