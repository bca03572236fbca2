"""Runs the sides in turn on one server and compares what they did."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.bare import DIMENSIONS
from bench.corpus import ROOT, Corpus, load_corpus
from bench.measure import Sample, Spread, alternate
from bench.peers import environment
from bench.peers.child import BATCH, CLIENTS
from bench.processes import family, pss_mib
from bench.report import Cell, Report, Row, Section
from bench.stack import Stack, open_stack
from cli.embedded import DATABASE
from libs.embedding.local import LocalEmbedder

TENANT = "acme"
LIMIT = 10
OURS, MEM0, LANGGRAPH = "service", "mem0 (pgvector)", "LangGraph store"
MEM0_DEFAULT = "mem0 (Qdrant folder)"
_GOALS = {MEM0: ">= 5x", LANGGRAPH: ">= 1.5x"}
_STOP_SECONDS = 20
_QUIET = {"MEM0_TELEMETRY": "false", "LANGSMITH_TRACING": "false", "HF_HUB_OFFLINE": "1"}
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Sizes:
    """How much one round does: texts by form of adding, and questions."""

    rounds: int
    adds: Mapping[str, int]
    queries: int


_FULL = Sizes(5, {"add": 200, "add_together": 640, "add_batches": 600}, 100)
_QUICK = Sizes(2, {"add": 10, "add_together": 130, "add_batches": 100}, 10)
_FORMS = {
    "add": "add one by one",
    "add_together": f"add, {CLIENTS} at once",
    "add_batches": f"add in batches of {BATCH}",
}


@dataclass
class Side:
    """A child process with what it uses on servers."""

    process: subprocess.Popen[str]
    log: Path
    database: str = ""
    service: int | None = None  # process
    found: list[list[str]] = field(default_factory=list)  # by its last search

    async def tell(self, **command: Any) -> Any:
        """Sends a command; the answer."""
        return await asyncio.to_thread(self._tell, json.dumps(command))

    def hear(self) -> Any:
        """The next answer."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the side ended:\n{self.log.read_text()[-2000:]}")
        return json.loads(line)

    def _tell(self, command: str) -> Any:
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.hear()


async def run(*, quick: bool) -> Report:
    """Adding in three forms and searching, beside mem0 and LangGraph's store."""
    sizes, corpus = _QUICK if quick else _FULL, load_corpus()
    async with open_stack() as stack:
        await stack.add_tenants([TENANT])
        with _started(stack, await _databases(stack)) as sides:
            rows = await _measure(sides, corpus, sizes)
            memory = [await _memory(stack, name, side) for name, side in sides.items()]
    texts = sum(sizes.adds.values()) * sizes.rounds
    facts = [
        f"Corpus: {corpus.source}; {texts:,} texts of one user at the end; k = {LIMIT};"
        f" {sizes.rounds} rounds; the same embedder inside every side.",
        "x: how many times faster than the peer the service is.",
        f"{CLIENTS} at once: service CreateMemory; mem0 16 threads (one with the Qdrant folder,"
        " which fails with more); LangGraph its self-batching AsyncPostgresStore. Batches: service"
        " BatchCreateMemories; mem0 one call with as many messages; LangGraph PostgresStore.batch.",
        "The peers run inside their client and keep plain text; the service is a process of its"
        " own that also authenticates, seals, logs and chains.",
        await _overlap(sides, corpus, sizes),
    ]
    sections = [Section("Speed", rows), Section("Memory (PSS), MiB", memory)]
    return Report("peers", "Side by side", sections, facts)


async def _databases(stack: Stack) -> dict[str, str]:
    """Empty databases for the peers on the same server: DSN by name."""
    names = ("mem0", "langgraph")
    async with stack.superuser() as superuser:
        for name in names:
            await superuser.execute(f"CREATE DATABASE {name}")
    return {name: stack.dsn(name) for name in names}


@contextmanager
def _started(stack: Stack, dsns: Mapping[str, str]) -> Iterator[dict[str, Side]]:
    theirs, folder = str(environment.python()), stack.folder.parent
    pgvector = {"connection_string": dsns["mem0"], "minconn": 1, "maxconn": 16}
    qdrant = {"path": str(folder / "qdrant"), "on_disk": True}
    with ExitStack() as stop:

        def start(interpreter: str, module: str, **arguments: Any) -> Side:
            return stop.enter_context(_side(folder, interpreter, module, arguments))

        def mem0(provider: str, store: Mapping[str, Any]) -> Side:
            history = str(folder / f"history-{provider}.db")
            return start(theirs, "mem0_side", provider=provider, store=store, history=history)

        address, token = stack.addresses.memory, stack.token(TENANT)
        sides = {
            OURS: start(sys.executable, "aeterna_side", address=address, token=token),
            MEM0: mem0("pgvector", pgvector),
            MEM0_DEFAULT: mem0("qdrant", qdrant),
            LANGGRAPH: start(theirs, "langgraph_side", dsn=dsns["langgraph"]),
        }
        sides[OURS].service, sides[OURS].database = stack.pid, DATABASE
        sides[MEM0].database, sides[LANGGRAPH].database = "mem0", "langgraph"
        yield sides


