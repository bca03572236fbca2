"""`aeterna memory search|reason`: finding memories."""

import json
import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson, Parse, ParseError

from aeterna.memory.v1 import memory_pb2 as pb
from cli.arguments import enum, moment, text_or_input
from cli.command import command
from cli.memory import Filter, Layers, layer_of
from cli.options import ScopeIds
from cli.session import Session
from cli.show import Shown
from libs.errors import invalid

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
MinRelevance = Annotated[
    float,
    typer.Option(min=0, max=1, help="Leave out what answers the question less likely; 0: nothing."),
]
TimeLimit = Annotated[
    float,
    typer.Option(
        min=0, max=30, metavar="SECONDS", help="How long several hops may take; 0: the default, 3."
    ),
]


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
    min_relevance: MinRelevance = 0.0,
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
    time_limit: TimeLimit = 0.0,
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
        min_relevance=min_relevance,
        strategy=pb.SearchStrategy.ValueType(enum(pb.SearchStrategy, strategy or "unspecified")),
        policy=pb.SearchPolicy.ValueType(enum(pb.SearchPolicy, policy)),
        explain=explain,
        filter=filter,
        valid_at=moment(valid_at, "valid_at") if valid_at else None,
    )
    if latency_budget:
        request.latency_budget.FromTimedelta(timedelta(seconds=latency_budget))
    if time_limit:
        request.time_limit.FromTimedelta(timedelta(seconds=time_limit))
    return _results(await session.memory.SearchMemories(request), explain=explain)


@command(app, "reason", example='aeterna memory reason "What has Ann painted, and when?"')
async def reason(
    session: Session,
    question: Annotated[str, typer.Argument(help="What to answer, in your own words.")],
    scope: ScopeIds,
    layer: Layers = None,
    limit: Most = 10,
    filter: Filter = "",
    min_relevance: MinRelevance = 0.0,
    time_limit: TimeLimit = 0.0,
    hops: Annotated[int, typer.Option(min=1, max=5, help="How many rounds at most.")] = 3,
    trace: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Keep the searches in this file, for --replay.", show_default=False
        ),
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Ask what was kept there in place of new searches.",
            show_default=False,
        ),
    ] = None,
) -> Shown:
    """Find what answers a question over several searches, telling each on standard error."""
    search = pb.SearchMemoriesRequest(
        query=text_or_input(question),
        scope=scope.message(),
        layers=[layer_of(each) for each in layer or ()],
        limit=limit,
        filter=filter,
        min_relevance=min_relevance,
    )
    if time_limit:
        search.time_limit.FromTimedelta(timedelta(seconds=time_limit))
    request = pb.ReasonMemoriesRequest(
        search=search, max_hops=hops, replay=_kept(replay) if replay else ()
    )
    answer, steps = pb.SearchMemoriesResponse(), []
    async for event in session.memory.ReasonMemories(request):
        if event.HasField("step"):
            steps.append(event.step)
            print(_told(event.step), file=sys.stderr)
        else:
            answer = event.answer
    if trace:
        trace.write_text("".join(MessageToJson(each, indent=None) + "\n" for each in steps))
    return _results(answer)


def _kept(file: Path) -> list[pb.ReasoningStep]:
    """The steps of a trace."""
    try:
        lines = file.read_text().splitlines()
        return [Parse(each, pb.ReasoningStep()) for each in lines]
    except (ParseError, UnicodeDecodeError):
        raise invalid("replay", "must be a file that --trace has written") from None


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
