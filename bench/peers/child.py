"""One side as a process: reads a command of JSON per line, answers each with a line of JSON.

Standard library only, so that it runs in every environment.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol, TextIO

USER = "user-1"
CLIENTS = 64
BATCH = 100


class Side(Protocol):
    """A store of memories; everything belongs to USER."""

    def add(self, text: str) -> object:
        """One memory, durable and searchable when it returns."""

    def add_together(self, texts: Sequence[str]) -> object:
        """The same for each, CLIENTS at a time, as the store does it best."""

    def add_batch(self, texts: Sequence[str]) -> object:
        """At most BATCH memories in the store's own form for many."""

    def search(self, query: str, limit: int) -> list[str]:
        """The texts nearest in meaning, best first."""


def main() -> None:
    """Arguments: the module of the side, and what its `open_side` takes, as JSON."""
    answers = _own_stdout()
    with import_module(sys.argv[1]).open_side(**json.loads(sys.argv[2])) as side:
        _answer(answers, {})
        for line in sys.stdin:
            command = json.loads(line)
            _answer(answers, _COMMANDS[command.pop("do")](side, **command))


def _own_stdout() -> TextIO:
    """The answers' way out; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _answer(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _add(side: Side, texts: Sequence[str]) -> dict[str, Any]:
    return _timed(side.add, texts)


def _add_together(side: Side, texts: Sequence[str]) -> dict[str, Any]:
    return _timed(side.add_together, [texts])


def _add_batches(side: Side, texts: Sequence[str]) -> dict[str, Any]:
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    return _timed(side.add_batch, batches)


def _search(side: Side, queries: Sequence[str], limit: int) -> dict[str, Any]:
    found: list[list[str]] = []
    timed = _timed(lambda query: found.append(side.search(query, limit)), queries)
    return {**timed, "found": found}


def _timed(work: Callable[[Any], object], items: Sequence[Any]) -> dict[str, Any]:
    """Calls one after the other: seconds for all, and for each."""
    latencies = []
    begun = time.perf_counter()
    for item in items:
        before = time.perf_counter()
        work(item)
        latencies.append(time.perf_counter() - before)
    return {"seconds": time.perf_counter() - begun, "latencies": latencies}


_COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "add": _add,
    "add_together": _add_together,
    "add_batches": _add_batches,
    "search": _search,
}

if __name__ == "__main__":
    main()
