"""What a thief of the stores, the logs or the traces would read: nothing of what was said.

The services run as a process of their own with every store outside of it. All that they left there
is dumped with the stores' own tools and searched, as it is and in the usual encodings.
"""

from __future__ import annotations  # the stubs of gRPC know more classes than the code

import asyncio
import base64
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import redis
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from aeterna.common.v1.scope_pb2 import Scope
from aeterna.governance.v1 import keys_pb2, tenants_pb2
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.sync.v1 import documents_pb2
from libs.auth import LocalIssuer, Role
from libs.clients.stubs import Stubs
from libs.embedded.accounts import account_for
from libs.embedded.binaries import postgres_binaries
from libs.encryption.kms_local import LocalKms
from libs.tenancy import TenantId
from tests.databases import PASSWORD, Database, add_shard
from tests.eventually import eventually
from tests.fakes.embeddings_server import MODEL, Server, embeddings_server
from tests.fakes.qdrant_server import QdrantServer

START_SECONDS, DIMENSIONS = 60, 64
NAMES = ("memory", "knowledge", "governance", "sync")
CANARIES = {
    name: f"zq{name}{random.randrange(10**9):09d}"  # one word, whatever breaks texts into words
    for name in (
        *("content", "metadata", "author", "source", "title", "query", "refused", "update"),
        *("written", "typed", "field"),
    )
}


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the bytes of every span that is exported."""

    received: list[bytes] = field(default_factory=list)
    spans: int = 0

    async def Export(self, request: Any, context: Any) -> Any:
        self.received.append(request.SerializeToString())
        self.spans += sum(
            len(scope.spans) for each in request.resource_spans for scope in each.scope_spans
        )
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    collector, server = Collector(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call]
        collector, server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield collector, f"http://127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def provider() -> AsyncIterator[Server]:
    """Embeds, so that there is something to cache."""
    async with embeddings_server() as server:
        server.vector = lambda text: random.Random(text).choices((-1.0, 1.0), k=DIMENSIONS)
        yield server


@pytest.fixture
def index() -> Iterator[QdrantServer]:
    """Of memories; that of knowledge is in PostgreSQL."""
    server = QdrantServer()
    server.start()
    yield server
    server.stop()


def settings_of(
    database: Database, folder: Path, redis_url: str, traces: str, provider: str, index: str
) -> dict[str, str]:
    platform = {
        "CONTROL__DSN": database.dsn,
        "CONTROL__PASSWORD": PASSWORD,
        "AUTH__LOCAL_ISSUER": str(folder),
        "KMS__KEYRING": str(folder / "keyring.json"),
        "WAKEUPS__TRANSPORT": "redis",
        "WAKEUPS__REDIS_URL": redis_url,
        "TRACING__ENDPOINT": traces,
        "TRACING__SAMPLE_RATIO": "1",
        "LOG_LEVEL": "debug",
    }
    embedding = {
        "PROVIDER": "openai",
        "BASE_URL": provider,
        "MODEL": MODEL,
        "DIMENSIONS": str(DIMENSIONS),
    }
    values = {f"MEMORY_PLATFORM__{name}": value for name, value in platform.items()}
    for service in ("MEMORY", "KNOWLEDGE"):
        values |= {f"{service}_EMBEDDING__{name}": value for name, value in embedding.items()}
    values["SYNC_WEB__ADDRESS"] = "127.0.0.1:0"
    values |= {"MEMORY_INDEX__PROVIDER": "qdrant", "MEMORY_INDEX__URL": index}
    return values | {f"{name.upper()}_SERVER__ADDRESS": "127.0.0.1:0" for name in NAMES}


@asynccontextmanager
async def serving(settings: dict[str, str], log: Path) -> AsyncIterator[Stubs]:
    """The four services in a process of their own, which has ended after the block."""
    command = ("-m", "cli.main", "serve", "all", "--metrics-port", "0", "--log-level", "debug")
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdout=subprocess.PIPE,
            stderr=output,
            env={**os.environ, **settings},
        )
    assert process.stdout
    try:
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode()
        assert "is ready" in line, f"see {log}"
        listed = line.partition("ready: ")[2].split(", ")[: len(NAMES)]
        addresses = dict(each.split() for each in listed)
        yield Stubs({name: grpc.aio.insecure_channel(addresses[name]) for name in NAMES})
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def a_day(stubs: Stubs, issuer: LocalIssuer) -> None:
    """Everything that takes or shows content, some of it refused, and all keys rotated."""

    def auth(tenant: str, role: Role) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {issuer.mint(TenantId(tenant), 'ann', [role])}"),)

    root, ann = auth("platform", Role.PLATFORM_ADMIN), auth("acme", Role.TENANT_ADMIN)
    await stubs.tenants.CreateTenant(
        tenants_pb2.CreateTenantRequest(tenant_id="acme"), metadata=root
    )
    memory = _memory(CANARIES["content"])
    create = pb.CreateMemoryRequest(memory=memory, request_id=str(uuid4()))
    made = await stubs.memory.CreateMemory(create, metadata=ann)
    patch = pb.Memory(name=made.name, content=f"now {CANARIES['update']}")
    await stubs.memory.UpdateMemory(pb.UpdateMemoryRequest(memory=patch), metadata=ann)
    strategies: Any = range(1, 5)
    for strategy in strategies:
        search = pb.SearchMemoriesRequest(
            query=f"who said {CANARIES['query']} or {CANARIES['update']}", strategy=strategy
        )
        found = await stubs.memory.SearchMemories(search, metadata=ann)
        assert found.results
    item = knowledge_pb2.KnowledgeItem(
        kind=knowledge_pb2.KNOWLEDGE_KIND_ADR,
        layer=knowledge_pb2.KNOWLEDGE_LAYER_COMPANY,
        title=CANARIES["title"],
        content=f"We say {CANARIES['content']}.",
    )
    request = knowledge_pb2.CreateKnowledgeItemRequest(knowledge_item=item)
    await stubs.knowledge.CreateKnowledgeItem(request, metadata=ann)
    await _documents(stubs, ann)
    await _refused(stubs, ann)
    await stubs.keys.RotateTenantKey(keys_pb2.RotateTenantKeyRequest(), metadata=ann)
    rotate = keys_pb2.RotateSubjectKeyRequest(subject="ann")
    await stubs.keys.RotateSubjectKey(rotate, metadata=ann)
    await stubs.keys.ReencryptFields(keys_pb2.ReencryptFieldsRequest(), metadata=ann)

    async def idle() -> bool:
        from google.longrunning import operations_pb2

        request = operations_pb2.ListOperationsRequest(name="operations")
        listed = await stubs.governance_operations.ListOperations(request, metadata=ann)
        return all(each.done for each in listed.operations)

    await eventually(idle)
    read = await stubs.memory.GetMemory(pb.GetMemoryRequest(name=made.name), metadata=ann)
    assert CANARIES["update"] in read.content


def _memory(word: str) -> pb.Memory:
    memory = pb.Memory(
        layer=pb.LAYER_USER,
        scope=Scope(user_id="ann"),
        content=f"The word is {word}.",
        author=CANARIES["author"],
        source=CANARIES["source"],
    )
    memory.metadata.update({"note": CANARIES["metadata"]})
    return memory


async def _documents(stubs: Stubs, who: Any) -> None:
    """Written, typed, deleted, brought back, and saved as knowledge."""
    note = documents_pb2.Document(
        kind=documents_pb2.DOCUMENT_KIND_NOTE,
        text=f"We write {CANARIES['written']}.",
        fields={"title": CANARIES["field"]},
    )
    create = documents_pb2.CreateDocumentRequest(document=note)
    made = await stubs.documents.CreateDocument(create, metadata=who)
    for version, part in enumerate(
        (
            documents_pb2.TextOperation.Part(insert=f"{CANARIES['typed']} "),
            documents_pb2.TextOperation.Part(delete=len(CANARIES["typed"])),
        )
    ):
        edit = documents_pb2.EditDocumentRequest(
            name=made.name,
            base_version=version,
            operation=documents_pb2.TextOperation(parts=[part]),
            request_id=str(uuid4()),
        )
        await stubs.documents.EditDocument(edit, metadata=who)
    undo = documents_pb2.UndoDocumentEditRequest(name=made.name)
    await stubs.documents.UndoDocumentEdit(undo, metadata=who)
    save = documents_pb2.SaveDocumentRequest(name=made.name)
    await stubs.documents.SaveDocument(save, metadata=who)


async def _refused(stubs: Stubs, who: Any) -> None:
    """Wrong in many ways, with a canary in each."""
    word = CANARIES["refused"]
    large = documents_pb2.Document(kind=documents_pb2.DOCUMENT_KIND_NOTE, text=word * 70_000)
    typed = documents_pb2.TextOperation.Part(insert=word)
    calls: list[tuple[Any, Any]] = [
        (
            stubs.memory.CreateMemory,
            pb.CreateMemoryRequest(memory=pb.Memory(layer=pb.LAYER_SESSION, content=word)),
        ),
        (stubs.memory.CreateMemory, pb.CreateMemoryRequest(memory=_memory(f"{word} " * 70_000))),
        (stubs.memory.ListMemories, pb.ListMemoriesRequest(filter=f'content = "{word}"')),
        (stubs.memory.GetMemory, pb.GetMemoryRequest(name=f"memories/{word}")),
        (stubs.memory.SearchMemories, pb.SearchMemoriesRequest(query=f"{word} " * 10_000)),
        (stubs.documents.CreateDocument, documents_pb2.CreateDocumentRequest(document=large)),
        (
            stubs.documents.EditDocument,
            documents_pb2.EditDocumentRequest(
                name=f"documents/{uuid4()}", operation=documents_pb2.TextOperation(parts=[typed])
            ),
        ),
    ]
    for call, request in calls:
        with pytest.raises(grpc.aio.AioRpcError):
            await call(request, metadata=who)


def dump_of_postgres(database: Database) -> bytes:
    """All schemas and rows, vectors, terms and the change log among them."""
    program = postgres_binaries(account_for(Path("/"))) / "pg_dump"
    done = subprocess.run(
        [program, "--dbname", database.superuser], capture_output=True, check=True
    )
    return done.stdout


def dump_of_redis(url: str) -> Iterator[bytes]:
    """Every key, and what it holds, whatever its type."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter():
            yield key
            match client.type(key):
                case b"string":
                    yield client.get(key) or b""
                case b"hash":
                    yield from (part for pair in client.hgetall(key).items() for part in pair)
                case b"list":
                    yield from client.lrange(key, 0, -1)
                case b"set":
                    yield from client.smembers(key)
                case b"zset":
                    yield from client.zrange(key, 0, -1)
                case b"stream":
                    yield repr(client.xrange(key)).encode()
                case b"vectorset":
                    yield repr(client.execute_command("VRANDMEMBER", key, 10_000)).encode()
                case b"none":
                    pass  # it expired, or another test took it away
                case other:
                    raise AssertionError(f"unknown type {other!r}")


