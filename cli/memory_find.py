"""`aeterna memory search|reason`: finding memories."""

import json
import sys
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from aeterna.memory.v1 import memory_pb2 as pb
from cli.arguments import enum, moment, text_or_input
from cli.command import command
from cli.memory import Filter, Layers, layer_of
from cli.options import ScopeIds
from cli.session import Session
from cli.show import Shown

app = typer.Typer()
_EVEN = 0.5  # chance of an answer below which the contract says to read: not in memory


class Strategy(StrEnum):
    """How to search."""

    SEMANTIC = "semantic"
    LEXICAL = "lexical"
    HYBRID = "hybrid"
    REASONED = "reasoned"


class Policy(StrEnum):
    """How far to look among shortened vectors."""

    FAST = "fast"
    BALANCED = "balanced"
    RANKING = "ranking"
    PRECISE = "precise"
    ADAPTIVE = "adaptive"


Most = Annotated[int, typer.Option(min=1, max=100, help="How many at most.")]


@command(app, "search", example='aeterna memory search "why did the release break?" --limit 3')
async def search(
    session: Session,
    query: Annotated[str, typer.Argument(help="What to look for, in your own words.")],
    scope: ScopeIds,
    layer: Layers = None,
    limit: Most = 10,
    min_score: Annotated[
        float, typer.Option(help="Leave out what scores less in the strategy; 0: nothing.")
    ] = 0.0,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            help="By meaning, by words, by both, or in several hops.", show_default="the tenant's"
        ),
    ] = None,
    policy: Annotated[
        Policy, typer.Option(help="How far to look where the index has shortened vectors.")
    ] = Policy.BALANCED,
    latency_budget: Annotated[
        float,
        typer.Option(min=0, max=60, metavar="SECONDS", help="For adaptive: how long it may take."),
    ] = 0.0,
    valid_at: Annotated[
        str | None,
        typer.Option(help="What was valid then, as 2026-01-31T09:00:00Z.", show_default="now"),
    ] = None,
    filter: Filter = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Tell what each score is made of.")
    ] = False,
) -> Shown:
    """Find the memories that answer a question best."""
    request = pb.SearchMemoriesRequest(
        query=text_or_input(query),
        scope=scope.message(),
        layers=[layer_of(each) for each in layer or ()],
        limit=limit,
        min_score=min_score,
        strategy=pb.SearchStrategy.ValueType(enum(pb.SearchStrategy, strategy or "unspecified")),
        policy=pb.SearchPolicy.ValueType(enum(pb.SearchPolicy, policy)),
        explain=explain,
        filter=filter,
        valid_at=moment(valid_at, "valid_at") if valid_at else None,
    )
    if latency_budget:
        request.latency_budget.FromTimedelta(timedelta(seconds=latency_budget))
    return _results(await session.memory.SearchMemories(request), explain=explain)


@command(app, "reason", example='aeterna memory reason "What has Ann painted, and when?"')
async def reason(
    session: Session,
    question: Annotated[str, typer.Argument(help="What to answer, in your own words.")],
    scope: ScopeIds,
    layer: Layers = None,
    limit: Most = 10,
    filter: Filter = "",
    hops: Annotated[int, typer.Option(min=1, max=5, help="How many rounds at most.")] = 3,
) -> Shown:
    """Find what answers a question over several searches, telling each on standard error."""
    search = pb.SearchMemoriesRequest(
        query=text_or_input(question),
        scope=scope.message(),
        layers=[layer_of(each) for each in layer or ()],
        limit=limit,
        filter=filter,
    )
    request = pb.ReasonMemoriesRequest(search=search, max_hops=hops)
    answer = pb.SearchMemoriesResponse()
    async for event in session.memory.ReasonMemories(request):
        if event.HasField("step"):
            print(_told(event.step), file=sys.stderr)
        else:
            answer = event.answer
    return _results(answer)


def _use(use: pb.VectorUse) -> str:
    policy = pb.SearchPolicy.Name(use.policy).removeprefix("SEARCH_POLICY_").lower()
    return (
        f"policy {policy}: found by {use.searched_dimensions} dimensions, {use.oversampling} for"
        f" each result, scored by {use.scored_dimensions}"
    )


def _results(answer: pb.SearchMemoriesResponse, *, explain: bool = False) -> Shown:
    if answer.missing_signals:
        print(f"note: without {', '.join(answer.missing_signals)} signals", file=sys.stderr)
    if answer.HasField("answerable") and answer.answerable < _EVEN:
        print(f"note: probably not in memory ({answer.answerable:.2f})", file=sys.stderr)
    if answer.partial:
        print("note: time ran out, these are the best so far", file=sys.stderr)
    if explain and answer.HasField("vector_use"):
        print(f"note: {_use(answer.vector_use)}", file=sys.stderr)
    return answer.results


def _told(step: pb.ReasoningStep) -> str:
    asked = "; ".join(json.dumps(each, ensure_ascii=False) for each in step.queries)
    missing = f", missing: {', '.join(step.missing)}" if step.missing else ""
    return f"{step.planner or 'question'}: {asked}: {step.new_memories} new{missing}"
