"""Erases a person from memories: `libs.erasure.walking.Texts`.

Texts are opened, rewritten, embedded and sealed before the tenant's lock is taken; under the lock a
memory is rewritten only if it is still as it was read. What changed meanwhile is looked at again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from libs.changes import Command, Origin
from libs.encryption import KeyDestroyed
from libs.encryption.keyring import Keyring
from libs.erasure import Erasure
from libs.spine import read
from libs.tenancy import Route
from services.memory.domain.changes import Body
from services.memory.domain.erased import Erase, is_about, is_removed, names_person, rewritten
from services.memory.domain.memory import Memory, Stored
from services.memory.indexing import Indexing
from services.memory.opening import opened
from services.memory.ports import Memories
from services.memory.sealing import sealed

_BATCH = 256
_ROUNDS = 5  # of looking again at what changed meanwhile
_NEXT = """
    SELECT id FROM aeterna.memory
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3
"""


class Found(NamedTuple):
    """Memories that name the person: of each what it is to be, None: nothing."""

    read: Mapping[UUID, Stored]
    after: Mapping[UUID, Memory | None]


@dataclass(frozen=True)
class ErasedMemories:
    """Memories of a tenant, 256 at a time."""

    memories: Memories
    keyring: Keyring
    indexing: Indexing
    invalidate: Callable[[Route, Origin], Awaitable[int]]

    async def batch(self, route: Route, after: UUID | None) -> list[UUID]:
        """See `Texts`."""
        return [row["id"] for row in await read(route, _NEXT, after, _BATCH)]

    async def erase(
        self, route: Route, erasure: Erasure, origin: Origin, batch: list[UUID]
    ) -> Mapping[str, int]:
        """See `Texts`."""
        found = await self._found(route, erasure, batch)
        total, left = len(found.read), found
        for _ in range(_ROUNDS):
            if not left.read:
                break
            body = await self._body(route, erasure, left)
            command: Command[Body] = Command(origin, None, body)
            await self.memories.submit(route, command)
            left = await self._found(route, erasure, list(left.read))
        return {"found": total, "erased": total - len(left.read)}

    async def look(self, route: Route, erasure: Erasure, batch: list[UUID]) -> int:
        """See `Texts`."""
        return len((await self._found(route, erasure, batch)).read)

    async def finish(self, route: Route, origin: Origin) -> None:
        """See `Texts`: no cached embedding of the tenant counts any more, as the log may not say
        whose it is that do not."""
        await self.invalidate(route, origin)

    async def _found(self, route: Route, erasure: Erasure, ids: Sequence[UUID]) -> Found:
        stored = await self.memories.get_many(route, ids)
        gone = {each.id for each in stored if is_removed(each, erasure)}
        kept = [each for each in stored if each.id not in gone]
        current, earlier = await asyncio.gather(
            self._opened(route, kept),
            self._earlier(route, erasure, [each.id for each in kept]),
        )
        after: dict[UUID, Memory | None] = dict.fromkeys(gone)
        for before, memory in zip(kept, current, strict=True):
            if memory is None:
                if is_about(before, erasure):
                    after[before.id] = None  # its key is gone: nobody can read it any more
            elif before.id in earlier or names_person(memory, erasure):
                after[before.id] = rewritten(memory, erasure)
        return Found({each.id: each for each in stored if each.id in after}, after)

    async def _earlier(self, route: Route, erasure: Erasure, ids: Sequence[UUID]) -> set[UUID]:
        """Those with an earlier version that names the person, or that nobody can read."""
        stored = await self.memories.all_versions(route, ids)
        versions = await self._opened(route, stored)
        return {
            before.id
            for before, memory in zip(stored, versions, strict=True)
            if memory is None or names_person(memory, erasure)
        }

    async def _opened(self, route: Route, stored: Sequence[Stored]) -> Sequence[Memory | None]:
        """None for what nobody can read any more."""
        try:
            return await opened(self.keyring, route, stored)
        except KeyDestroyed:
            if len(stored) == 1:
                return [None]
        half = len(stored) // 2
        return [
            *await self._opened(route, stored[:half]),
            *await self._opened(route, stored[half:]),
        ]

    async def _body(self, route: Route, erasure: Erasure, found: Found) -> Erase:
        new = [each for each in found.after.values() if each is not None]
        stored = await sealed(self.keyring, route, new)
        entries = {each.memory.id: each for each in await self.indexing.entries(route, stored)}
        removed = tuple(each for each, memory in found.after.items() if memory is None)
        return Erase(erasure.names, removed, entries, found.read)
