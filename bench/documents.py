"""Edits of documents through gRPC: eight editors in one document, and a hundred in one each; beside
adding a memory with as many clients, in turns."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from random import Random
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import grpc

from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import documents_pb2_grpc as pb_grpc
from bench.client import Client, open_clients
from bench.corpus import Corpus, load_corpus
from bench.measure import Sample, Spread, alternate, drive
from bench.report import Report, Row, Section
from bench.stack import Stack, open_stack

TENANT = "bench"
EDITORS, DOCUMENTS = 8, 100
_CONNECTIONS = 4
_START = "A text that people write together.\n" * 60  # 2 KiB
_WORDS = ("fox ", "river ", "and ", "a ", "bridge\n", "of ", "e", "s", "t")
_GROUPS = re.compile(r'aeterna_write_group_size_(sum|count)\{service="documents"\} (\S+)')
_ONE, _MANY = "one document, 8 editors", "100 documents, 1 editor each"
_FEW, _CROWD = "memories, 8 clients", "memories, 100 clients"


@dataclass
class Editor:
    """Somebody who knows a document as of their own last edit, and types somewhere in it."""

    stub: Any
    token: str
    name: str
    length: int = len(_START)
    version: int = 0
    chance: Random = field(default_factory=Random)

    async def type(self) -> None:
        """One edit, with a request id, as clients send it."""
        parts = [pb.TextOperation.Part(insert=self.chance.choice(_WORDS))]
        if place := self.chance.randint(0, self.length):
            parts.insert(0, pb.TextOperation.Part(retain=place))
        request = pb.EditDocumentRequest(
            name=self.name,
            base_version=self.version,
            operation=pb.TextOperation(parts=parts),
            request_id=str(uuid4()),
        )
        edit = await self.stub.EditDocument(request, metadata=self.metadata)
        self.version = edit.version  # what others typed made the text longer, not shorter

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of calls."""
        return (("authorization", f"Bearer {self.token}"),)


async def run(*, quick: bool) -> Report:
    """Rounds of each in turn."""
    count, rounds = (300, 2) if quick else (2000, 5)
    corpus = load_corpus()
    async with open_stack() as stack:
        await stack.add_tenants([TENANT])
        async with _open(stack) as (one, many, clients):
            sides: dict[str, Callable[[int], Awaitable[Sample]]] = {
                _ONE: partial(_edits, one, count),
                _MANY: partial(_edits, many, count),
                _FEW: partial(_adds, clients, corpus, count, EDITORS),
                _CROWD: partial(_adds, clients, corpus, count, DOCUMENTS),
            }
            for side in sides.values():
                await side(-1)  # warm
            samples = await alternate(sides, rounds)
            group = _group(stack)
            checked = await _converged(one)
    return _report(samples, count, rounds, group, checked)


def _report(
    samples: dict[str, list[Sample]], count: int, rounds: int, group: float, checked: int
) -> Report:
    pairs = {_ONE: _FEW, _MANY: _CROWD, _FEW: _FEW, _CROWD: _CROWD}
    rows = [_row(name, samples[name], samples[peer]) for name, peer in pairs.items()]
    facts = [
        f"{count:,} edits or memories a round, {rounds} rounds in turns, one tenant, closed loops;"
        " each with a request id, sealed, logged, chained, committed with fsync.",
        "An editor knows the text as of the own last edit: in one document an edit is transformed"
        " past those of the seven others.",
        f"Edits a transaction: {group:.1f} on average. Version {checked:,} of the one document was"
        " compared with its edits, replayed.",
        "One process serves all; the machine's cores are shared by it, PostgreSQL and the clients.",
    ]
    summary = {
        f"{short}_{figure}": round(value, 2)
        for short, name in (
            ("one", _ONE),
            ("many", _MANY),
            ("memory8", _FEW),
            ("memory100", _CROWD),
        )
        for figure, value in _figures(samples[name]).items()
    }
    return Report("documents", "Documents", [Section("Writes", rows)], facts, summary)


def _figures(taken: Sequence[Sample]) -> dict[str, float]:
    return {
        "per_second": Spread.of(each.rate for each in taken).median,
        "p50_ms": Spread.of(each.quantile(0.5) for each in taken).median,
        "p99_ms": Spread.of(each.quantile(0.99) for each in taken).median,
    }


def _row(name: str, ours: Sequence[Sample], memories: Sequence[Sample]) -> Row:
    rates, peers = [each.rate for each in ours], [each.rate for each in memories]
    return {
        "what": name,
        "a second": Spread.of(rates),
        "of the rate of memories": Spread.ratio(rates, peers),
        "p50, ms": Spread.of(each.quantile(0.5) for each in ours),
        "p99, ms": Spread.of(each.quantile(0.99) for each in ours),
    }


async def _edits(editors: Sequence[Editor], count: int, number: int) -> Sample:
    idle = list(editors)

    async def work(_: int) -> None:
        editor = idle.pop()
        try:
            await editor.type()
        finally:
            idle.append(editor)

    return await drive(work, range(count), len(editors))


async def _adds(
    clients: Sequence[Client], corpus: Corpus, count: int, at_once: int, number: int
) -> Sample:
    texts = corpus.texts(count, skip=(number + 1) * count)
    work = list(zip(cycle(clients), texts, strict=False))
    return await drive(lambda each: each[0].add(each[1]), work, at_once)


@asynccontextmanager
async def _open(
    stack: Stack,
) -> AsyncIterator[tuple[list[Editor], list[Editor], list[Client]]]:
    token = stack.token(TENANT)
    async with (
        open_clients(stack.addresses.memory, [token], connections=_CONNECTIONS) as clients,
        grpc.aio.insecure_channel(stack.addresses.sync) as channel,
    ):
        stub = pb_grpc.DocumentServiceStub(channel)
        metadata = (("authorization", f"Bearer {token}"),)
        names = []
        for _ in range(DOCUMENTS + 1):
            document = pb.Document(kind=pb.DOCUMENT_KIND_NOTE, text=_START)
            request = pb.CreateDocumentRequest(document=document)
            names.append((await stub.CreateDocument(request, metadata=metadata)).name)
        one = [Editor(stub, token, names[0]) for _ in range(EDITORS)]
        yield one, [Editor(stub, token, name) for name in names[1:]], clients


def _group(stack: Stack) -> float:
    """How many edits shared a transaction, from the service's metrics."""
    with urlopen(f"http://{stack.metrics}/metrics") as page:
        found = dict(_GROUPS.findall(page.read().decode()))
    return float(found["sum"]) / float(found["count"])


async def _converged(editors: Sequence[Editor]) -> int:
    """The version of the document; its text is that of its edits, one after the other."""
    editor, text, version = editors[0], _START, 0
    while True:
        request = pb.ListDocumentEditsRequest(
            name=editor.name, since_version=version, page_size=1000
        )
        page = await editor.stub.ListDocumentEdits(request, metadata=editor.metadata)
        for edit in page.edits:
            text, version = _applied(text, edit.operation), edit.version
        if version == page.version:
            break
    get = pb.GetDocumentRequest(name=editor.name)
    found = await editor.stub.GetDocument(get, metadata=editor.metadata)
    if (found.version, found.text) != (version, text):
        raise RuntimeError("the text is not that of its edits")
    return version


def _applied(text: str, operation: pb.TextOperation) -> str:
    place = sum(part.retain for part in operation.parts)
    typed = "".join(part.insert for part in operation.parts)
    return text[:place] + typed + text[place:]
