"""Which turns of long conversations are found for questions, through the RPCs, without any LLM.

Each conversation is a tenant, each turn a memory of its session. The last line that is printed is
one JSON object.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any
from uuid import uuid4

import grpc

from aeterna.common.v1 import scope_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import memory_pb2_grpc as pb_grpc
from bench.client import BATCH
from bench.locomo import CATEGORIES, Conversation, Place, Question, Turn, load, path
from bench.measure import Sample, chunks
from bench.poison import poison
from bench.ranking import Answer, auroc, interval
from bench.report import Report, Row, Section
from bench.stack import Stack, open_stack
from services.memory.retrieval import DEPTH

_USER = "listener"
_USUAL = 10  # of one whose time counts
_MULTI_HOP, _ADVERSARIAL = 1, 5
_STRATEGIES = {
    "dense": pb.SEARCH_STRATEGY_SEMANTIC,
    "lexical": pb.SEARCH_STRATEGY_LEXICAL,
    "hybrid": pb.SEARCH_STRATEGY_HYBRID,
    "reasoned": pb.SEARCH_STRATEGY_REASONED,
}
_NEIGHBOURS = {"session", "next", "before_last", "asked_before", "answers"}
_TIME = {"time_words", "time_asked", "time_at_opening", "month", "year", "day"}
_FORM = {"author", "speaks_of_itself", "has_question", "asks", "names", "name_asked", "place_asked"}
_FUSION = {"semantic", "words"}
# The same results in the order that some of their signals give.
_ABLATION = {
    "fusion of meaning and words": _FUSION,
    "+ neighbours": _FUSION | _NEIGHBOURS,
    "+ time": _FUSION | _NEIGHBOURS | _TIME,
    "+ author and form": _FUSION | _NEIGHBOURS | _TIME | _FORM,
}
Results = Sequence[pb.SearchResult]


@dataclass(frozen=True)
class Recalled:
    """A conversation in the service, with what its memories are called."""

    conversation: Conversation
    stub: Any
    metadata: tuple[tuple[str, str], ...]
    places: dict[str, Place]

    async def remember(self, turns: Sequence[Turn]) -> None:
        """Stores turns."""
        for part in chunks(turns, BATCH):
            requests = [pb.CreateMemoryRequest(memory=_memory(turn)) for turn in part]
            request = pb.BatchCreateMemoriesRequest(requests=requests, request_id=str(uuid4()))
            answer = await self.stub.BatchCreateMemories(request, metadata=self.metadata)
            for turn, memory in zip(part, answer.memories, strict=True):
                self.places[memory.name] = turn.place

    async def ask(
        self, question: Question, strategy: pb.SearchStrategy.ValueType, limit: int
    ) -> pb.SearchMemoriesResponse:
        """The results; explained where many are asked for."""
        request = pb.SearchMemoriesRequest(
            query=question.text,
            scope=scope_pb2.Scope(user_id=_USER),
            limit=limit,
            strategy=strategy,
            explain=limit == DEPTH,
        )
        answer: pb.SearchMemoriesResponse = await self.stub.SearchMemories(
            request, metadata=self.metadata
        )
        return answer

    def answer(self, question: Question, results: Results) -> Answer:
        """The same as places in the conversation."""
        places = [self.places[result.memory.name] for result in results]
        return Answer(self.conversation.name, question, places)


async def run(*, quick: bool) -> Report:
    """Over the file that LOCOMO names."""
    file = path()
    conversations = load(file)[: 1 if quick else None]
    async with open_stack() as stack:
        await stack.add_tenants([each.name for each in conversations])
        async with _recalled(stack, conversations) as recalled:
            asked = {name: await _ask(recalled, each) for name, each in _STRATEGIES.items()}
            for each in recalled:
                await each.remember(poison(each.conversation))
            asked["hybrid, poisoned"] = await _ask(recalled, pb.SEARCH_STRATEGY_HYBRID)
    return _report(file.name, recalled, asked)


@asynccontextmanager
async def _recalled(
    stack: Stack, conversations: Sequence[Conversation]
) -> AsyncIterator[list[Recalled]]:
    async with grpc.aio.insecure_channel(stack.addresses.memory) as channel:
        stub = pb_grpc.MemoryServiceStub(channel)
        recalled = [
            Recalled(each, stub, (("authorization", f"Bearer {stack.token(each.name)}"),), {})
            for each in conversations
        ]
        for each in recalled:
            await each.remember(each.conversation.turns)
        yield recalled


@dataclass(frozen=True)
class Asked:
    """What came back for every question, and how long each took."""

    results: Sequence[tuple[Recalled, Question, Results]]
    answerable: Sequence[float]  # as the service says of each question
    sample: Sample

    def abstention(self) -> float:
        """How well that tells questions with an answer from adversarial ones, as AUROC."""
        sides: dict[bool, list[float]] = {False: [], True: []}
        for (_, question, _), value in zip(self.results, self.answerable, strict=True):
            sides[question.category == _ADVERSARIAL].append(value)
        return auroc(sides[False], sides[True])

    def answers(self, score: Callable[[pb.SearchResult], float] | None = None) -> list[Answer]:
        """In the order of the service, or of another score."""
        return [
            each.answer(
                question,
                sorted(found, key=lambda one: -score(one)) if score else found,
            )
            for each, question, found in self.results
        ]


async def _ask(recalled: Sequence[Recalled], strategy: pb.SearchStrategy.ValueType) -> Asked:
    results: list[tuple[Recalled, Question, Results]] = []
    latencies, answerable = [], []
    begun = time.perf_counter()
    for each in recalled:
        for question in each.conversation.questions:
            answer = await each.ask(question, strategy, DEPTH)
            asked = time.perf_counter()
            await each.ask(question, strategy, _USUAL)
            latencies.append(time.perf_counter() - asked)
            results.append((each, question, answer.results))
            answerable.append(answer.answerable)
    return Asked(results, answerable, Sample(time.perf_counter() - begun, latencies))


def _report(name: str, recalled: Sequence[Recalled], asked: Mapping[str, Asked]) -> Report:
    turns = {
        each.conversation.name: {
            turn.place: turn for turn in (*each.conversation.turns, *poison(each.conversation))
        }
        for each in recalled
    }
    hybrid = asked["hybrid"]
    rows: dict[str, list[Answer]] = {strategy: each.answers() for strategy, each in asked.items()}
    rows |= {title: hybrid.answers(_by(names)) for title, names in _ABLATION.items()}
    table = [_row(title, answers, turns) for title, answers in rows.items()]
    best = rows["hybrid"]
    summary = {
        "recall_at_1": fmean(each.recall(1) for each in best),
        "recall_at_10": fmean(each.recall(10) for each in best),
        "multi_hop_recall_at_10": fmean(each.recall(10) for each in _of(best, _MULTI_HOP)),
        "all_at_10": fmean(each.whole(10) for each in best),
        "recall_1024_tokens": fmean(each.within_budget(turns[each.conversation]) for each in best),
        "abstention_auroc": hybrid.abstention(),
        "hybrid_p95_ms": hybrid.sample.quantile(0.95),
        "reasoned_p95_ms": asked["reasoned"].sample.quantile(0.95),
    }
    facts = [
        f"Data: {name}; {len(recalled)} conversations,"
        f" {sum(len(each.conversation.turns) for each in recalled):,} turns,"
        f" {len(best):,} questions of all five categories.",
        "Questions with an answer against adversarial ones, by `answerable` of hybrid: AUROC"
        f" {hybrid.abstention():.3f}.",
        "Intervals: 95 %, bootstrap by conversation. `fusion` and what is added to it: the results"
        " of hybrid in the order that these signals give.",
        *_gains(rows),
        "Poisoned: 60 hostile memories more in each conversation (keyword stuffing, orders to who"
        " reads them, echoes of questions) cost"
        f" {100 * (_mean(best) - _mean(rows['hybrid, poisoned'])):.1f} points of recall at 10.",
    ]
    sections = [
        Section("Recall", table),
        Section("By category, recall at 10", _categories(rows)),
        Section(
            f"Latency of {_USUAL} results, one call at a time",
            [_latency(*each) for each in asked.items()],
        ),
    ]
    return Report("retrieval", "Retrieval", sections, facts, summary)


def _row(title: str, answers: Sequence[Answer], turns: Mapping[str, Mapping[Place, Turn]]) -> Row:
    return {
        "strategy": title,
        "R@1": interval(answers, lambda each: each.recall(1)),
        "R@5": interval(answers, lambda each: each.recall(5)),
        "R@10": interval(answers, lambda each: each.recall(10)),
        "all@10": interval(answers, lambda each: each.whole(10)),
        "MRR": interval(answers, Answer.reciprocal),
        "R in 1,024 tokens": interval(
            answers, lambda each: each.within_budget(turns[each.conversation])
        ),
    }


def _categories(rows: Mapping[str, Sequence[Answer]]) -> list[Row]:
    return [
        {
            "strategy": title,
            **{
                name: interval(chosen, lambda each: each.recall(10)) if chosen else "-"
                for category, name in CATEGORIES.items()
                for chosen in [_of(answers, category)]
            },
        }
        for title, answers in rows.items()
    ]


def _latency(title: str, asked: Asked) -> Row:
    return {
        "strategy": title,
        "p50, ms": asked.sample.quantile(0.5),
        "p95, ms": asked.sample.quantile(0.95),
    }


def _of(answers: Sequence[Answer], category: int) -> list[Answer]:
    return [each for each in answers if each.question.category == category]


def _by(names: Set[str]) -> Callable[[pb.SearchResult], float]:
    return lambda result: sum(each.contribution for each in result.signals if each.name in names)


def _gains(rows: Mapping[str, Sequence[Answer]]) -> list[str]:
    """What reasoning adds, relative to single searches."""
    return [
        f"Reasoned over {other}: recall at 10 {_gain(rows['reasoned'], rows[other]):+.1%}, of"
        f" multi-hop questions"
        f" {_gain(_of(rows['reasoned'], _MULTI_HOP), _of(rows[other], _MULTI_HOP)):+.1%}."
        for other in ("dense", "hybrid")
    ]


def _gain(answers: Sequence[Answer], others: Sequence[Answer]) -> float:
    return _mean(answers) / _mean(others) - 1


def _mean(answers: Sequence[Answer]) -> float:
    return fmean(each.recall(10) for each in answers)


def _memory(turn: Turn) -> pb.Memory:
    memory = pb.Memory(
        layer=pb.LAYER_SESSION,
        scope=scope_pb2.Scope(user_id=_USER, session_id=f"session-{turn.place[0]}"),
        content=turn.content,
        author=turn.speaker,
    )
    memory.event_time.FromDatetime(turn.time)
    return memory
