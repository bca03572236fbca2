"""gRPC servicer of memories: translates, nothing else."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from google.protobuf import empty_pb2

from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from libs.aip.filtering import parse
from libs.aip.names import resource_uuid
from libs.aip.paging import Page
from libs.auth.clock import utc_now
from libs.authorization.things import MEMORY, Thing
from libs.changes import Asked
from libs.consent.known import KnownConsents
from libs.embedding.cache.policy import Invalidations
from libs.encryption.keyring import Keyring
from libs.errors import AppError, invalid
from libs.service.answers import answers_to
from libs.service.caller import Caller, caller
from libs.service.checking import Checker
from libs.service.convert import asked, change_to, enum_from, scope_from
from libs.service.errors import expected, to_status
from libs.service.pipeline import Context
from libs.tenancy import Route
from services.memory.access import Access, may_read
from services.memory.aging import AgingOf
from services.memory.api.filters import FIELDS
from services.memory.api.messages import (
    COLLECTION,
    FEEDBACK,
    LAYERS,
    STRATEGIES,
    answer_to,
    budget_from,
    created_to,
    draft_from,
    memory_to,
    names_from,
    patch_from,
    policy_from,
    query_from,
    size,
    step_to,
)
from services.memory.domain.access import moved
from services.memory.domain.changes import Promote
from services.memory.domain.memory import Memory, Stored, restricting
from services.memory.duplicates import Sees
from services.memory.operations import MemoryOperations
from services.memory.policies import Policies, Used
from services.memory.promotion import Promotion
from services.memory.reasoning import HOPS, Reasoning, Step
from services.memory.search import Query, Strategy
from services.memory.tenant_settings.domain import DefaultStrategy, NearDuplicates
from services.memory.tenant_settings.ports import SettingsStore

_STREAM_WINDOW = 64  # requests of one stream that are under way at once


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
        aging: AgingOf,
        promote: Promotion,
        consents: KnownConsents,
        access: Access,
    ) -> None:
        self._do, self._reasoning, self._policies = operations, reasoning, policies
        self._promote, self._access = promote, access
        self._settings, self._invalidate, self._keyring = settings, invalidate, keyring
        self._aging, self._consents = aging, consents
        self._checker = Checker()  # of what comes in streams

    async def CreateMemory(self, request: pb.CreateMemoryRequest, context: Context) -> pb.Memory:
        return await self._create(caller(), request)

    async def BatchCreateMemories(
        self, request: pb.BatchCreateMemoriesRequest, context: Context
    ) -> pb.BatchCreateMemoriesResponse:
        current = caller()
        drafts = []
        for place, each in enumerate(request.requests):
            if each.request_id:
                raise invalid(f"requests[{place}].request_id", "belongs to the batch")
            drafts.append(draft_from(each.memory, f"requests[{place}].memory"))
        for draft in drafts:
            self._access.demand_new(current, "CreateMemory", draft.layer, draft.scope)
        by = await self._asked(current, "BatchCreateMemories", request)
        near = await self._near_duplicates(current)
        path = "requests[{}].memory"
        memories = await self._do.create(current.route, by, drafts, path, *near)
        aging = await self._aging(current.route)
        stored = [created_to(each, aging) for each in memories]
        return pb.BatchCreateMemoriesResponse(memories=stored)

    async def StreamCreateMemories(
        self, request: AsyncIterator[pb.CreateMemoryRequest], context: Context
    ) -> AsyncIterator[pb.StreamCreateMemoriesResponse]:
        answers = answers_to(request, partial(self._create_one, caller()), _STREAM_WINDOW)
        async with aclosing(answers):
            async for answer in answers:
                yield answer

    async def GetMemory(self, request: pb.GetMemoryRequest, context: Context) -> pb.Memory:
        memory_id = resource_uuid(request.name, COLLECTION)
        current = caller()
        memory = await self._do.get(current.route, memory_id)
        current.demand("GetMemory", memory.stored.place(current.tenant))
        return await self._shown(current.route, memory)

    async def ListMemories(
        self, request: pb.ListMemoriesRequest, context: Context
    ) -> pb.ListMemoriesResponse:
        current = caller()
        sight = await self._access.sight(current, "ListMemories")
        where = [*parse(request.filter, FIELDS), *restricting(sight)]
        binding = f"ListMemories/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        memories = await self._do.page(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(memories, lambda memory: memory.stored.id, size)
        aging = await self._aging(current.route)
        listed = [memory_to(each, aging) for each in shown]
        return pb.ListMemoriesResponse(memories=listed, next_page_token=token)

    async def UpdateMemory(self, request: pb.UpdateMemoryRequest, context: Context) -> pb.Memory:
        current = caller()
        memory_id = resource_uuid(request.memory.name, COLLECTION, "memory.name")
        patch = patch_from(request.memory, names_from(request))
        there = await self._access.demand(current, "UpdateMemory", memory_id)
        trusting = there is not None and current.may("RaiseMemoryTrust", there)
        by = await self._asked(current, "UpdateMemory", request)
        memory = await self._do.update(
            current.route, by, memory_id, request.memory.version, patch, trusting=trusting
        )
        return await self._shown(current.route, memory)

    async def DeleteMemory(
        self, request: pb.DeleteMemoryRequest, context: Context
    ) -> empty_pb2.Empty:
        current = caller()
        memory_id = resource_uuid(request.name, COLLECTION)
        await self._access.demand(current, "DeleteMemory", memory_id)
        by = await self._asked(current, "DeleteMemory", request)
        await self._do.delete(current.route, by, memory_id, request.version)
        return empty_pb2.Empty()

    async def SupersedeMemory(
        self, request: pb.SupersedeMemoryRequest, context: Context
    ) -> pb.Memory:
        current, given = caller(), request.memory
        memory_id = resource_uuid(request.name, COLLECTION)
        for name, there in (("layer", given.layer), ("scope", given.HasField("scope"))):
            if there:
                raise invalid(f"memory.{name}", "is that of the superseded memory")
        by = await self._asked(current, "SupersedeMemory", request)
        before = (await self._do.get(current.route, memory_id)).stored
        current.demand("SupersedeMemory", before.place(current.tenant))
        draft = draft_from(given, "memory", before)
        memory = await self._do.supersede(current.route, by, memory_id, request.version, draft)
        return await self._shown(current.route, memory)

    async def FeedbackMemory(
        self, request: pb.FeedbackMemoryRequest, context: Context
    ) -> pb.Memory:
        current = caller()
        memory_id = resource_uuid(request.name, COLLECTION)
        feedback = enum_from(FEEDBACK, request.feedback, "feedback")
        there = await self._access.demand(current, "FeedbackMemory", memory_id)
        closing = there is not None and current.may("EndMemoryValidity", there)
        by = await self._asked(current, "FeedbackMemory", request)
        memory = await self._do.rate(current.route, by, memory_id, feedback, closing=closing)
        return await self._shown(current.route, memory)

    async def PromoteMemory(self, request: pb.PromoteMemoryRequest, context: Context) -> pb.Memory:
        current = caller()
        memory_id = resource_uuid(request.name, COLLECTION)
        layer = enum_from(LAYERS, request.layer, "layer")
        redacting = request.redaction != pb.REDACTION_NONE
        move = Promote(memory_id, request.version, utc_now(), layer, scope_from(request.scope))
        await self._demand_promotion(current, move, redacting=redacting)
        by = await self._asked(current, "PromoteMemory", request)
        promoted = await self._promote(
            current.route, by, move, redacting=redacting, trial=request.validate_only
        )
        message = await self._shown(current.route, promoted.memory)
        message.redacted.extend(promoted.kinds)
        return message

    async def SearchMemories(
        self, request: pb.SearchMemoriesRequest, context: Context
    ) -> pb.SearchMemoriesResponse:
        current = caller()
        route = current.route
        strategy = STRATEGIES.get(request.strategy) or await self._default_strategy(route)
        sight = await self._access.sight(current, "SearchMemories")
        query = await self._consented(route, query_from(request, strategy, sight))
        async with self._policies.use(route, query, *policy_from(request)) as used:
            reasoning = _reaching(self._reasoning, used)
            if strategy is Strategy.REASONED:
                results = await reasoning(route, query, budget_from(request))
            else:
                results = await reasoning.search(route, query)
        return answer_to(results, used, await self._aging(route), explain=request.explain)

    async def ReasonMemories(
        self, request: pb.ReasonMemoriesRequest, context: Context
    ) -> AsyncIterator[pb.ReasonMemoriesResponse]:
        replay = [list(step.queries) for step in request.replay]
        budget = replace(budget_from(request.search), hops=request.max_hops or HOPS, replay=replay)
        current = caller()
        route, sight = current.route, await self._access.sight(current, "SearchMemories")
        query = query_from(request.search, Strategy.REASONED, sight)
        query = await self._consented(route, query)
        aging, explain = await self._aging(route), request.search.explain
        async with self._policies.use(route, query, *policy_from(request.search)) as used:
            async for event in _reaching(self._reasoning, used).steps(route, query, budget):
                if isinstance(event, Step):
                    yield pb.ReasonMemoriesResponse(step=step_to(event))
                else:
                    answer = answer_to(event, used, aging, explain=explain)
                    yield pb.ReasonMemoriesResponse(answer=answer)

    async def ListMemoryRevisions(
        self, request: pb.ListMemoryRevisionsRequest, context: Context
    ) -> pb.ListMemoryRevisionsResponse:
        current = caller()
        memory_id = resource_uuid(request.name, COLLECTION)
        binding = f"ListMemoryRevisions/{current.tenant}/{request.name}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        since = page.after_number()
        await self._access.demand(current, "ListMemoryRevisions", memory_id)
        history = await self._do.history(current.route, memory_id, since, page.limit)
        shown, token = page.cut(
            history,
            lambda revision: revision[0].number,
            lambda revision: size(revision[1]) if revision[1] else 0,
        )
        aging = await self._aging(current.route)
        revisions = [
            pb.MemoryRevision(
                change=change_to(change), memory=memory_to(memory, aging) if memory else None
            )
            for change, memory in shown
            if may_read(current, change, memory.stored if memory else None)
        ]
        return pb.ListMemoryRevisionsResponse(revisions=revisions, next_page_token=token)

    async def InvalidateEmbeddings(
        self, request: pb.InvalidateEmbeddingsRequest, context: Context
    ) -> pb.InvalidateEmbeddingsResponse:
        current = caller()
        number = await self._invalidate(
            current.route, current.origin, request.user_id, request.model
        )
        return pb.InvalidateEmbeddingsResponse(change_number=number)

    async def _create(self, current: Caller, request: pb.CreateMemoryRequest) -> pb.Memory:
        draft = draft_from(request.memory, "memory")
        self._access.demand_new(current, "CreateMemory", draft.layer, draft.scope)
        by = await self._asked(current, "CreateMemory", request)
        near = await self._near_duplicates(current)
        (created,) = await self._do.create(current.route, by, [draft], "memory", *near)
        return created_to(created, await self._aging(current.route))

    async def _create_one(
        self, current: Caller, index: int, request: pb.CreateMemoryRequest
    ) -> pb.StreamCreateMemoriesResponse:
        try:
            self._checker.checked(request)
            memory = await self._create(current, request)
            return pb.StreamCreateMemoriesResponse(index=index, memory=memory)
        except AppError as error:
            status = to_status(expected(error))
            return pb.StreamCreateMemoriesResponse(index=index, error=status)

    async def _demand_promotion(self, current: Caller, move: Promote, *, redacting: bool) -> None:
        """Where the memory is as where it goes; as it is, only for those who may that."""
        there = await self._access.demand(current, "PromoteMemory", move.id)
        if not redacting:
            current.demand("PromoteMemoryUnredacted", there or Thing(MEMORY, current.tenant))
        if there:
            current.demand("PromoteMemory", moved(there, move.layer, move.scope))

    async def _shown(self, route: Route, memory: Memory) -> pb.Memory:
        return memory_to(memory, await self._aging(route))

    async def _consented(self, route: Route, query: Query) -> Query:
        """The query, which shows only the memories of people who allow that."""
        consent = await self._consents.retrievable(route)
        return replace(query, view=replace(query.view, consent=consent))

    async def _default_strategy(self, route: Route) -> Strategy:
        chosen = (await self._settings.get(route)).values.default_search_strategy
        return Strategy.HYBRID if chosen is DefaultStrategy.UNSPECIFIED else Strategy[chosen.name]

    async def _near_duplicates(self, current: Caller) -> tuple[NearDuplicates, Sees]:
        """What is done about them, and which the caller may be told of."""
        policy = (await self._settings.get(current.route)).values.near_duplicates
        consent = await self._consents.retrievable(current.route)

        def sees(memory: Stored) -> bool:
            allowed = consent is None or consent.shows(memory.subject)
            return allowed and current.may("GetMemory", memory.place(current.tenant))

        return policy, sees

    async def _asked(self, current: Caller, method: str, request: Any) -> Asked:
        return await asked(current, self._keyring, method, request)


def _reaching(reasoning: Reasoning, used: Used | None) -> Reasoning:
    """The same, with searches that look as far."""
    if not used:
        return reasoning
    return replace(reasoning, search=reasoning.search.reaching(used.reach))
