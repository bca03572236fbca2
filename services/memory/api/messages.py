"""Messages of the contract from and to what the service works with."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from aeterna.memory.v1 import memory_pb2 as pb
from libs.auth.clock import utc_now
from libs.authorization.things import Sight
from libs.errors import invalid
from libs.service.convert import (
    enum_from,
    masked,
    moment,
    scope_from,
    scope_to,
    timestamp,
)
from services.memory.aging import Aging
from services.memory.api.filters import rows_from
from services.memory.creation import Created, Draft
from services.memory.domain.feedback import Feedback
from services.memory.domain.memory import EVER, NEVER, Layer, Memory, Stored, View
from services.memory.domain.policy import Policy
from services.memory.operations import Patch
from services.memory.policies import Used
from services.memory.reasoning import Budget, Step
from services.memory.search import Found, Query, Results, Strategy

COLLECTION = "memories"
_METADATA_BYTES = 16 * 1024
_IMPORTANCE = 0.5
_TRUST = 1.0
_FRAME = 512  # bytes of a memory beside its texts and ids: names, times, numbers
_Moment = Literal["event_time", "valid_from", "valid_until"]
MUTABLE = (
    *("content", "metadata", "importance", "event_time"),
    *("trust", "valid_from", "valid_until", "tier"),
)
STRATEGIES = {
    pb.SEARCH_STRATEGY_SEMANTIC: Strategy.SEMANTIC,
    pb.SEARCH_STRATEGY_LEXICAL: Strategy.LEXICAL,
    pb.SEARCH_STRATEGY_HYBRID: Strategy.HYBRID,
    pb.SEARCH_STRATEGY_REASONED: Strategy.REASONED,
}
_POLICIES = {
    pb.SEARCH_POLICY_UNSPECIFIED: Policy.BALANCED,
    **{pb.SearchPolicy.Value(f"SEARCH_POLICY_{each.name}"): each for each in Policy},
}
LAYERS: dict[int, Layer] = {pb.Layer.Value(f"LAYER_{layer.name}"): layer for layer in Layer}
FEEDBACK: dict[int, Feedback] = {
    pb.Feedback.Value(f"FEEDBACK_{each.name}"): each for each in Feedback
}


def draft_from(memory: pb.Memory, field: str, before: Stored | None = None) -> Draft:
    """What is to be stored, in the place of `before`, if that is given."""
    if not memory.content:
        raise invalid(f"{field}.content", "is required")
    importance = before.importance if before else _IMPORTANCE
    return Draft(
        layer=before.layer if before else enum_from(LAYERS, memory.layer, f"{field}.layer"),
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


def names_from(request: pb.UpdateMemoryRequest) -> tuple[str, ...]:
    """What an update replaces. Whatever it is, the memory is hot afterwards: a tier that a client
    sends back with the rest does not count."""
    paths = list(request.update_mask.paths)
    names = masked(request.memory, paths, MUTABLE)
    asked_for = "tier" in paths or names == ("tier",)
    if asked_for and request.memory.tier != pb.TIER_HOT:
        raise invalid("memory.tier", "must be TIER_HOT: only OptimizeMemories moves memories down")
    return tuple(name for name in names if name != "tier")


def patch_from(memory: pb.Memory, names: tuple[str, ...]) -> Patch:
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


def policy_from(request: pb.SearchMemoriesRequest) -> tuple[Policy, timedelta | None]:
    """The policy and, with ADAPTIVE, the budget that it has."""
    policy, given = _POLICIES[request.policy], request.HasField("latency_budget")
    if given and policy is not Policy.ADAPTIVE:
        raise invalid("latency_budget", "belongs to SEARCH_POLICY_ADAPTIVE")
    if policy is Policy.ADAPTIVE and not given:
        raise invalid("latency_budget", "is required with SEARCH_POLICY_ADAPTIVE")
    return policy, request.latency_budget.ToTimedelta() if given else None


def query_from(request: pb.SearchMemoriesRequest, strategy: Strategy, sight: Sight) -> Query:
    given = request.HasField("valid_at")
    at = moment(request.valid_at, "valid_at") if given else utc_now()
    return Query(
        request.query,
        View(
            scope_from(request.scope),
            at,
            tuple(LAYERS[each] for each in request.layers),
            rows_from(request.filter),
            sight,
        ),
        request.limit or 10,
        request.min_score or None,
        strategy,
        request.min_relevance,
    )


def budget_from(request: pb.SearchMemoriesRequest) -> Budget:
    if not request.HasField("time_limit"):
        return Budget()
    return Budget(time=request.time_limit.ToTimedelta())


def answer_to(
    results: Results, used: Used | None, aging: Aging, *, explain: bool
) -> pb.SearchMemoriesResponse:
    return pb.SearchMemoriesResponse(
        results=[_result(each, aging, explain=explain) for each in results.found],
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
        measured_loss=used.loss,
    )


def step_to(step: Step) -> pb.ReasoningStep:
    message = pb.ReasoningStep(
        planner=step.hop.planner,
        queries=step.hop.queries,
        new_memories=step.hop.new,
        missing=step.missing,
        best=[f"{COLLECTION}/{each}" for each in step.best],
    )
    message.elapsed.FromTimedelta(step.elapsed)
    return message


def _result(found: Found, aging: Aging, *, explain: bool) -> pb.SearchResult:
    result = pb.SearchResult(
        memory=memory_to(found.memory, aging), score=found.score, relevance=found.relevance
    )
    for each in found.signals() if explain else ():
        result.signals.add(name=each.name, value=each.value, contribution=each.contribution)
    return result


def size(memory: Memory) -> int:
    """Bytes of a memory in an answer, roughly."""
    stored = memory.stored
    return _FRAME + sum(map(len, (*stored.texts, *stored.scope.values())))


def memory_to(memory: Memory, aging: Aging) -> pb.Memory:
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
        effective_importance=aging(stored),
        occurrences=stored.occurrences,
        tier=pb.Tier.Value(f"TIER_{stored.tier.name}"),
        confirm_time=timestamp(stored.confirmed_at),
    )
    message.metadata.update(memory.metadata)
    return message


def created_to(created: Created, aging: Aging) -> pb.Memory:
    message = memory_to(created.memory, aging)
    for each in created.near:
        message.near_duplicates.add(name=_name(each.id), similarity=each.similarity)
    return message


def _name(memory_id: UUID | None) -> str:
    return f"{COLLECTION}/{memory_id}" if memory_id else ""
