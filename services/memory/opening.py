"""Opening what is sealed in memories: all of it to be shown, or only what is searched."""

import json
from collections.abc import Sequence

from libs.encryption.keyring import Keyring, Sealed
from libs.encryption.registry import (
    MEMORY_AUTHOR,
    MEMORY_CONTENT,
    MEMORY_METADATA,
    MEMORY_SOURCE,
)
from libs.tenancy import Route
from services.memory.domain.memory import Memory, Stored


async def opened(keyring: Keyring, route: Route, stored: Sequence[Stored]) -> list[Memory]:
    """The memories, with what is sealed in them opened."""
    sealed = [
        Sealed(field, memory.id, blob)
        for memory in stored
        for field, blob in (
            (MEMORY_CONTENT, memory.content),
            (MEMORY_METADATA, memory.metadata),
            (MEMORY_AUTHOR, memory.author),
            (MEMORY_SOURCE, memory.source),
        )
        if blob
    ]
    values = iter(await keyring.open(route, sealed))
    return [
        Memory(
            each,
            content=next(values).decode(),
            metadata=json.loads(next(values)),
            author=next(values).decode() if each.author else "",
            source=next(values).decode() if each.source else "",
        )
        for each in stored
    ]


async def opened_texts(
    keyring: Keyring, route: Route, stored: Sequence[Stored]
) -> list[tuple[str, str]]:
    """Content and author of each, for those that are looked at but perhaps not shown."""
    contents = [Sealed(MEMORY_CONTENT, each.id, each.content) for each in stored]
    authors = [Sealed(MEMORY_AUTHOR, each.id, each.author) for each in stored if each.author]
    values = iter(await keyring.open(route, [*contents, *authors]))
    texts = [next(values).decode() for _ in contents]
    return [
        (text, next(values).decode() if each.author else "")
        for text, each in zip(texts, stored, strict=True)
    ]
