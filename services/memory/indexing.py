"""What the indexes are to hold of memories, as their tiers have it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from libs.changes import Indexes, Terms, Vector
from libs.embedding import Purpose, TenantEmbedder, Text
from libs.embedding.refusals import unless_refused
from libs.encryption.keyring import Keyring
from libs.lexical import blinded
from libs.lexical.analysis import terms
from libs.tenancy import Route
from libs.usage import Attribution
from services.memory.domain.memory import Stored, Tier, searchable
from services.memory.domain.upkeep import Entry
from services.memory.opening import opened_texts

_INLINE_CHARACTERS = 8192  # about 2 ms of work


@dataclass(frozen=True)
class Indexing:
    """Embeds and hashes the texts of memories. Every method raises EmbedderUnavailable and so
    on."""

    keyring: Keyring
    embedder: TenantEmbedder

    async def entries(self, route: Route, memories: Sequence[Stored]) -> list[Entry]:
        """One each, in order; what no index holds is not even opened. A text that the embedder
        refuses is left without a vector."""
        worded = [each for each in memories if Indexes.WORDS in each.indexes]
        opened = await opened_texts(self.keyring, route, worded)
        texts = [searchable(author, content) for content, author in opened]
        about = [
            _about(text, each)
            for text, each in zip(texts, worded, strict=True)
            if Indexes.MEANING in each.indexes
        ]
        vectors = iter(await unless_refused(self.embedder, route, about))
        hashes = iter(await indexed_terms(self.keyring, route, texts))
        return [
            Entry(
                each,
                next(vectors) if Indexes.MEANING in each.indexes else None,
                next(hashes) if Indexes.WORDS in each.indexes else None,
            )
            for each in memories
        ]

    async def revival(self, route: Route, memory: Stored) -> Entry | None:
        """What brings a memory back as it is; None: the indexes hold it."""
        if memory.tier is Tier.HOT:
            return None
        (entry,) = await self.entries(route, [replace(memory, tier=Tier.HOT)])
        return entry

    async def changed(
        self, route: Route, current: Stored, content: str | None = None
    ) -> tuple[Vector, Terms]:
        """What its texts, or new content beside its author, make of a memory."""
        ((own, author),) = await opened_texts(self.keyring, route, [current])
        text = searchable(author, own if content is None else content)
        about = [_about(text, current)]
        (vector,) = await self.embedder.embed(route, about, Purpose.DOCUMENT)
        (hashes,) = await indexed_terms(self.keyring, route, [text])
        return vector, hashes


def _about(text: str, memory: Stored) -> Text:
    return Text(text, memory.subject, Attribution.of(memory.scope))


async def indexed_terms(
    keyring: Keyring, route: Route, texts: Sequence[str]
) -> list[dict[int, int]]:
    """The terms of each text for the lexical index."""
    return await blinded(keyring, route, await _counted(texts))


async def _counted(texts: Sequence[str]) -> list[Counter[str]]:
    """The words of each; of long texts in a thread, as others would wait for them."""

    def count() -> list[Counter[str]]:
        return [terms(text) for text in texts]

    if sum(map(len, texts)) <= _INLINE_CHARACTERS:
        return count()
    return await asyncio.to_thread(count)
