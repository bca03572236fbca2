"""Embedding what is stored: a text that the provider refuses keeps no other from its vector.

A provider may refuse a text that another one took. That is no reason to stop work on all of a
tenant's texts, unless it refuses everything: then it is not the texts.
"""

import asyncio
from collections.abc import Sequence

import structlog

from libs.changes import Vector
from libs.embedding import Purpose, TenantEmbedder, Text
from libs.embedding.errors import TextRefused
from libs.tenancy import Route

log = structlog.get_logger(__name__)

_PLAIN = Text("A plain sentence.")


async def unless_refused(
    embedder: TenantEmbedder, route: Route, texts: Sequence[Text]
) -> list[Vector | None]:
    """The vectors of texts to be stored, in their order; None for those that are refused.

    Raises:
        TextRefused: All are, and so is a plain sentence.
        What a TenantEmbedder raises besides.
    """
    try:
        return [*await embedder.embed(route, texts, Purpose.DOCUMENT)] if texts else []
    except TextRefused:
        vectors = await asyncio.gather(*(_one(embedder, route, each) for each in texts))
    refused = sum(each is None for each in vectors)
    if refused == len(texts):
        await embedder.embed(route, [_PLAIN], Purpose.DOCUMENT)
    log.warning("embedder.texts_refused", refused=refused, texts=len(texts))
    return vectors


async def _one(embedder: TenantEmbedder, route: Route, text: Text) -> Vector | None:
    try:
        vectors = await embedder.embed(route, [text], Purpose.DOCUMENT)
    except TextRefused:
        return None
    row: Vector = vectors[0]
    return row