def forms(word: str) -> Iterator[bytes]:
    """As it is, in UTF-16, in hexadecimal (as bytea is dumped) and, at each offset, in base64."""
    plain = word.encode()
    yield from (plain, word.upper().encode(), word.encode("utf-16-le"), plain.hex().encode())
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + plain)
        yield coded[4 if offset else 0 : -4]


def found_in(haystack: bytes) -> list[str]:
    return [
        name for name, word in CANARIES.items() if any(form in haystack for form in forms(word))
    ]


async def test_dumps_logs_and_traces_hold_no_canary(
    database: Database,
    redis_url: str,
    tmp_path: Path,
    collector: tuple[Collector, str],
    provider: Server,
    index: QdrantServer,
) -> None:
    await add_shard(database)
    issuer = await LocalIssuer.open(tmp_path, LocalKms.open(tmp_path / "keyring.json"))
    traces, log = collector[0], tmp_path / "log"
    addresses = (redis_url, collector[1], provider.url, index.url)
    settings = settings_of(database, tmp_path, *addresses)
    async with serving(settings, log) as stubs:
        await a_day(stubs, issuer)
        cached = list(dump_of_redis(redis_url))  # entries of the cache expire

    dumped, logged = dump_of_postgres(database), log.read_bytes()
    assert b"aeterna.memory" in dumped
    assert b"aeterna.shared_document_edit" in dumped
    assert b"service.started" in logged
    assert any(CANARIES["content"] in text for text in provider.texts)  # what is meant to see it
    assert len(cached) > 2
    assert traces.spans > 20
    assert found_in(dumped) == []
    assert found_in(b"\n".join(cached)) == []
    assert index.dump().count(b"acme") > 1
    assert found_in(index.dump()) == []
    assert found_in(logged) == []
    assert found_in(b"\n".join(traces.received)) == []


@pytest.mark.parametrize("form", range(7))
def test_a_canary_would_be_found(form: int) -> None:
    word = CANARIES["title"]
    hidden = list(forms(word))[form]

    assert found_in(b"before " + hidden + b" after") == ["title"]
