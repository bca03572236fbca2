"""A tenant whose memories grow old at a word."""

from __future__ import annotations  # enums have their ValueType in the stubs only

from dataclasses import dataclass
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration

from aeterna.memory.v1 import maintenance_pb2, settings_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from tests.suite import Metadata, Suite

BY_MEANING, BY_WORDS = pb.SEARCH_STRATEGY_SEMANTIC, pb.SEARCH_STRATEGY_LEXICAL
HYBRID, REASONED = pb.SEARCH_STRATEGY_HYBRID, pb.SEARCH_STRATEGY_REASONED
ALL = (BY_MEANING, BY_WORDS, HYBRID, REASONED)
# Of memories of sessions, whose importance of 0.5 falls by exp(-0.05) a day.
WARM_DAYS, ARCHIVED_DAYS = 40, 100


@dataclass(frozen=True)
class Aged:
    """The services as one administrator of a tenant sees them."""

    suite: Suite
    tenant: str
    metadata: Metadata

    @classmethod
    async def create(cls, suite: Suite, tenant: str = "acme") -> Aged:
        return cls(suite, tenant, await suite.create_tenant(tenant))

    async def add(self, content: str, days: float = 0, **values: Any) -> Any:
        """A memory of one session that was confirmed so many days ago."""
        scope = {"user_id": "ann", "session_id": "s"}
        memory = pb.Memory(
            **{"layer": pb.LAYER_SESSION, "scope": scope, "content": content, **values}
        )
        request = pb.CreateMemoryRequest(memory=memory)
        stored = await self.suite.memory.CreateMemory(request, metadata=self.metadata)
        await self.age(stored, days)
        return stored

    async def age(self, memory: Any, days: float) -> None:
        """As if it had been confirmed, and changed, so many days earlier."""
        async with self.suite.database.connect() as superuser:
            await superuser.execute(
                "UPDATE aeterna.memory SET updated_at = updated_at - $2 * interval '1 day',"
                " confirmed_at = confirmed_at - $2 * interval '1 day' WHERE id = $1::text::uuid",
                memory.name.removeprefix("memories/"),
                days,
            )

    async def get(self, memory: Any) -> Any:
        request = pb.GetMemoryRequest(name=memory.name)
        return await self.suite.memory.GetMemory(request, metadata=self.metadata)

    async def update(self, memory: pb.Memory, *mask: str, **values: Any) -> Any:
        request = pb.UpdateMemoryRequest(memory=memory, **values)
        request.update_mask.paths.extend(mask)
        return await self.suite.memory.UpdateMemory(request, metadata=self.metadata)

    async def rate(self, memory: Any, feedback: pb.Feedback.ValueType) -> Any:
        request = pb.FeedbackMemoryRequest(name=memory.name, feedback=feedback)
        return await self.suite.memory.FeedbackMemory(request, metadata=self.metadata)

    async def listed(self, filter: str = "") -> set[str]:
        request = pb.ListMemoriesRequest(filter=filter)
        answer = await self.suite.memory.ListMemories(request, metadata=self.metadata)
        return {each.content for each in answer.memories}

    async def history(self, memory: Any) -> list[Any]:
        request = pb.ListMemoryRevisionsRequest(name=memory.name)
        answer = await self.suite.memory.ListMemoryRevisions(request, metadata=self.metadata)
        return list(answer.revisions)

    async def found(self, query: str, strategy: pb.SearchStrategy.ValueType) -> set[str]:
        request = pb.SearchMemoriesRequest(query=query, limit=100, strategy=strategy)
        answer = await self.suite.memory.SearchMemories(request, metadata=self.metadata)
        return {each.memory.content for each in answer.results}

    async def set(self, **values: Any) -> Any:
        settings = settings_pb2.MemorySettings(name="memorySettings", **values)
        request = settings_pb2.UpdateMemorySettingsRequest(memory_settings=settings)
        request.update_mask.paths.extend(values)
        return await self.suite.memory_settings.UpdateMemorySettings(
            request, metadata=self.metadata
        )

    async def optimize(self, *, validate_only: bool = False) -> Any:
        """How many became hot, warm and archived."""
        request = maintenance_pb2.OptimizeMemoriesRequest(validate_only=validate_only)
        begun = await self.suite.memory_maintenance.OptimizeMemories(
            request, metadata=self.metadata
        )
        response = maintenance_pb2.OptimizeMemoriesResponse()
        assert (await self.ended(begun.name)).response.Unpack(response)
        return response.hot, response.warm, response.archived

    async def prune(self, **values: Any) -> int:
        """How many were deleted."""
        request = maintenance_pb2.PruneMemoriesRequest(**values)
        begun = await self.suite.memory_maintenance.PruneMemories(request, metadata=self.metadata)
        response = maintenance_pb2.PruneMemoriesResponse()
        assert (await self.ended(begun.name)).response.Unpack(response)
        return int(response.memories)

    async def reindex(self) -> None:
        request = maintenance_pb2.ReindexMemoriesRequest()
        begun = await self.suite.memory_maintenance.ReindexMemories(request, metadata=self.metadata)
        await self.ended(begun.name)

    async def ended(self, name: str) -> Any:
        """An operation that ends well."""
        wait = operations_pb2.WaitOperationRequest(name=name, timeout=Duration(seconds=60))
        ended = await self.suite.operations.WaitOperation(wait, metadata=self.metadata)
        assert ended.done
        assert not ended.HasField("error"), ended.error
        return ended