@contextmanager
def _side(
    folder: Path, interpreter: str, module: str, arguments: Mapping[str, Any]
) -> Iterator[Side]:
    command = [interpreter, "-m", "bench.peers.child", f"bench.peers.{module}"]
    environ = {"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "HOME": str(folder), **_QUIET}
    environ["MEM0_DIR"] = str(folder / "mem0")
    path = folder / f"{module}.log"
    with path.open("a") as log:
        process = subprocess.Popen(
            [*command, json.dumps(arguments)],
            cwd=ROOT,
            env=environ,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        side = Side(process, path)
        side.hear()  # it is ready
        yield side
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


async def _measure(sides: Mapping[str, Side], corpus: Corpus, sizes: Sizes) -> list[Row]:
    rows: list[Row] = []
    skip = 0
    for form, count in sizes.adds.items():
        samples = await alternate(
            {
                name: _adding(side, form, corpus, skip, count) for name, side in sides.items()
            },
            sizes.rounds,
        )  # fmt: skip
        skip += count * sizes.rounds
        rates = {name: [count / each.seconds for each in taken] for name, taken in samples.items()}
        rows.append(_row(_FORMS[form], "adds/s", rates, higher=True))
    queries = corpus.queries(sizes.queries)
    samples = await alternate(
        {name: _searching(side, queries) for name, side in sides.items()}, sizes.rounds
    )
    for share in (0.5, 0.95):
        times = {n: [each.quantile(share) for each in taken] for n, taken in samples.items()}
        rows.append(_row(f"search p{share * 100:.0f}", "ms", times, higher=False))
    return rows


def _adding(side: Side, form: str, corpus: Corpus, skip: int, count: int) -> Callable[[int], Any]:
    async def work(number: int) -> Sample:
        texts = corpus.texts(count, skip=skip + number * count)
        return Sample(**await side.tell(do=form, texts=texts))

    return work


def _searching(side: Side, queries: Sequence[str]) -> Callable[[int], Any]:
    async def work(_: int) -> Sample:
        answer = await side.tell(do="search", queries=queries, limit=LIMIT)
        side.found = answer.pop("found")
        return Sample(**answer)

    return work


def _row(what: str, unit: str, values: Mapping[str, list[float]], *, higher: bool) -> Row:
    ours = values[OURS]
    row: dict[str, Cell] = {"what": what, "unit": unit}
    row |= {name: Spread.of(each) for name, each in values.items()}
    for name, theirs in values.items():
        if name != OURS:
            ratio = Spread.ratio(ours, theirs) if higher else Spread.ratio(theirs, ours)
            goal = f", goal {_GOALS[name]}" if name in _GOALS else ""
            row[f"x {name}{goal}"] = ratio
    return row


async def _memory(stack: Stack, name: str, side: Side) -> Row:
    async with stack.superuser() as superuser:
        backends = [row[0] for row in await superuser.fetch(_BACKENDS, side.database)]
    service = pss_mib([side.service]) if side.service else 0.0
    client = pss_mib(family(side.process.pid))
    postgres = pss_mib(backends)
    return {
        "side": name,
        "client": client,
        "service": service,
        "its PostgreSQL connections": postgres,
        "connections": str(len(backends)),
        "client and service": client + service,
    }


async def _overlap(sides: Mapping[str, Side], corpus: Corpus, sizes: Sizes) -> str:
    """How far each side's last answers are the exact nearest texts."""
    embedder = LocalEmbedder(DIMENSIONS)
    texts = corpus.texts(sum(sizes.adds.values()) * sizes.rounds)
    vectors = await embedder.embed(texts)
    asked = await embedder.embed(corpus.queries(sizes.queries))
    exact = [{texts[place] for place in np.argsort(-row)[:LIMIT]} for row in asked @ vectors.T]
    shares = {
        name: np.mean([len(e & set(f)) / len(e) for e, f in zip(exact, side.found, strict=True)])
        for name, side in sides.items()
    }
    listed = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    return f"Share of the exact {LIMIT} nearest by cosine in the answers: {listed}."
