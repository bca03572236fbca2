"""Sealing what memories keep secret; `opening` is the way back."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from libs.encryption.keyring import Keyring, Plain
from libs.encryption.registry import (
    MEMORY_AUTHOR,
    MEMORY_CONTENT,
    MEMORY_METADATA,
    MEMORY_SOURCE,
    Field,
)
from libs.tenancy import Route
from services.memory.domain.memory import Memory, Stored


async def sealed(keyring: Keyring, route: Route, memories: Sequence[Memory]) -> list[Stored]:
    """The memories as they are stored, with new blobs."""
    plains = [
        Plain(memory.stored.scope.user_id, field, memory.stored.id, data)
        for memory in memories
        for field, data in plain_of(memory).items()
    ]
    blobs = iter(await keyring.seal(route, plains))
    return [
        replace(
            memory.stored,
            content=next(blobs),
            metadata=next(blobs),
            author=next(blobs) if memory.author else b"",
            source=next(blobs) if memory.source else b"",
        )
        for memory in memories
    ]


def plain(content: str | None, metadata: dict[str, Any] | None) -> dict[Field, bytes]:
    """What is given of them, as the bytes to seal."""
    given = {}
    if content is not None:
        given[MEMORY_CONTENT] = content.encode()
    if metadata is not None:
        given[MEMORY_METADATA] = json.dumps(metadata, ensure_ascii=False).encode()
    return given


def plain_of(memory: Memory) -> dict[Field, bytes]:
    """The same of a memory, in the order of its fields; no author or source where there is none."""
    texts = {MEMORY_AUTHOR: memory.author, MEMORY_SOURCE: memory.source}
    given = {field: text.encode() for field, text in texts.items() if text}
    return plain(memory.content, memory.metadata) | given
