"""Operations on shared texts: one core of ours, and ShareDB's text type under node, on equal ones.

Both transform the same pairs, and go through the same strokes of somebody who writes. That both
come to the same is checked before anything is said of speed.
"""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from statistics import fmean
from time import process_time
from typing import Any

from bench.corpus import ROOT, load_corpus
from bench.measure import Spread
from bench.report import Report, Row, Section
from bench.typist import together, trace
from libs.ot import NOTHING, Operation, apply, compose, normal, transform
from libs.ot.shared import Edit, SharedText

_PEER = Path(__file__).parent / "peers" / "ot"
_STROKES = {"one stroke each": 1, "a second of typing each": 6, "a minute of typing each": 360}
_SEED = 23

Ask = Callable[..., Any]


@dataclass(frozen=True)
class Sizes:
    """How much one round does."""

    rounds: int
    pairs: int
    strokes: int


_FULL, _QUICK = Sizes(7, 20_000, 20_000), Sizes(2, 720, 500)


@dataclass(frozen=True)
class Measured:
    """Work done a second on one core, by round."""

    work: str
    parts: float  # of an operation, on the average
    ours: Sequence[float]
    theirs: Sequence[float]

    def row(self) -> Row:
        return {
            "work": self.work,
            "parts": self.parts,
            "ours, a second": Spread.of(self.ours),
            "peer, a second": Spread.of(self.theirs),
            "ours / peer": Spread.ratio(self.ours, self.theirs),
        }


async def run(*, quick: bool = False) -> Report:
    """`quick`: shows that it runs."""
    sizes = _QUICK if quick else _FULL
    texts = load_corpus().texts(4000)
    with _peer() as ask:
        transforms = [_transforms(ask, texts, sizes, work) for work in _STROKES]
        strokes = _strokes(ask, texts, sizes)
    ours = Spread.of(transforms[0].ours)
    return Report(
        name="ot",
        title="Operations on shared texts",
        sections=[
            Section("Transforms", [each.row() for each in transforms]),
            Section("One person's strokes", [each.row() for each in strokes]),
        ],
        facts=_facts(sizes),
        summary={
            "transforms_per_second": round(ours.median),
            "transforms_per_second_low": round(ours.low),
            "peer_transforms_per_second": round(Spread.of(transforms[0].theirs).median),
            "client_edits_per_second": round(_client_rate(texts, sizes)),
        },
    )


def _transforms(ask: Ask, texts: Sequence[str], sizes: Sizes, work: str) -> Measured:
    strokes = _STROKES[work]
    count = max(sizes.pairs // strokes, 2)
    pairs = list(together(texts, count, strokes, _SEED))
    ask("load", pairs=pairs, trace=[], initial="")
    ours, theirs = [], []
    ask("transform")  # node compiles what runs often
    for _ in range(sizes.rounds):
        begun = process_time()
        results = [transform(one, other, "right") for one, other in pairs]
        ours.append(count / (process_time() - begun))
        answer = ask("transform")
        theirs.append(count / answer["seconds"])
        assert results == [normal(each) for each in answer["results"]]
    return Measured(work, _mean_parts(one for one, _ in pairs), ours, theirs)


def _strokes(ask: Ask, texts: Sequence[str], sizes: Sizes) -> list[Measured]:
    """Applied to a text one after the other, and composed to one operation."""
    made = trace(texts, sizes.strokes, _SEED)
    ask("load", pairs=[], trace=made, initial="")
    ways: dict[str, Callable[[], str]] = {
        "apply": lambda: reduce(apply, made, ""),
        "compose": lambda: apply("", reduce(compose, made, NOTHING)),
    }
    return [_way(ask, name, way, made, sizes.rounds) for name, way in ways.items()]


def _way(
    ask: Ask, name: str, way: Callable[[], str], made: Sequence[Operation], rounds: int
) -> Measured:
    ours, theirs = [], []
    ask(name)
    for _ in range(rounds):
        begun = process_time()
        text = way()
        ours.append(len(made) / (process_time() - begun))
        answer = ask(name)
        theirs.append(len(made) / answer["seconds"])
        assert answer["results"] == [text]
    return Measured(name, _mean_parts(made), ours, theirs)


def _client_rate(texts: Sequence[str], sizes: Sizes) -> float:
    """Edits of others that a client takes in while its own one is on its way and it types on."""
    made = trace(texts, min(sizes.strokes, 5000), _SEED)
    shared = SharedText.opened(0, "").typed(("sent",)).sent("own").typed(("typed",))
    begun = process_time()
    for version, operation in enumerate(made, start=1):
        shared, _ = shared.received(Edit(version, operation))
    return len(made) / (process_time() - begun)


def _mean_parts(operations: Iterable[Operation]) -> float:
    return fmean(len(each) for each in operations)


def _facts(sizes: Sizes) -> list[str]:
    source = load_corpus().source
    return [
        f"Texts: {source}, written letter by letter with typing errors, jumps and pastes. "
        f"Medians (lowest to highest) of {sizes.rounds} rounds in which the sides take turns.",
        "CPU time of one process each: this Python, and ot-text-unicode 4.0.0 (ShareDB's text type "
        "over code points) under node. Both come to the same operations and texts: it is checked.",
        "A transform is one operation put past one other. Parts: of an operation, on the average.",
    ]


@contextmanager
def _peer() -> Iterator[Ask]:
    """Node with the other library; asks it for a task and waits for the answer."""
    subprocess.run([ROOT / "scripts" / "node", _PEER], check=True)
    process = subprocess.Popen(
        ["node", "serve.mjs"], cwd=_PEER, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    questions, answers = process.stdin, process.stdout
    assert questions
    assert answers

    def ask(task: str, **asked: object) -> Any:
        questions.write(json.dumps({"task": task, **asked}) + "\n")
        questions.flush()
        return json.loads(answers.readline())

    with process:
        yield ask
        questions.close()
