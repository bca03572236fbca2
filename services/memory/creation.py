"""Creating memories: embed, seal and look for near-duplicates first, then write."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from libs.changes import Asked, Command
from libs.embedding import Purpose, TenantEmbedder, Text, Vectors
from libs.encryption.keyring import Keyring
from libs.scope import Scope
from libs.tenancy import Route
from libs.usage import Attribution
from services.memory.domain.changes import Create, check_validity
from services.memory.domain.duplicates import Duplicate, adds_nothing
from services.memory.domain.memory import EVER, NEVER, REQUIRED, Layer, Memory, Stored, searchable
from services.memory.duplicates import Duplicates, Sees
from services.memory.indexing import indexed_terms
from services.memory.opening import opened
from services.memory.ports import Consenting, Memories
from services.memory.sealing import sealed
from services.memory.tenant_settings.domain import NearDuplicates

_TOLD = 3  # near-duplicates of one memory


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

    @property
    def about(self) -> Text:
        """The same, to embed it."""
        return Text(self.searchable, self.scope.user_id, Attribution.of(self.scope))

    def unsealed(self, memory_id: UUID, now: datetime) -> Memory:
        """The memory that it makes, but for what is sealed of it."""
        stored = Stored(
            id=memory_id,
            layer=self.layer,
            scope=self.scope,
            importance=self.importance,
            version=1,
            number=0,
            content=b"",
            metadata=b"",
            created_at=now,
            updated_at=now,
            author=b"",
            event_at=self.event_time or now,
            confirmed_at=now,
            trust=self.trust,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )
        return Memory(stored, self.content, self.metadata, self.author, self.source)


class Near(NamedTuple):
    """The name of a near-duplicate is that of its id; `similarity` is a cosine, -1 to 1."""

    id: UUID
    similarity: float


class Created(NamedTuple):
    """What became of a draft: a memory of its own, or one that says the same; and those that say
    nearly the same, the most alike first."""

    memory: Memory
    near: Sequence[Near]


@dataclass(frozen=True)
class Creation:
    """Creates memories, over the ports."""

    memories: Memories
    keyring: Keyring
    embedder: TenantEmbedder
    duplicates: Duplicates
    consents: Consenting
    new_id: Callable[[], UUID]
    now: Callable[[], datetime]

    async def __call__(
        self,
        route: Route,
        asked: Asked,
        drafts: Sequence[Draft],
        field: str,
        policy: NearDuplicates,
        sees: Sees,
    ) -> list[Created]:
        """Stores all drafts or none; `field` is the path of draft {} in the request. Of a memory
        that the caller does not see it is not told, nor is one counted in it."""
        for place, draft in enumerate(drafts):
            path = field.format(place)
            draft.scope.demand(REQUIRED[draft.layer], draft.layer, f"{path}.scope")
            check_validity(draft, path)
        await self.consents.require_to_store(route, {draft.scope.user_id for draft in drafts})
        vectors = await self.embedder.embed(
            route, [draft.about for draft in drafts], Purpose.DOCUMENT
        )
        memories = self.unsealed(drafts)
        words, stored, near = await asyncio.gather(
            indexed_terms(self.keyring, route, [draft.searchable for draft in drafts]),
            sealed(self.keyring, route, memories),
            self._near(route, memories, vectors, policy, sees),
        )
        merged = _merged(memories, stored, near) if policy is NearDuplicates.MERGE else {}
        body = Create(tuple(stored), tuple(vectors), tuple(words), merged)
        written = await self.memories.submit(route, Command(asked.origin, asked.request, body))
        names = {new.id: now.id for new, now in zip(stored, written, strict=True)}
        return [
            Created(memory, _told(memory, each, names))
            for memory, each in zip(await opened(self.keyring, route, written), near, strict=True)
        ]

    def unsealed(self, drafts: Sequence[Draft]) -> list[Memory]:
        """What the drafts make, but for what is sealed."""
        now = self.now()
        return [draft.unsealed(self.new_id(), now) for draft in drafts]

    async def _near(
        self,
        route: Route,
        memories: Sequence[Memory],
        vectors: Vectors,
        policy: NearDuplicates,
        sees: Sees,
    ) -> Sequence[Sequence[Duplicate]]:
        if policy in (NearDuplicates.REPORT, NearDuplicates.MERGE):
            return await self.duplicates(route, memories, vectors, sees)
        return [()] * len(memories)


def _merged(
    memories: Sequence[Memory], stored: Sequence[Stored], near: Sequence[Sequence[Duplicate]]
) -> dict[UUID, Stored]:
    """By the id of a new memory: the one that it adds nothing to, as it is stored. One that was
    there before, else the first of the new ones, which is the likeliest to be stored itself."""
    new = {each.id: each for each in stored}
    places = {memory: place for place, memory in enumerate(new)}
    merged = {}
    for memory, duplicates in zip(memories, near, strict=True):
        olds = [each.memory.stored for each in duplicates if adds_nothing(memory, each)]
        if olds:
            old = min(olds, key=lambda each: places.get(each.id, -1))
            merged[memory.stored.id] = new.get(old.id, old)
    return merged


def _told(memory: Memory, near: Sequence[Duplicate], names: Mapping[UUID, UUID]) -> Sequence[Near]:
    """The best, each once, without the memory itself; `names`: what became of new ones."""
    best: dict[UUID, float] = {}
    for each in near:
        best.setdefault(names.get(each.memory.stored.id, each.memory.stored.id), each.similarity)
    best.pop(memory.stored.id, None)
    return [Near(*each) for each in best.items()][:_TOLD]
