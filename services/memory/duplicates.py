"""Looking for the near-duplicates of memories that are about to be stored."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from libs.changes import Vector
from libs.embedding import Vectors
from libs.encryption.keyring import Keyring
from libs.errors import AppError, Kind
from libs.scope import Scope
from libs.tenancy import Route
from libs.vectors import Filter
from libs.vectors.nearest import Nearest
from services.memory.domain.duplicates import Duplicate, among, near
from services.memory.domain.memory import BINDING, Memory, Stored, View
from services.memory.domain.policy import Policy
from services.memory.opening import opened
from services.memory.policies import Policies

log = structlog.get_logger(__name__)

_NEAREST = 4  # that are asked for
_AT_ONCE = 4  # searches of one request

Sees = Callable[[Stored], bool]  # whether the caller may be told of a memory


@dataclass(frozen=True)
class Duplicates:
    """The vector index, and the memories that it finds.

    Attributes:
        least: The cosine below which the texts of two memories are not compared; it depends on the
            model.
    """

    nearest: Nearest[Stored]
    keyring: Keyring
    policies: Policies
    least: float

    async def __call__(
        self, route: Route, memories: Sequence[Memory], vectors: Vectors, sees: Sees
    ) -> list[list[Duplicate]]:
        """Those of each of N new memories, the most alike first: among what is stored, and among
        those before it. None where the index or the shard does not answer.

        Args:
            vectors: Shape (N, dimensions).
        """
        slots = asyncio.Semaphore(_AT_ONCE)

        async def stored(memory: Memory, vector: Vector) -> list[Duplicate]:
            async with slots:
                return await self._stored(route, memory, vector, sees)

        try:
            found = await asyncio.gather(*map(stored, memories, vectors))
        except AppError as exc:
            if exc.kind is not Kind.UNAVAILABLE:
                raise
            log.warning("memories.near_duplicates_unknown", error=exc.reason)
            return [[] for _ in memories]
        beside = among(memories, vectors, self.least)
        others = [[*ours, *theirs] for ours, theirs in zip(found, beside, strict=True)]
        if not any(others):
            return others
        return await asyncio.to_thread(near, memories, others, memories[0].stored.created_at)

    async def _stored(
        self, route: Route, memory: Memory, vector: Vector, sees: Sees
    ) -> list[Duplicate]:
        """What the index finds near enough, and the caller sees; opened."""
        if not vector.any():  # a blank text is like nothing
            return []
        reach = (await self.policies.used(route, Policy.BALANCED)).reach
        where = _where(memory.stored)
        found = await self.nearest(route, vector, where, _NEAREST, reach)
        alike = [each for each in found if each.score >= self.least and sees(each.entity)]
        scores = {each.entity.id: each.score for each in alike}
        stored = [each.entity for each in alike]
        memories = await opened(self.keyring, route, stored)
        return [Duplicate(each, scores[each.stored.id]) for each in memories]


def _where(memory: Stored) -> Filter:
    """For the index: what the same people see, and is valid when the memory is stored."""
    bound = memory.bound()
    ids = {name: (bound.get(name, ""),) for name in BINDING[memory.layer]}
    return {**View(Scope(), memory.created_at, (memory.layer,)).filter(), **ids}
