"""What the memory service does: embed and seal first, then write; read, then open."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.changes import Asked, Command, Vector
from libs.embedding import Embedder
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import MEMORY_CONTENT, MEMORY_METADATA, Field
from libs.scope import Scope
from libs.spine.changes import LoggedChange, changes_of
from libs.tenancy import Route
from libs.vectors.nearest import Nearest
from services.memory.domain.changes import Create, Delete, Promote, Update
from services.memory.domain.memory import REQUIRED, Layer, Memory, Stored, View
from services.memory.errors import MemoryNotFound
from services.memory.ports import Memories


@dataclass(frozen=True, slots=True)
class Draft:
    """A memory to create, as the caller gave it."""

    layer: Layer
    scope: Scope
    content: str
    metadata: dict[str, Any]
    importance: float


@dataclass(frozen=True, slots=True)
class Patch:
    """New values of a memory; None leaves the old one."""

    content: str | None = None
    metadata: dict[str, Any] | None = None
    importance: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A search result; `score` is the cosine similarity, -1 to 1."""

    memory: Memory
    score: float


@dataclass(frozen=True)
class MemoryOperations:
    """Every operation on memories, over the ports."""

    memories: Memories
    keyring: Keyring
    embedder: Embedder
    nearest: Nearest[Stored]
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]

    async def create(
        self, route: Route, asked: Asked, drafts: Sequence[Draft], field: str
    ) -> list[Memory]:
        """Stores all drafts or none; `field` is the path of draft {} in the request."""
        for place, draft in enumerate(drafts):
            path = f"{field.format(place)}.scope"
            draft.scope.demand(REQUIRED[draft.layer], draft.layer, path)
        vectors = await self.embedder.embed([draft.content for draft in drafts])
        stored = await self._seal(route, drafts)
        body = Create(tuple(stored), tuple(vectors))
        written = await self.memories.submit(route, Command(asked.origin, asked.request, body))
        return await self.open(route, written)

    async def get(self, route: Route, memory_id: UUID) -> Memory:
        """One memory; raises MemoryNotFound."""
        (memory,) = await self.open(route, [await self._one(route, memory_id)])
        return memory

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Memory]:
        """Newest first, those older than `before`."""
        return await self.open(route, await self.memories.page(route, where, before, limit))

    async def update(
        self, route: Route, asked: Asked, memory_id: UUID, version: int, patch: Patch
    ) -> Memory:
        """Replaces what the patch gives."""
        subject = (await self._one(route, memory_id)).scope.user_id
        vector: Vector | None = None
        if patch.content is not None:
            (vector,) = await self.embedder.embed([patch.content])
        sealed = await self._seal_patch(route, subject, memory_id, patch)
        body = Update(
            memory_id,
            version,
            self.now(),
            content=sealed.get(MEMORY_CONTENT),
            metadata=sealed.get(MEMORY_METADATA),
            importance=patch.importance,
            vector=vector,
        )
        return await self._change(route, asked, body)

    async def delete(self, route: Route, asked: Asked, memory_id: UUID, version: int) -> None:
        """Removes a memory and its earlier versions."""
        body = Delete(memory_id, version)
        await self.memories.submit(route, Command(asked.origin, asked.request, body))

    async def promote(
        self,
        route: Route,
        asked: Asked,
        memory_id: UUID,
        version: int,
        layer: Layer,
        scope: Scope,
    ) -> Memory:
        """Moves a memory to a broader layer."""
        body = Promote(memory_id, version, self.now(), layer, scope)
        return await self._change(route, asked, body)

    async def search(
        self, route: Route, query: str, view: View, limit: int, min_score: float
    ) -> list[Found]:
        """The memories nearest in meaning, best first."""
        (vector,) = await self.embedder.embed([query])
        nearest = await self.nearest(route, vector, view.filter(), limit)
        shown = [each for each in nearest if each.score >= min_score and view.shows(each.entity)]
        memories = await self.open(route, [each.entity for each in shown[:limit]])
        return [Found(memory, each.score) for memory, each in zip(memories, shown, strict=False)]

    async def history(
        self, route: Route, memory_id: UUID, since: int, limit: int
    ) -> list[tuple[LoggedChange, Memory | None]]:
        """What happened to a memory after the change `since`, oldest first.

        Raises:
            MemoryNotFound: There never was such a memory.
        """
        changes = await changes_of(
            route, f"{self.nearest.collection.name}/{memory_id}", since, limit
        )
        if not changes and since == 0:
            raise MemoryNotFound(memory_id)
        numbers = [change.number for change in changes]
        stored = await self.memories.versions(route, memory_id, numbers)
        memories = {each.stored.number: each for each in await self.open(route, stored)}
        return [(change, memories.get(change.number)) for change in changes]

    async def open(self, route: Route, stored: Sequence[Stored]) -> list[Memory]:
        """Opens what is sealed."""
        sealed = [
            Sealed(field, memory.id, blob)
            for memory in stored
            for field, blob in (
                (MEMORY_CONTENT, memory.content),
                (MEMORY_METADATA, memory.metadata),
            )
        ]
        opened = iter(await self.keyring.open(route, sealed))
        return [Memory(each, next(opened).decode(), json.loads(next(opened))) for each in stored]

    async def _one(self, route: Route, memory_id: UUID) -> Stored:
        found = await self.memories.get_many(route, [memory_id])
        if not found:
            raise MemoryNotFound(memory_id)
        return found[0]

    async def _change(self, route: Route, asked: Asked, body: Update | Promote) -> Memory:
        written = await self.memories.submit(route, Command(asked.origin, asked.request, body))
        (memory,) = await self.open(route, written)
        return memory

    async def _seal(self, route: Route, drafts: Sequence[Draft]) -> list[Stored]:
        now = self.now()
        empty = [
            Stored(self.new_id(), each.layer, each.scope, each.importance, 1, 0, b"", b"", now, now)
            for each in drafts
        ]
        sealed = iter(
            await self.keyring.seal(
                route,
                [
                    Plain(draft.scope.user_id, field, row.id, data)
                    for draft, row in zip(drafts, empty, strict=True)
                    for field, data in _plain(draft.content, draft.metadata).items()
                ],
            )
        )
        return [replace(row, content=next(sealed), metadata=next(sealed)) for row in empty]

    async def _seal_patch(
        self, route: Route, subject: str, memory_id: UUID, patch: Patch
    ) -> dict[Field, bytes]:
        plain = _plain(patch.content, patch.metadata)
        items = [Plain(subject, field, memory_id, data) for field, data in plain.items()]
        return dict(zip(plain, await self.keyring.seal(route, items), strict=True))


def _plain(content: str | None, metadata: dict[str, Any] | None) -> dict[Field, bytes]:
    """What is given, as the bytes to seal: content first."""
    plain = {}
    if content is not None:
        plain[MEMORY_CONTENT] = content.encode()
    if metadata is not None:
        plain[MEMORY_METADATA] = json.dumps(metadata, ensure_ascii=False).encode()
    return plain
