"""gRPC servicer of memories: translates, nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from google.protobuf import empty_pb2, json_format
from google.protobuf.struct_pb2 import Struct

from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from libs.aip.filtering import Field, Kind, parse
from libs.aip.names import resource_uuid
from libs.aip.paging import Page
from libs.auth.clock import utc_now
from libs.changes import Asked
from libs.embedding.cache.policy import Invalidations
from libs.encryption.keyring import Keyring
from libs.errors import AppError, invalid
from libs.service.caller import ADMINISTRATORS, WRITERS, Caller, caller
from libs.service.convert import (
    asked,
    change_to,
    enum_from,
    masked,
    moment,
    scope_from,
    scope_to,
    timestamp,
)
from libs.service.errors import expected, to_status
from libs.service.pipeline import Context
from libs.tenancy import Route
from services.memory.domain.feedback import Feedback
from services.memory.domain.memory import EVER, NEVER, Layer, Memory, Stored, View
from services.memory.domain.policy import Policy
from services.memory.operations import Draft, MemoryOperations, Patch
from services.memory.policies import Policies, Used
from services.memory.reasoning import HOPS, Budget, Reasoning, Step
from services.memory.search import Found, Query, Results, Strategy
from services.memory.tenant_settings.domain import DefaultStrategy
from services.memory.tenant_settings.ports import SettingsStore

COLLECTION = "memories"
_METADATA_BYTES = 16 * 1024
_IMPORTANCE = 0.5
_STREAM_WINDOW = 64  # requests of one stream that are under way at once
_TRUST = 1.0
_Moment = Literal["event_time", "valid_from", "valid_until"]
_MUTABLE = (
    *("content", "metadata", "importance", "event_time"),
    *("trust", "valid_from", "valid_until"),
)
_STRATEGIES = {
    pb.SEARCH_STRATEGY_SEMANTIC: Strategy.SEMANTIC,
    pb.SEARCH_STRATEGY_LEXICAL: Strategy.LEXICAL,
    pb.SEARCH_STRATEGY_HYBRID: Strategy.HYBRID,
    pb.SEARCH_STRATEGY_REASONED: Strategy.REASONED,
}
_POLICIES = {
    pb.SEARCH_POLICY_UNSPECIFIED: Policy.BALANCED,
    **{pb.SearchPolicy.Value(f"SEARCH_POLICY_{each.name}"): each for each in Policy},
}
_LAYERS: dict[int, Layer] = {pb.Layer.Value(f"LAYER_{layer.name}"): layer for layer in Layer}
_FEEDBACK: dict[int, Feedback] = {
    pb.Feedback.Value(f"FEEDBACK_{each.name}"): each for each in Feedback
}
_TEXTS = ("org_id", "team_id", "project_id", "session_id", "user_id", "agent_id")
_FILTER = {
    **{name: Field(name, Kind.TEXT) for name in _TEXTS},
    "layer": Field("layer", Kind.ENUM, {layer.value: layer.value for layer in Layer}),
    "importance": Field("importance", Kind.NUMBER),
    "trust": Field("trust", Kind.NUMBER),
    "valid_from": Field("coalesce(valid_from, '-infinity')", Kind.TIME),
    "valid_until": Field("coalesce(valid_until, 'infinity')", Kind.TIME),
    "event_time": Field("coalesce(event_at, created_at)", Kind.TIME),
    "create_time": Field("created_at", Kind.TIME),
    "update_time": Field("updated_at", Kind.TIME),
}


class MemoryServicer(pb_grpc.MemoryServiceServicer):
    """`aeterna.memory.v1.MemoryService` over the operations."""

    def __init__(
        self,
        operations: MemoryOperations,
        reasoning: Reasoning,
        policies: Policies,
        settings: SettingsStore,
        invalidate: Invalidations,
        keyring: Keyring,
    ) -> None:
        self._do, self._reasoning, self._policies = operations, reasoning, policies
        self._settings, self._invalidate, self._keyring = settings, invalidate, keyring

    async def CreateMemory(self, request: pb.CreateMemoryRequest, context: Context) -> pb.Memory:
        return await self._create(caller(WRITERS), request)

    async def BatchCreateMemories(
        self, request: pb.BatchCreateMemoriesRequest, context: Context
    ) -> pb.BatchCreateMemoriesResponse:
        current = caller(WRITERS)
        drafts = []
        for place, each in enumerate(request.requests):
            if each.request_id:
                raise invalid(f"requests[{place}].request_id", "belongs to the batch")
            drafts.append(_draft(each.memory, f"requests[{place}].memory"))
        by = await self._asked(current, "BatchCreateMemories", request)
        memories = await self._do.create(current.route, by, drafts, "requests[{}].memory")
        return pb.BatchCreateMemoriesResponse(memories=map(_memory, memories))

    async def StreamCreateMemories(
        self, request: AsyncIterator[pb.CreateMemoryRequest], context: Context
    ) -> AsyncIterator[pb.StreamCreateMemoriesResponse]:
        current = caller(WRITERS)
        pending: set[asyncio.Task[pb.StreamCreateMemoriesResponse]] = set()
        index = 0
        try:
            async for each in request:
                pending.add(asyncio.create_task(self._create_one(current, index, each)))
                index += 1
                done, pending = await _finished(pending, wait=len(pending) >= _STREAM_WINDOW)
                for task in done:
                    yield task.result()
            for answer in asyncio.as_completed(pending):
                yield await answer
        finally:
            for task in pending:
                task.cancel()

    async def GetMemory(self, request: pb.GetMemoryRequest, context: Context) -> pb.Memory:
        memory_id = resource_uuid(request.name, COLLECTION)
        return _memory(await self._do.get(caller().route, memory_id))

    async def ListMemories(
        self, request: pb.ListMemoriesRequest, context: Context
    ) -> pb.ListMemoriesResponse:
        current = caller()
        where = parse(request.filter, _FILTER)
        binding = f"ListMemories/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        memories = await self._do.page(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(memories, lambda memory: memory.stored.id, _size)
        return pb.ListMemoriesResponse(memories=map(_memory, shown), next_page_token=token)

    async def UpdateMemory(self, request: pb.UpdateMemoryRequest, context: Context) -> pb.Memory:
        current = caller(WRITERS)
        memory_id = resource_uuid(request.memory.name, COLLECTION, "memory.name")
        names = masked(request.memory, list(request.update_mask.paths), _MUTABLE)
        patch = _patch(request.memory, names)
        by = await self._asked(current, "UpdateMemory", request)
        version, trusting = request.memory.version, current.has(ADMINISTRATORS)
        memory = await self._do.update(
            current.route, by, memory_id, version, patch, trusting=trusting
        )
        return _memory(memory)

    async def DeleteMemory(
        self, request: pb.DeleteMemoryRequest, context: Context
    ) -> empty_pb2.Empty:
        current = caller(WRITERS)
        memory_id = resource_uuid(request.name, COLLECTION)
        by = await self._asked(current, "DeleteMemory", request)
        await self._do.delete(current.route, by, memory_id, request.version)
        return empty_pb2.Empty()

    async def SupersedeMemory(
        self, request: pb.SupersedeMemoryRequest, context: Context
    ) -> pb.Memory:
        current, memory = caller(WRITERS), request.memory
        memory_id = resource_uuid(request.name, COLLECTION)
        for name, given in (("layer", memory.layer), ("scope", memory.HasField("scope"))):
            if given:
                raise invalid(f"memory.{name}", "is that of the superseded memory")
        by = await self._asked(current, "SupersedeMemory", request)
        before = (await self._do.get(current.route, memory_id)).stored
        draft = _draft(memory, "memory", before)
        return _memory(
            await self._do.supersede(current.route, by, memory_id, request.version, draft)
        )

    async def FeedbackMemory(
        self, request: pb.FeedbackMemoryRequest, context: Context
    ) -> pb.Memory:
        current = caller(WRITERS)
        memory_id = resource_uuid(request.name, COLLECTION)
        feedback = enum_from(_FEEDBACK, request.feedback, "feedback")
        by = await self._asked(current, "FeedbackMemory", request)
        closing = current.has(ADMINISTRATORS)
        return _memory(await self._do.rate(current.route, by, memory_id, feedback, closing=closing))

    async def PromoteMemory(self, request: pb.PromoteMemoryRequest, context: Context) -> pb.Memory:
        current = caller(WRITERS)
        memory_id = resource_uuid(request.name, COLLECTION)
        layer = enum_from(_LAYERS, request.layer, "layer")
        by = await self._asked(current, "PromoteMemory", request)
        memory = await self._do.promote(
            current.route, by, memory_id, request.version, layer, scope_from(request.scope)
        )
        return _memory(memory)

    async def SearchMemories(
        self, request: pb.SearchMemoriesRequest, context: Context
    ) -> pb.SearchMemoriesResponse:
        route = caller().route
        strategy = _STRATEGIES.get(request.strategy) or await self._default_strategy(route)
        query = _query(request, strategy)
        async with self._policies.use(route, strategy, *_policy(request)) as used:
            reasoning = _reaching(self._reasoning, used)
            if strategy is Strategy.REASONED:
                results = await reasoning(route, query, _budget(request))
            else:
                results = await reasoning.search(route, query)
        return _answer(results, used, explain=request.explain)

    async def ReasonMemories(
        self, request: pb.ReasonMemoriesRequest, context: Context
    ) -> AsyncIterator[pb.ReasonMemoriesResponse]:
        replay = [list(step.queries) for step in request.replay]
        budget = replace(_budget(request.search), hops=request.max_hops or HOPS, replay=replay)
        route, query = caller().route, _query(request.search, Strategy.REASONED)
        async with self._policies.use(route, query.strategy, *_policy(request.search)) as used:
            async for event in _reaching(self._reasoning, used).steps(route, query, budget):
                if isinstance(event, Step):
                    yield pb.ReasonMemoriesResponse(step=_step(event))
                else:
                    answer = _answer(event, used, explain=request.search.explain)
                    yield pb.ReasonMemoriesResponse(answer=answer)

    async def ListMemoryRevisions(
        self, request: pb.ListMemoryRevisionsRequest, context: Context
    ) -> pb.ListMemoryRevisionsResponse:
        current = caller()
        memory_id = resource_uuid(request.name, COLLECTION)
        binding = f"ListMemoryRevisions/{current.tenant}/{request.name}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        since = page.after_number()
        history = await self._do.history(current.route, memory_id, since, page.limit)
        shown, token = page.cut(history, lambda revision: revision[0].number)
        revisions = [
            pb.MemoryRevision(change=change_to(change), memory=_memory(memory) if memory else None)
            for change, memory in shown
        ]
        return pb.ListMemoryRevisionsResponse(revisions=revisions, next_page_token=token)

    async def InvalidateEmbeddings(
        self, request: pb.InvalidateEmbeddingsRequest, context: Context
    ) -> pb.InvalidateEmbeddingsResponse:
        current = caller(ADMINISTRATORS)
        number = await self._invalidate(
            current.route, current.origin, request.user_id, request.model
        )
        return pb.InvalidateEmbeddingsResponse(change_number=number)

    async def _create(self, current: Caller, request: pb.CreateMemoryRequest) -> pb.Memory:
        draft = _draft(request.memory, "memory")
        by = await self._asked(current, "CreateMemory", request)
        (memory,) = await self._do.create(current.route, by, [draft], "memory")
        return _memory(memory)

    async def _create_one(
        self, current: Caller, index: int, request: pb.CreateMemoryRequest
    ) -> pb.StreamCreateMemoriesResponse:
        try:
            memory = await self._create(current, request)
            return pb.StreamCreateMemoriesResponse(index=index, memory=memory)
        except AppError as error:
            status = to_status(expected(error))
            return pb.StreamCreateMemoriesResponse(index=index, error=status)

    async def _default_strategy(self, route: Route) -> Strategy:
        chosen = (await self._settings.get(route)).values.default_search_strategy
        return Strategy.HYBRID if chosen is DefaultStrategy.UNSPECIFIED else Strategy[chosen.name]

    async def _asked(self, current: Caller, method: str, request: Any) -> Asked:
        return await asked(current, self._keyring, method, request)


async def _finished(
    pending: set[asyncio.Task[Any]], *, wait: bool
) -> tuple[set[asyncio.Task[Any]], set[asyncio.Task[Any]]]:
    """What is done, after waiting for one when the window is full; and the rest."""
    timeout = None if wait else 0
    return await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)


def _draft(memory: pb.Memory, field: str, before: Stored | None = None) -> Draft:
    """What is to be stored, in the place of `before`, if that is given."""
    if not memory.content:
        raise invalid(f"{field}.content", "is required")
    importance = before.importance if before else _IMPORTANCE
    return Draft(
        layer=before.layer if before else enum_from(_LAYERS, memory.layer, f"{field}.layer"),
        scope=before.scope if before else scope_from(memory.scope),
        content=memory.content,
        metadata=_metadata(memory.metadata, f"{field}.metadata"),
        importance=memory.importance if memory.HasField("importance") else importance,
        author=memory.author,
        event_time=_moment(memory, "event_time", field),
        source=memory.source,
        trust=_trust(memory),
        valid_from=_moment(memory, "valid_from", field) or EVER,
        valid_until=_moment(memory, "valid_until", field) or NEVER,
    )


def _moment(memory: pb.Memory, name: _Moment, field: str) -> datetime | None:
    """One of its times, if it is given."""
    if not memory.HasField(name):
        return None
    return moment(getattr(memory, name), f"{field}.{name}")


def _patch(memory: pb.Memory, names: tuple[str, ...]) -> Patch:
    if "content" in names and not memory.content:
        raise invalid("memory.content", "must not be empty")
    values: dict[str, Callable[[], Any]] = {
        "content": lambda: memory.content,
        "metadata": lambda: _metadata(memory.metadata, "memory.metadata"),
        "importance": lambda: _importance(memory),
        "event_time": lambda: _new_moment(memory),
        "trust": lambda: _trust(memory),
        "valid_from": lambda: _moment(memory, "valid_from", "memory") or EVER,
        "valid_until": lambda: _moment(memory, "valid_until", "memory") or NEVER,
    }
    return Patch(**{name: values[name]() for name in names})


def _new_moment(memory: pb.Memory) -> datetime:
    given = _moment(memory, "event_time", "memory")
    if given is None:
        raise invalid("memory.event_time", "must not be empty")
    return given


def _trust(memory: pb.Memory) -> float:
    return memory.trust if memory.HasField("trust") else _TRUST


def _importance(memory: pb.Memory) -> float:
    return memory.importance if memory.HasField("importance") else _IMPORTANCE


def _metadata(struct: Struct, field: str) -> dict[str, Any]:
    if struct.ByteSize() > _METADATA_BYTES:
        raise invalid(field, f"must be at most {_METADATA_BYTES} bytes")
    try:
        return json_format.MessageToDict(struct)
    except (json_format.Error, ValueError) as exc:
        raise invalid(field, "must be plain JSON: every value set, numbers finite") from exc


def _reaching(reasoning: Reasoning, used: Used | None) -> Reasoning:
    """The same, with searches that look as far."""
    if not used:
        return reasoning
    return replace(reasoning, search=reasoning.search.reaching(used.reach))


def _policy(request: pb.SearchMemoriesRequest) -> tuple[Policy, timedelta | None]:
    """The policy and, with ADAPTIVE, the budget that it has."""
    policy, given = _POLICIES[request.policy], request.HasField("latency_budget")
    if given and policy is not Policy.ADAPTIVE:
        raise invalid("latency_budget", "belongs to SEARCH_POLICY_ADAPTIVE")
    if policy is Policy.ADAPTIVE and not given:
        raise invalid("latency_budget", "is required with SEARCH_POLICY_ADAPTIVE")
    return policy, request.latency_budget.ToTimedelta() if given else None


def _query(request: pb.SearchMemoriesRequest, strategy: Strategy) -> Query:
    given = request.HasField("valid_at")
    at = moment(request.valid_at, "valid_at") if given else utc_now()
    return Query(
        request.query,
        View(scope_from(request.scope), at, tuple(_LAYERS[each] for each in request.layers)),
        request.limit or 10,
        request.min_score or None,
        strategy,
        request.min_relevance,
    )


def _budget(request: pb.SearchMemoriesRequest) -> Budget:
    if not request.HasField("time_limit"):
        return Budget()
    return Budget(time=request.time_limit.ToTimedelta())


def _answer(results: Results, used: Used | None, *, explain: bool) -> pb.SearchMemoriesResponse:
    return pb.SearchMemoriesResponse(
        results=[_result(each, explain=explain) for each in results.found],
        missing_signals=results.missing,
        answerable=results.answerable,
        partial=results.partial,
        vector_use=_use(used) if used else None,
    )


def _use(used: Used) -> pb.VectorUse:
    return pb.VectorUse(
        policy=pb.SearchPolicy.Value(f"SEARCH_POLICY_{used.policy.name}"),
        searched_dimensions=used.reach.dimensions,
        scored_dimensions=used.scored,
        oversampling=used.reach.oversampling or 1,
    )


def _step(step: Step) -> pb.ReasoningStep:
    message = pb.ReasoningStep(
        planner=step.hop.planner,
        queries=step.hop.queries,
        new_memories=step.hop.new,
        missing=step.missing,
        best=[f"{COLLECTION}/{each}" for each in step.best],
    )
    message.elapsed.FromTimedelta(step.elapsed)
    return message


def _result(found: Found, *, explain: bool) -> pb.SearchResult:
    result = pb.SearchResult(
        memory=_memory(found.memory), score=found.score, relevance=found.relevance
    )
    for each in found.signals if explain else ():
        result.signals.add(name=each.name, value=each.value, contribution=each.contribution)
    return result


def _size(memory: Memory) -> int:
    """Bytes of a memory in an answer, roughly."""
    return len(memory.stored.content) + len(memory.stored.metadata)


def _memory(memory: Memory) -> pb.Memory:
    stored = memory.stored
    message = pb.Memory(
        name=f"{COLLECTION}/{stored.id}",
        layer=pb.Layer.Value(f"LAYER_{stored.layer.name}"),
        scope=scope_to(stored.scope),
        content=memory.content,
        importance=stored.importance,
        version=stored.version,
        change_number=stored.number,
        create_time=timestamp(stored.created_at),
        update_time=timestamp(stored.updated_at),
        author=memory.author,
        event_time=timestamp(stored.event_at),
        source=memory.source,
        trust=stored.trust,
        valid_from=None if stored.valid_from == EVER else timestamp(stored.valid_from),
        valid_until=None if stored.valid_until == NEVER else timestamp(stored.valid_until),
        supersedes=_name(stored.supersedes),
        superseded_by=_name(stored.superseded_by),
        feedback=pb.FeedbackCounts(**{each.value: n for each, n in stored.feedback.items()}),
        effective_importance=stored.effective_importance,
    )
    message.metadata.update(memory.metadata)
    return message


def _name(memory_id: UUID | None) -> str:
    return f"{COLLECTION}/{memory_id}" if memory_id else ""
