"""Moving a memory to a broader layer: personal data is taken out before more people see it.

The texts are opened, redacted, embedded and sealed before the tenant's lock is taken; under the
lock they must still be those, or all is done again. What earlier versions hold goes in the same
write.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import NamedTuple

from libs.changes import Asked, Command
from libs.encryption.keyring import Keyring, Plain
from libs.encryption.registry import (
    MEMORY_AUTHOR,
    MEMORY_CONTENT,
    MEMORY_METADATA,
    MEMORY_SOURCE,
)
from libs.redaction import KINDS, redact_values
from libs.tenancy import Route
from services.memory.domain.changes import Body, Promote, decide
from services.memory.domain.memory import Memory, Stored, Texts
from services.memory.errors import MemoryNotFound
from services.memory.indexing import Indexing
from services.memory.opening import opened
from services.memory.ports import Consenting, Memories
from services.memory.rounds import in_rounds
from services.memory.sealing import plain_of

_EARLIER = 100  # earlier texts that are looked at; a memory with more loses them all
_FIELDS = {
    "content": MEMORY_CONTENT,
    "metadata": MEMORY_METADATA,
    "author": MEMORY_AUTHOR,
    "source": MEMORY_SOURCE,
}


class Promoted(NamedTuple):
    """A memory in its new layer, and the kinds of what was taken out of it."""

    memory: Memory
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Promotion:
    """PromoteMemory, over the ports."""

    memories: Memories
    keyring: Keyring
    indexing: Indexing
    consents: Consenting

    async def __call__(
        self, route: Route, asked: Asked, move: Promote, *, redacting: bool, trial: bool
    ) -> Promoted:
        """Moves a memory, `redacting` or as it is; in a `trial` it stays where it is.

        Raises:
            MemoryNotFound, VersionMismatch, NotBroader, InvalidRequest: It is refused.
            TextChanged, ArchivedMeanwhile: It was changed again and again meanwhile.
        """
        return await in_rounds(
            lambda: self._once(route, asked, move, redacting=redacting, trial=trial)
        )

    async def _once(
        self, route: Route, asked: Asked, move: Promote, *, redacting: bool, trial: bool
    ) -> Promoted:
        found = await self.memories.get_many(route, [move.id])
        if not found:
            raise MemoryNotFound(move.id)
        await self.consents.require_to_store(route, {found[0].subject})
        body, kinds = await self._body(route, move, found[0], redacting=redacting)
        if trial:
            stored = [_tried(found[0], body)]
        else:
            command: Command[Body] = Command(asked.origin, asked.request, body)
            stored = [*await self.memories.submit(route, command)]
        (memory,) = await opened(self.keyring, route, stored)
        return Promoted(memory, kinds)

    async def _body(
        self, route: Route, move: Promote, read: Stored, *, redacting: bool
    ) -> tuple[Promote, tuple[str, ...]]:
        """The move, with what the indexes have to hear of it; and what redaction found."""
        body, kinds = await self._redacting(route, move, read) if redacting else (move, ())
        after = replace(read, **body.redacted._asdict()) if body.redacted else read
        if (after.content, after.author) == (read.content, read.author):
            return replace(body, revival=await self.indexing.revival(route, read)), kinds
        vector, terms = await self.indexing.changed(route, after)
        return replace(body, vector=vector, terms=terms), kinds

    async def _redacting(
        self, route: Route, move: Promote, read: Stored
    ) -> tuple[Promote, tuple[str, ...]]:
        """The move with what redaction leaves of the texts that were read; and what it found."""
        (memory,) = await opened(self.keyring, route, [read])
        after, kinds = await asyncio.to_thread(_redacted, memory)
        redacted = await self._sealed(route, memory, after) if kinds else None
        forgets = bool(kinds) or await self._found_earlier(route, read)
        return replace(move, read=read, redacted=redacted, forgets=forgets), kinds

    async def _found_earlier(self, route: Route, read: Stored) -> bool:
        """Whether a version before the one that was read holds something to take out."""
        earlier = await self.memories.earlier(route, read.id, _EARLIER + 1)
        if len(earlier) > _EARLIER:
            return True
        memories = await opened(self.keyring, route, earlier)
        return await asyncio.to_thread(lambda: any(_redacted(each)[1] for each in memories))

    async def _sealed(self, route: Route, before: Memory, after: Memory) -> Texts:
        """The texts of a memory, those that changed sealed anew."""
        old, new = plain_of(before), plain_of(after)
        stored = before.stored
        changed = [name for name, each in _FIELDS.items() if new.get(each) != old.get(each)]
        fields = [_FIELDS[name] for name in changed]
        items = [Plain(stored.subject, each, stored.id, new[each]) for each in fields]
        sealed = await self.keyring.seal(route, items)
        return stored.texts._replace(**dict(zip(changed, sealed, strict=True)))


def _tried(read: Stored, body: Promote) -> Stored:
    """What the move would make of the memory."""
    (step,) = decide({read.id: read}, body)
    return step.entity.at(0)


def _redacted(memory: Memory) -> tuple[Memory, tuple[str, ...]]:
    """A memory without what is found in its texts, and the kinds of that."""
    texts, kinds = redact_values({name: getattr(memory, name) for name in _FIELDS})
    return replace(memory, **texts), tuple(kind for kind in KINDS if kind in kinds)
