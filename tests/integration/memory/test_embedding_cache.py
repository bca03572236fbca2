"""The embedding cache as clients of the memory service meet it, with a provider over HTTP."""

from __future__ import annotations  # enums have their ValueType in the stubs only

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from prometheus_client import REGISTRY
from pydantic import SecretStr

from aeterna.common.v1 import scope_pb2
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2 as pb
from aeterna.memory.v1 import settings_pb2
from aeterna.sync.v1 import sync_pb2
from libs.auth import Role
from libs.wakeups.settings import WakeupSettings
from tests.databases import Database
from tests.errors import fails_with
from tests.eventually import eventually
from tests.fakes.embeddings_server import MODEL, Server, embeddings_server
from tests.fakes.provider_http import Reply
from tests.gate import gate_to
from tests.suite import Metadata, Suite, open_suite

DIMENSIONS = 64
BOUND = "memory_settings.semantic_cache_error_bound"


def scattered(text: str) -> list[float]:
    """A vector of the text's own, far from every other."""
    return random.Random(text).choices((-1.0, 1.0), k=DIMENSIONS)


@pytest.fixture
async def provider() -> AsyncIterator[Server]:
    async with embeddings_server() as server:
        server.vector = scattered
        yield server


@pytest.fixture
def remote(provider: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and knowledge embed with the provider."""
    values = {"PROVIDER": "openai", "BASE_URL": provider.url, "MODEL": MODEL}
    for name, value in {**values, "DIMENSIONS": str(DIMENSIONS)}.items():
        for service in ("MEMORY", "KNOWLEDGE"):
            monkeypatch.setenv(f"{service}_EMBEDDING__{name}", value)


@pytest.fixture
async def suite(remote: None, database: Database, tmp_path: Path) -> AsyncIterator[Suite]:
    async with open_suite(database, tmp_path) as suite:
        yield suite


async def search(suite: Suite, who: Metadata, query: str, user: str = "") -> None:
    request = pb.SearchMemoriesRequest(
        query=query,
        scope=scope_pb2.Scope(user_id=user),
        strategy=pb.SEARCH_STRATEGY_SEMANTIC,
    )
    await suite.memory.SearchMemories(request, metadata=who)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"aeterna_embedding_{name}", labels) or 0.0


async def test_a_repeated_search_does_not_ask_the_provider_again(
    suite: Suite, provider: Server
) -> None:
    acme, umbrella = await suite.create_tenant("acme"), await suite.create_tenant("umbrella")
    hits, misses = metric("cache_hits_total", tier="exact"), metric("cache_misses_total")

    await search(suite, acme, "Who owns the billing service?")
    await search(suite, acme, "who owns  the billing service")
    assert provider.texts == ["Who owns the billing service?"]
    assert metric("cache_hits_total", tier="exact") == hits + 1
    assert metric("cache_misses_total") == misses + 1

    await search(suite, umbrella, "Who owns the billing service?")
    assert len(provider.texts) == 2
    assert metric("cache_misses_total") == misses + 2


async def test_an_administrator_makes_cached_embeddings_unusable(
    suite: Suite, provider: Server
) -> None:
    acme = await suite.create_tenant("acme")
    for user in ("ann", "bob"):
        await search(suite, acme, f"notes of {user}", user)

    request = pb.InvalidateEmbeddingsRequest(user_id="ann")
    answer = await suite.memory.InvalidateEmbeddings(request, metadata=acme)
    for user in ("ann", "bob"):
        await search(suite, acme, f"notes of {user}", user)

    assert provider.texts == ["notes of ann", "notes of bob", "notes of ann"]
    log = await suite.sync.ListChanges(sync_pb2.ListChangesRequest(), metadata=acme)
    change = log.changes[-1]
    assert (change.number, change.resource) == (answer.change_number, "embeddings")
    assert (change.subject, change.actor) == ("ann", "user:ann")


async def test_only_administrators_do(suite: Suite) -> None:
    await suite.create_tenant("acme")
    developer = suite.auth("acme", "dev", (Role.DEVELOPER,))

    with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
        await suite.memory.InvalidateEmbeddings(
            pb.InvalidateEmbeddingsRequest(), metadata=developer
        )


async def test_memory_and_knowledge_obey_the_same_invalidation(
    suite: Suite, provider: Server
) -> None:
    acme = await suite.create_tenant("acme")
    request = knowledge_pb2.SearchKnowledgeItemsRequest(query="how are releases made?")
    for _ in range(2):
        await suite.knowledge.SearchKnowledgeItems(request, metadata=acme)
    assert len(provider.texts) == 1

    await suite.memory.InvalidateEmbeddings(pb.InvalidateEmbeddingsRequest(), metadata=acme)
    await suite.knowledge.SearchKnowledgeItems(request, metadata=acme)
    assert len(provider.texts) == 2


async def test_a_tenant_says_how_questions_are_known_in_other_words(
    suite: Suite, provider: Server
) -> None:
    acme, bolt = await suite.create_tenant("acme"), await suite.create_tenant("bolt")
    await configure(suite, acme, semantic_cache_error_bound=0.5)
    await configure(suite, bolt, semantic_cache_error_bound=0.5, semantic_cache=False)
    hits = metric("cache_hits_total", tier="semantic")

    for tenant in (acme, bolt):
        for number in range(20):
            await search(suite, tenant, f"What's the capital of country {number}?")
            await search(suite, tenant, f"What is the capital of country {number}")

    served = metric("cache_hits_total", tier="semantic") - hits
    assert 10 <= served <= 20  # acme's, but for those that were checked
    assert len(provider.texts) == 80 - served


async def configure(suite: Suite, who: Metadata, **values: Any) -> None:
    settings = settings_pb2.MemorySettings(name="memorySettings", **values)
    request = settings_pb2.UpdateMemorySettingsRequest(memory_settings=settings)
    changed = await suite.memory_settings.UpdateMemorySettings(request, metadata=who)
    for name, value in values.items():
        assert getattr(changed, name) == value


async def test_settings_of_the_cache_are_absent_until_they_are_set(suite: Suite) -> None:
    acme = await suite.create_tenant("acme")
    request = settings_pb2.GetMemorySettingsRequest(name="memorySettings")
    settings = await suite.memory_settings.GetMemorySettings(request, metadata=acme)
    assert not settings.HasField("semantic_cache")

    await configure(suite, acme, semantic_cache=False)
    cleared = settings_pb2.UpdateMemorySettingsRequest(
        memory_settings=settings_pb2.MemorySettings(name="memorySettings")
    )
    cleared.update_mask.paths.append("semantic_cache")
    settings = await suite.memory_settings.UpdateMemorySettings(cleared, metadata=acme)
    assert not settings.HasField("semantic_cache")


@pytest.mark.parametrize("bound", [-0.1, 1.1, float("nan"), float("inf")])
async def test_an_error_bound_is_a_share(suite: Suite, bound: float) -> None:
    acme = await suite.create_tenant("acme")

    with fails_with("INVALID_REQUEST", BOUND, code=grpc.StatusCode.INVALID_ARGUMENT):
        await configure(suite, acme, semantic_cache_error_bound=bound)


async def test_who_asks_too_much_is_told_when_to_come_again(
    remote: None,
    provider: Server,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMORY_EMBEDDING__TEXTS_PER_MINUTE", "1")
    async with open_suite(database, tmp_path) as suite:
        acme = await suite.create_tenant("acme")
        await search(suite, acme, "one")
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await search(suite, acme, "two")
        await search(suite, acme, "one")

    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert 30 < retry_delay(refusal.value) <= 60
    assert provider.texts == ["one"]


def retry_delay(error: grpc.aio.AioRpcError) -> float:
    """Seconds that the caller should wait."""
    status: Any = rpc_status.from_call(error)  # type: ignore[arg-type]
    info = error_details_pb2.RetryInfo()
    (detail,) = [each for each in status.details if each.Is(info.DESCRIPTOR)]
    detail.Unpack(info)
    return float(info.retry_delay.ToTimedelta().total_seconds())


async def test_a_memory_is_kept_and_found_by_words_while_the_provider_is_away(
    suite: Suite, provider: Server
) -> None:
    acme = await suite.create_tenant("acme")
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="Deploys are frozen on Fridays.")
    await suite.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=acme)
    provider.replies.extend([Reply(503, headers={"Retry-After": "3600"})] * 2)

    with fails_with("EMBEDDER_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE):
        await search(suite, acme, "frozen deploys")
    request = pb.SearchMemoriesRequest(query="frozen deploys")
    answer = await suite.memory.SearchMemories(request, metadata=acme)

    assert answer.missing_signals == ["semantic"]
    assert [each.memory.content for each in answer.results] == [memory.content]


@pytest.mark.parametrize("reply", [Reply(401), Reply(200, b"no JSON")])
async def test_hybrid_searches_go_on_by_words_while_the_provider_is_of_no_use(
    suite: Suite, provider: Server, reply: Reply
) -> None:
    acme = await suite.create_tenant("acme")
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="Deploys are frozen on Fridays.")
    await suite.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=acme)
    provider.replies.extend([reply] * 2)

    with pytest.raises(grpc.aio.AioRpcError):
        await search(suite, acme, "frozen deploys")
    request = pb.SearchMemoriesRequest(query="frozen deploys")
    answer = await suite.memory.SearchMemories(request, metadata=acme)

    assert answer.missing_signals == ["semantic"]
    assert [each.memory.content for each in answer.results] == [memory.content]


async def test_who_could_not_look_by_meaning_does_not_say_that_nothing_is_there(
    suite: Suite, provider: Server
) -> None:
    acme = await suite.create_tenant("acme")
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="Postgres was down for an hour.")
    await suite.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=acme)

    for strategy in (pb.SEARCH_STRATEGY_HYBRID, pb.SEARCH_STRATEGY_REASONED):
        provider.replies.append(Reply(503, headers={"Retry-After": "3600"}))
        request = pb.SearchMemoriesRequest(query=f"database outage {strategy}", strategy=strategy)
        answer = await suite.memory.SearchMemories(request, metadata=acme)

        assert answer.missing_signals == ["semantic"]
        assert not answer.results
        assert not answer.HasField("answerable")


async def test_a_provider_that_says_nothing_is_waited_for_as_long_as_the_search_may_take(
    suite: Suite, provider: Server
) -> None:
    acme = await suite.create_tenant("acme")
    memory = pb.Memory(layer=pb.LAYER_COMPANY, content="Deploys are frozen on Fridays.")
    await suite.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=acme)
    provider.replies.extend([Reply(silent=True)] * 8)

    request = pb.SearchMemoriesRequest(query="frozen deploys", strategy=pb.SEARCH_STRATEGY_REASONED)
    request.time_limit.FromTimedelta(timedelta(milliseconds=200))
    answer = await suite.memory.SearchMemories(request, metadata=acme, timeout=9)

    assert answer.partial
    assert answer.missing_signals == ["semantic"]
    assert [each.memory.content for each in answer.results] == [memory.content]


async def test_a_hybrid_search_goes_on_by_words_when_the_provider_says_nothing(
    remote: None,
    provider: Server,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.memory.retrieval._PATIENCE", timedelta(milliseconds=500))
    async with open_suite(database, tmp_path) as suite:
        acme = await suite.create_tenant("acme")
        memory = pb.Memory(layer=pb.LAYER_COMPANY, content="Deploys are frozen on Fridays.")
        await suite.memory.CreateMemory(pb.CreateMemoryRequest(memory=memory), metadata=acme)
        provider.replies.extend([Reply(silent=True)] * 8)

        request = pb.SearchMemoriesRequest(query="frozen deploys")
        answer = await suite.memory.SearchMemories(request, metadata=acme, timeout=9)

    assert answer.missing_signals == ["semantic"]
    assert [each.memory.content for each in answer.results] == [memory.content]


async def test_searches_go_on_while_redis_is_away(
    remote: None, provider: Server, database: Database, tmp_path: Path, redis_url: str
) -> None:
    async with gate_to(redis_url) as gate:
        redis = WakeupSettings(transport="none", redis_url=SecretStr(gate.url))
        async with open_suite(database, tmp_path, redis) as suite:
            acme = await suite.create_tenant("acme")

            async def is_known() -> bool:
                asked = len(provider.texts)
                await search(suite, acme, "Who is on call?")
                return len(provider.texts) == asked

            await eventually(is_known)
            await gate.stop()
            assert not await is_known()
            assert metric("cache_connected") == 0

            await gate.start()
            await eventually(is_known)
            assert metric("cache_connected") == 1
