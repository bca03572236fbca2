"""What the memory service does: embed and seal first, then write; read, then open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.aip.filtering import Condition
from libs.auth.identity import person_of
from libs.changes import Asked, Command
from libs.embedding import Purpose, TenantEmbedder
from libs.encryption.keyring import Keyring, Plain
from libs.encryption.registry import (
    MEMORY_CONTENT,
    MEMORY_METADATA,
    Field,
)
from libs.spine.changes import LoggedChange, changes_of
from libs.tenancy import Route
from services.memory.creation import Creation, Draft
from services.memory.domain.changes import (
    Body,
    Delete,
    Rate,
    Supersede,
    Update,
    check_validity,
)
from services.memory.domain.feedback import Feedback
from services.memory.domain.memory import EVER, Memory, Stored
from services.memory.errors import MemoryNotFound
from services.memory.indexing import Indexing, indexed_terms
from services.memory.opening import opened
from services.memory.ports import Memories
from services.memory.rounds import in_rounds
from services.memory.sealing import plain, sealed


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
    now: Callable[[], datetime]
    create: Creation
    indexing: Indexing

    async def get(self, route: Route, memory_id: UUID) -> Memory:
        """One memory; raises MemoryNotFound."""
        (memory,) = await opened(self.keyring, route, [await self._one(route, memory_id)])
        return memory

    async def stored(self, route: Route, memory_id: UUID) -> Stored | None:
        """One memory as it is stored, if there is one."""
        found = await self.memories.get_many(route, [memory_id])
        return found[0] if found else None

    async def page(
        self, route: Route, where: Sequence[Condition], before: UUID | None, limit: int
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
        await self.create.consents.require_to_store(route, {draft.scope.user_id})
        (vector,) = await self.embedder.embed(route, [draft.about], Purpose.DOCUMENT)
        (terms,) = await indexed_terms(self.keyring, route, [draft.searchable])
        (stored,) = await sealed(self.keyring, route, self.create.unsealed([draft]))
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
        return await in_rounds(
            lambda: self._update(route, asked, memory_id, version, patch, trusting=trusting)
        )

    async def _update(
        self,
        route: Route,
        asked: Asked,
        memory_id: UUID,
        version: int,
        patch: Patch,
        *,
        trusting: bool,
    ) -> Memory:
        current = await self._one(route, memory_id)
        await self.create.consents.require_to_store(route, {current.subject})
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

        async def attempt() -> Memory:
            revival = None
            if feedback is Feedback.HELPFUL:
                revival = await self.indexing.revival(route, await self._one(route, memory_id))
            body = Rate(memory_id, self.now(), person, feedback, closing, revival)
            return (await self._submit(route, asked, body))[0]

        return await in_rounds(attempt)

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

    async def _seal_patch(
        self, route: Route, subject: str, memory_id: UUID, patch: Patch
    ) -> dict[Field, bytes]:
        given = plain(patch.content, patch.metadata)
        items = [Plain(subject, field, memory_id, data) for field, data in given.items()]
        return dict(zip(given, await self.keyring.seal(route, items), strict=True))
