"""What the memory service does: embed and seal first, then write; read, then open."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.aip.filtering import Comparison
from libs.auth.identity import person_of
from libs.changes import Asked, Command
from libs.embedding import Purpose, TenantEmbedder, Text
from libs.encryption.keyring import Keyring, Plain
from libs.encryption.registry import (
    MEMORY_AUTHOR,
    MEMORY_CONTENT,
    MEMORY_METADATA,
    MEMORY_SOURCE,
    Field,
)
from libs.lexical import blinded
from libs.lexical.analysis import terms
from libs.scope import Scope
from libs.spine.changes import LoggedChange, changes_of
from libs.tenancy import Route
from services.memory.domain.changes import (
    Body,
    Create,
    Delete,
    Rate,
    Supersede,
    Update,
    check_validity,
)
from services.memory.domain.feedback import Feedback
from services.memory.domain.memory import EVER, NEVER, REQUIRED, Layer, Memory, Stored, searchable
from services.memory.errors import MemoryNotFound
from services.memory.indexing import Indexing
from services.memory.opening import opened
from services.memory.ports import Memories


@dataclass(frozen=True, slots=True)
class Draft:
    """A memory to create, as the caller gave it."""

    layer: Layer
    scope: Scope
    content: str
    metadata: dict[str, Any]
    importance: float
    author: str = ""
    event_time: datetime | None = None  # that of the creation, if not given
    source: str = ""
    trust: float = 1.0
    valid_from: datetime = EVER
    valid_until: datetime = NEVER

    @property
    def searchable(self) -> str:
        """The text that searches look at."""
        return searchable(self.author, self.content)


@dataclass(frozen=True, slots=True)
class Patch:
    """New values of a memory; None leaves the old one."""

    content: str | None = None
    metadata: dict[str, Any] | None = None
    importance: float | None = None
    event_time: datetime | None = None
    trust: float | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True)
class MemoryOperations:
    """Every operation on memories, over the ports."""

    memories: Memories
    keyring: Keyring
    embedder: TenantEmbedder
    collection: str
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]
    indexing: Indexing

    async def create(
        self, route: Route, asked: Asked, drafts: Sequence[Draft], field: str
    ) -> list[Memory]:
        """Stores all drafts or none; `field` is the path of draft {} in the request."""
        for place, draft in enumerate(drafts):
            path = field.format(place)
            draft.scope.demand(REQUIRED[draft.layer], draft.layer, f"{path}.scope")
            check_validity(draft, path)
        texts = [draft.searchable for draft in drafts]
        about = [Text(text, draft.scope.user_id) for text, draft in zip(texts, drafts, strict=True)]
        vectors = await self.embedder.embed(route, about, Purpose.DOCUMENT)
        terms = await self._terms(route, texts)
        stored = await self._seal(route, drafts)
        body = Create(tuple(stored), tuple(vectors), tuple(terms))
        return await self._submit(route, asked, body)

    async def get(self, route: Route, memory_id: UUID) -> Memory:
        """One memory; raises MemoryNotFound."""
        (memory,) = await opened(self.keyring, route, [await self._one(route, memory_id)])
        return memory

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> list[Memory]:
        """Newest first, those older than `before`."""
        stored = await self.memories.page(route, where, before, limit)
        return await opened(self.keyring, route, stored)

    async def supersede(
        self, route: Route, asked: Asked, memory_id: UUID, version: int, draft: Draft
    ) -> Memory:
        """Stores the draft in place of a memory, whose layer and scope it has."""
        if draft.valid_from == EVER:
            draft = replace(draft, valid_from=self.now())
        check_validity(draft, "memory")
        text = Text(draft.searchable, draft.scope.user_id)
        (vector,) = await self.embedder.embed(route, [text], Purpose.DOCUMENT)
        (terms,) = await self._terms(route, [draft.searchable])
        (stored,) = await self._seal(route, [draft])
        body = Supersede(memory_id, version, stored, vector, terms)
        return (await self._submit(route, asked, body))[0]

    async def update(
        self,
        route: Route,
        asked: Asked,
        memory_id: UUID,
        version: int,
        patch: Patch,
        *,
        trusting: bool,
    ) -> Memory:
        """Replaces what the patch gives; `trusting`: the trust may be raised."""
        current = await self._one(route, memory_id)
        revival = vector = terms = None
        if patch.content is None:
            revival = await self.indexing.revival(route, current)
        else:
            vector, terms = await self.indexing.changed(route, current, patch.content)
        sealed = await self._seal_patch(route, current.subject, memory_id, patch)
        body = Update(
            memory_id,
            version,
            self.now(),
            content=sealed.get(MEMORY_CONTENT),
            metadata=sealed.get(MEMORY_METADATA),
            importance=patch.importance,
            event_at=patch.event_time,
            trust=patch.trust,
            trusting=trusting,
            valid_from=patch.valid_from,
            valid_until=patch.valid_until,
            vector=vector,
            terms=terms,
            revival=revival,
            read=current,
        )
        return (await self._submit(route, asked, body))[0]

    async def rate(
        self, route: Route, asked: Asked, memory_id: UUID, feedback: Feedback, *, closing: bool
    ) -> Memory:
        """Notes what the person who asks says of a memory; `closing`: that it is outdated ends its
        validity whoever stored it."""
        person = person_of(asked.origin.actor)
        if feedback is Feedback.OUTDATED and not closing:
            first = await changes_of(route, f"{self.collection}/{memory_id}", 0, 1)
            closing = any(person_of(change.actor) == person for change in first)
        revival = None
        if feedback is Feedback.HELPFUL:
            revival = await self.indexing.revival(route, await self._one(route, memory_id))
        body = Rate(memory_id, self.now(), person, feedback, closing, revival)
        return (await self._submit(route, asked, body))[0]

    async def delete(self, route: Route, asked: Asked, memory_id: UUID, version: int) -> None:
        """Removes a memory and its earlier versions."""
        body = Delete(memory_id, version)
        await self.memories.submit(route, Command(asked.origin, asked.request, body))

    async def history(
        self, route: Route, memory_id: UUID, since: int, limit: int
    ) -> list[tuple[LoggedChange, Memory | None]]:
        """What happened to a memory after the change `since`, oldest first.

        Raises:
            MemoryNotFound: There never was such a memory.
        """
        changes = await changes_of(route, f"{self.collection}/{memory_id}", since, limit)
        if not changes and since == 0:
            raise MemoryNotFound(memory_id)
        numbers = [change.number for change in changes]
        stored = await self.memories.versions(route, memory_id, numbers)
        memories = {each.stored.number: each for each in await opened(self.keyring, route, stored)}
        return [(change, memories.get(change.number)) for change in changes]

    async def _one(self, route: Route, memory_id: UUID) -> Stored:
        found = await self.memories.get_many(route, [memory_id])
        if not found:
            raise MemoryNotFound(memory_id)
        return found[0]

    async def _submit(self, route: Route, asked: Asked, body: Body) -> list[Memory]:
        written = await self.memories.submit(route, Command(asked.origin, asked.request, body))
        return await opened(self.keyring, route, written)

    async def _terms(self, route: Route, texts: Sequence[str]) -> list[dict[int, int]]:
        return await blinded(self.keyring, route, [terms(text) for text in texts])

    async def _seal(self, route: Route, drafts: Sequence[Draft]) -> list[Stored]:
        now = self.now()
        empty = [
            Stored(
                id=self.new_id(),
                layer=each.layer,
                scope=each.scope,
                importance=each.importance,
                version=1,
                number=0,
                content=b"",
                metadata=b"",
                created_at=now,
                updated_at=now,
                author=b"",
                event_at=each.event_time or now,
                confirmed_at=now,
                trust=each.trust,
                valid_from=each.valid_from,
                valid_until=each.valid_until,
            )
            for each in drafts
        ]
        sealed = iter(
            await self.keyring.seal(
                route,
                [
                    Plain(draft.scope.user_id, field, row.id, data)
                    for draft, row in zip(drafts, empty, strict=True)
                    for field, data in _plain_of(draft).items()
                ],
            )
        )
        return [
            replace(
                row,
                content=next(sealed),
                metadata=next(sealed),
                author=next(sealed) if draft.author else b"",
                source=next(sealed) if draft.source else b"",
            )
            for draft, row in zip(drafts, empty, strict=True)
        ]

    async def _seal_patch(
        self, route: Route, subject: str, memory_id: UUID, patch: Patch
    ) -> dict[Field, bytes]:
        plain = _plain(patch.content, patch.metadata)
        items = [Plain(subject, field, memory_id, data) for field, data in plain.items()]
        return dict(zip(plain, await self.keyring.seal(route, items), strict=True))


def _plain_of(draft: Draft) -> dict[Field, bytes]:
    """What is given of a draft, as the bytes to seal, in the order of a memory's fields."""
    texts = {MEMORY_AUTHOR: draft.author, MEMORY_SOURCE: draft.source}
    given = {field: text.encode() for field, text in texts.items() if text}
    return _plain(draft.content, draft.metadata) | given


def _plain(content: str | None, metadata: dict[str, Any] | None) -> dict[Field, bytes]:
    """The same of content and metadata."""
    plain = {}
    if content is not None:
        plain[MEMORY_CONTENT] = content.encode()
    if metadata is not None:
        plain[MEMORY_METADATA] = json.dumps(metadata, ensure_ascii=False).encode()
    return plain
