"""Texts are embedded once: by a real provider over HTTP, with a real shard and a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import redis.asyncio
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.testing import capture_logs

from libs import logs
from libs.changes import Origin
from libs.embedding import Purpose, Text, Vectors
from libs.embedding.cache import CachedEmbedder
from libs.embedding.cache.policy import Invalidations
from libs.embedding.cache.redis_store import RedisStore
from libs.embedding.errors import EmbedderUnavailable, EmbeddingRateLimited
from libs.embedding.settings import EmbeddingSettings, open_embedder
from libs.encryption import Keyring
from libs.redis import RedisSettings, open_redis
from libs.tenancy import Route
from libs.usage.prices import PriceTable
from libs.usage.till import Till, Unlimited
from libs.wakeups import Wakeups
from tests.fakes.embeddings_server import DIMENSIONS, MODEL, Server, vector
from tests.fakes.provider_http import Reply
from tests.gate import gate_to

KEY = "sk-open-sesame"
QUESTION = "What's the capital of France?"
REWORDED = "What is the capital of France"
PATIENT = 10.0  # seconds: of a machine that is busy with other tests
NO_REDIS, FREE = RedisSettings(), Unlimited()


class Asker:
    """A tenant with an embedder."""

    def __init__(self, embedder: CachedEmbedder, route: Route) -> None:
        self.embedder, self.route = embedder, route

    async def __call__(
        self, *texts: str, subject: str = "", purpose: Purpose = Purpose.QUERY
    ) -> Vectors:
        about = [Text(text, subject) for text in texts]
        return await self.embedder.embed(self.route, about, purpose)

    def of(self, route: Route) -> "Asker":
        return Asker(self.embedder, route)

    def having(self, **values: Any) -> "Asker":
        return Asker(replace(self.embedder, **values), self.route)


def settings(server: Server, **values: Any) -> EmbeddingSettings:
    given = {
        "provider": "openai",
        "base_url": server.url,
        "api_key": KEY + "\n",  # as secrets read from files often end
        "model": MODEL,
        "dimensions": DIMENSIONS,
    }
    return EmbeddingSettings.model_validate({**given, **values})


@asynccontextmanager
async def open_asker(
    keyring: Keyring,
    route: Route,
    wanted: EmbeddingSettings,
    redis: RedisSettings = NO_REDIS,
    till: Till = FREE,
) -> AsyncIterator[Asker]:
    async with open_embedder(wanted, keyring, redis, till) as embedder:
        assert isinstance(embedder, CachedEmbedder)
        yield Asker(embedder, route)


@pytest.fixture
async def ask(server: Server, keyring: Keyring, route: Route) -> AsyncIterator[Asker]:
    """With whatever kind of rewording is right in 95 % of the cases, and no checks of hits."""
    wanted = settings(server, cache={"error_bound": 0.05})
    async with open_asker(keyring, route, wanted) as asker:
        yield asker.having(chance=lambda: 0.5)


@pytest.fixture
async def stranger(new_route: Callable[[str], Any], keyring: Keyring) -> Route:
    """Another tenant, with keys."""
    route: Route = await new_route("umbrella")
    await keyring.create_tenant_key(route)
    return route


def expected(texts: Sequence[str]) -> Vectors:
    rows = np.array([vector(text) for text in texts])
    scaled: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"aeterna_embedding_{name}", labels) or 0.0


async def test_concurrent_requests_get_what_they_asked_for(server: Server, ask: Asker) -> None:
    texts = ["shared", "shared", "own"]
    answers = await asyncio.gather(*(ask(text) for text in texts))

    np.testing.assert_allclose(np.concatenate(answers), expected(texts), atol=1e-3)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_without_a_key_none_is_sent(server: Server, keyring: Keyring, route: Route) -> None:
    async with open_asker(keyring, route, settings(server, api_key="")) as ask:
        await ask("hello")

    assert "authorization" not in server.requests[0].headers


async def test_a_known_text_keeps_its_place_among_new_ones(server: Server, ask: Asker) -> None:
    await ask("b", "d")
    texts = ["a", "b", "", "c", "b", "d", "a"]
    vectors = await ask(*texts)

    assert not vectors[2].any()
    places = [0, 1, 3, 4, 5, 6]
    np.testing.assert_allclose(
        vectors[places], expected([texts[place] for place in places]), atol=1e-3
    )
    np.testing.assert_allclose(np.linalg.norm(vectors[places], axis=1), 1, atol=1e-6)
    assert server.texts == ["b", "d", "a", "c"]


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [
        ("Where is the spare key?", "where is  the spare key", True),
        ("It\u2019s \ufb01ne", "it's fine!", True),
        ("visas of the US", "visas of the us", False),
        ("a 5 Mb file", "a 5 MB file", False),
        ("rates above 5", "rates above -5", False),
    ],
)
async def test_case_space_and_closing_marks_make_no_difference(
    server: Server, ask: Asker, one: str, other: str, known: bool
) -> None:
    await ask(one)
    await ask(other)

    assert len(server.texts) == (1 if known else 2)


async def test_documents_are_known_by_the_very_same_text_only(server: Server, ask: Asker) -> None:
    for text in ("It is late.", "it is late", "It is late.", REWORDED, QUESTION):
        await ask(text, purpose=Purpose.DOCUMENT)
    await ask("It is late.")

    assert server.texts == ["It is late.", "it is late", REWORDED, QUESTION, "It is late."]


async def test_a_question_is_known_in_other_words(server: Server, ask: Asker) -> None:
    before = metric("cache_hits_total", tier="semantic")
    first = await ask(QUESTION)
    second = await ask(REWORDED)

    assert server.texts == [QUESTION]
    np.testing.assert_allclose(first, second, atol=1e-3)
    assert metric("cache_hits_total", tier="semantic") == before + 1


@pytest.mark.parametrize(
    "other",
    [
        "What is not the capital of France",
        "What's the capital of Niger?",
        "What was the capital of France?",
        "Where is the capital of France?",
    ],
)
async def test_another_question_is_another_one(server: Server, ask: Asker, other: str) -> None:
    await ask(QUESTION)
    await ask(other)

    assert server.texts == [QUESTION, other]


async def test_a_kind_of_rewording_opens_when_checks_show_it_right(
    server: Server, keyring: Keyring, route: Route
) -> None:
    """At 1 % nothing is open as shipped; what is not open is checked by calls made anyway."""
    server.vector = lambda text: [1.0, 2.0, 3.0, 4.0]
    labels = {"grade": "articles", "paid": "no"}
    before = metric("cache_checks_total", **labels), metric("cache_false_total", **labels)
    async with open_asker(keyring, route, settings(server)) as asker:
        ask = asker.having(chance=lambda: 0.5)
        for number in range(40):
            await ask(f"Who owns the service {number}?")
            await ask(f"Who owns service {number}?")
    calls = len(server.texts)
    assert 40 < calls < 80  # it opened on the way
    assert metric("cache_checks_total", **labels) == before[0] + calls - 40
    assert metric("cache_false_total", **labels) == before[1]


async def test_a_kind_of_rewording_closes_when_checks_show_it_wrong(
    server: Server, ask: Asker
) -> None:
    """Each hit is checked here, and the provider finds every two texts different."""
    server.vector = lambda text: [float(len(text)), -1.0, 0.0, 0.0] if "'" in text else [-1.0] * 4
    labels = {"grade": "letters", "paid": "yes"}
    checking = ask.having(chance=lambda: 0.0)
    before = metric("cache_false_total", **labels)
    for number in range(10):
        await checking(f"What's service {number}?")
        await checking(f"What is service {number}?")
    found = metric("cache_false_total", **labels) - before
    assert 1 <= found < 10  # then it was closed

    server.requests.clear()
    await ask("What's the time?")
    await ask("What is the time?")
    assert len(server.texts) == 2


async def test_the_semantic_tier_can_be_switched_off(
    server: Server, keyring: Keyring, route: Route
) -> None:
    off = {"semantic": False, "error_bound": 0.05}
    async with open_asker(keyring, route, settings(server, cache=off)) as ask:
        for text in (QUESTION, REWORDED, QUESTION):
            await ask(text)

    assert server.texts == [QUESTION, REWORDED]


async def test_tenants_models_and_epochs_share_nothing(
    server: Server, keyring: Keyring, route: Route, stranger: Route, redis_url: str
) -> None:
    shared = RedisSettings(redis_url=SecretStr(redis_url))
    async with (
        open_asker(keyring, route, settings(server), shared) as ask,
        open_asker(keyring, route, settings(server, model="other"), shared) as other,
    ):
        for asker in (ask, ask.of(stranger), other, ask.of(replace(route, epoch=2))):
            await asker(QUESTION)

    assert server.texts == [QUESTION] * 4


async def test_a_switched_model_is_never_answered_from_before(
    server: Server, keyring: Keyring, route: Route, redis_url: str
) -> None:
    shared = RedisSettings(redis_url=SecretStr(redis_url))
    async with open_asker(keyring, route, settings(server), shared) as ask:
        await ask(QUESTION)
    server.vector = lambda text: [0.0, 0.0, 0.0, 1.0]
    async with open_asker(keyring, route, settings(server, model="next"), shared) as ask:
        assert (await ask(QUESTION)).tolist() == [[0, 0, 0, 1]]


async def test_processes_share_what_is_in_redis_and_it_tells_no_text(
    server: Server, keyring: Keyring, new_route: Callable[[str], Any], redis_url: str
) -> None:
    shared = RedisSettings(redis_url=SecretStr(redis_url))
    route: Route = await new_route(f"t{uuid4().hex[:12]}")  # other tests share the server
    await keyring.create_tenant_key(route)
    async with (
        open_asker(keyring, route, settings(server), shared) as here,
        open_asker(keyring, route, settings(server), shared) as there,
        redis.asyncio.Redis.from_url(redis_url) as spy,
    ):
        await here.having(store=patient(here))("the vault code is 4711", subject="ann")
        await there.having(store=patient(there))("The vault code is 4711.")
        after = await spy.keys(f"aeterna:embedding:{route.tenant}:*")
        values = [await spy.get(key) for key in after]
        lifetimes = sorted([await spy.ttl(key) for key in after])

    assert len(server.texts) == 1
    assert len(after) == 2
    told = repr([*after, *values])
    assert not any(word in told for word in ("vault", "code", "4711", "ann"))
    assert 3590 <= lifetimes[0] <= 3600
    assert 24 * 3600 - 10 <= lifetimes[1] <= 24 * 3600


def patient(asker: Asker) -> RedisStore:
    store = asker.embedder.store
    assert isinstance(store, RedisStore)
    return RedisStore(store._client, PATIENT)


async def invalidate(ask: Asker, **values: str) -> int:
    return await Invalidations(Wakeups())(ask.route, Origin("root"), **values)


@pytest.mark.parametrize(
    ("of", "again"),
    [
        ({}, ["ann's", "bob's"]),
        ({"subject": "ann"}, ["ann's"]),
        ({"model": MODEL}, ["ann's", "bob's"]),
        ({"model": f"{MODEL}/{DIMENSIONS}"}, ["ann's", "bob's"]),
        ({"model": "another"}, []),
        ({"subject": "ann", "model": MODEL}, ["ann's"]),
        ({"subject": "eve"}, []),
    ],
)
async def test_what_is_invalidated_does_not_count_any_more(
    server: Server, ask: Asker, of: dict[str, str], again: list[str]
) -> None:
    async def both() -> None:
        await ask("ann's", subject="ann")
        await ask("bob's", subject="bob")

    await both()
    assert await invalidate(ask, **of) == 1
    await both()
    assert server.texts == ["ann's", "bob's", *again]

    await both()
    assert len(server.texts) == 2 + len(again)


async def test_what_was_under_way_during_an_invalidation_does_not_count_either(
    server: Server, ask: Asker
) -> None:
    release = asyncio.Event()
    server.hold = release
    slow = asyncio.create_task(ask("ann's", subject="ann"))
    await server.arrived.acquire()
    await invalidate(ask, subject="ann")
    release.set()
    await slow

    await ask("ann's", subject="ann")
    assert server.texts == ["ann's", "ann's"]


async def test_a_reworded_question_of_an_erased_subject_is_asked_anew(
    server: Server, ask: Asker
) -> None:
    await ask(QUESTION, subject="ann")
    await invalidate(ask, subject="ann")
    await ask(REWORDED)

    assert server.texts == [QUESTION, REWORDED]


async def test_a_tenant_has_so_many_entries(server: Server, keyring: Keyring, route: Route) -> None:
    async with open_asker(keyring, route, settings(server, cache={"slots": 4})) as ask:
        texts = [f"number {number}" for number in range(40)]
        await ask(*texts)
        server.requests.clear()
        await ask(*texts)

    assert 36 <= len(server.texts) < 40


async def test_without_redis_everything_is_a_miss_and_nothing_is_late(
    server: Server, keyring: Keyring, route: Route, redis_url: str
) -> None:
    async with gate_to(redis_url) as gate:
        redis = RedisSettings(redis_url=SecretStr(gate.url))
        async with open_redis(redis, PATIENT) as client:
            now = [1000.0]
            store = RedisStore(client, PATIENT, clock=lambda: now[0])
            async with open_asker(keyring, route, settings(server), redis) as asker:
                ask = asker.having(store=store)
                await ask("before the outage")
                await gate.stop()
                with capture_logs() as lines:
                    for _ in range(3):
                        await ask("before the outage")
                assert [each["event"] for each in lines if "cache" in each["event"]] == [
                    "embedding_cache.failed"
                ]
                assert len(server.texts) == 4
                assert metric("cache_connected") == 0

                await gate.start()
                now[0] += 60
                await ask("before the outage")
                assert len(server.texts) == 4
                assert metric("cache_connected") == 1


async def test_a_silent_redis_is_waited_for_once(
    server: Server, keyring: Keyring, route: Route, redis_url: str
) -> None:
    async with gate_to(redis_url) as gate:
        redis = RedisSettings(redis_url=SecretStr(gate.url))
        async with (
            open_redis(redis, PATIENT) as client,
            open_asker(keyring, route, settings(server), redis) as asker,
        ):
            ask = asker.having(store=RedisStore(client, 0.05, clock=lambda: 1000.0))
            gate.freeze()
            with capture_logs() as lines:
                await asyncio.gather(*(ask(f"text {number}") for number in range(10)))
                await ask("text 1")
            gate.thaw()

    assert len(server.texts) == 11
    assert [each["event"] for each in lines].count("embedding_cache.failed") == 1


async def test_garbage_in_redis_is_a_miss(
    server: Server, keyring: Keyring, route: Route, redis_url: str
) -> None:
    shared = RedisSettings(redis_url=SecretStr(redis_url))
    wanted = settings(server, cache={"slots": 1})
    async with (
        open_asker(keyring, route, wanted, shared) as asker,
        redis.asyncio.Redis.from_url(redis_url) as stranger,
    ):
        ask = asker.having(store=patient(asker))
        await ask(QUESTION)
        for garbage in (b"", b"\x01" * 40, b"\xff" * 4096):
            for tier in ("exact", "semantic"):
                await stranger.set(f"aeterna:embedding:acme:{tier}:0", garbage)
            await ask(QUESTION)

    assert server.texts == [QUESTION] * 4


async def test_a_failure_is_told_and_not_kept(server: Server, ask: Asker) -> None:
    server.replies.extend([Reply(503, headers={"Retry-After": "3600"})])
    with pytest.raises(EmbedderUnavailable):
        await ask(QUESTION)

    np.testing.assert_allclose(await ask(QUESTION), expected([QUESTION]), atol=1e-6)


async def test_who_leaves_takes_nobody_along(server: Server, ask: Asker) -> None:
    release = asyncio.Event()
    server.hold = release
    leaver = asyncio.create_task(ask("slow"))
    stayer = asyncio.create_task(ask("slow"))
    await server.arrived.acquire()
    leaver.cancel()
    release.set()

    np.testing.assert_allclose(await stayer, expected(["slow"]), atol=1e-6)
    with pytest.raises(asyncio.CancelledError):
        await leaver


async def test_a_tenant_has_its_share_of_the_provider(
    server: Server, keyring: Keyring, route: Route, stranger: Route
) -> None:
    async with open_asker(keyring, route, settings(server, texts_per_minute=2)) as ask:
        await ask("one", "two", "three")  # may leave the tenant in debt
        with pytest.raises(EmbeddingRateLimited) as refusal:
            await ask("four")
        await ask("one")  # is known
        await ask.of(stranger)("four")

    assert 30 < refusal.value.retry_after.total_seconds() <= 60
    assert server.texts == ["one", "two", "three", "four"]


@contextmanager
def informed() -> Iterator[list[Any]]:
    """The log, with what is only information."""
    logs.configure("info", console=False)
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        logs.configure("warning", console=False)


async def test_every_use_is_told_with_its_price_and_without_its_text(
    server: Server, keyring: Keyring, route: Route
) -> None:
    version = {"version": "v7", "effective": "2020-01-01", "models": {MODEL: {"input": "0.25"}}}
    prices = PriceTable.model_validate({"currency": "EUR", "versions": [version]})
    spent = {"model": MODEL, "currency": "EUR"}
    before = metric("cost_total", **spent)
    async with open_asker(keyring, route, settings(server), till=Unlimited(prices)) as ask:
        with informed() as lines:
            await ask("three words here", "two words")
            await ask("three words here")
            server.counts = False
            await ask("nobody counts", purpose=Purpose.DOCUMENT)

    told = [each for each in lines if each["event"] == "embedding.used"]
    assert [(each["tier"], each["tokens"], each["estimated"]) for each in told] == [
        ("provider", 5, False),
        ("exact", told[1]["tokens"], False),
        ("provider", 4, True),
    ]
    assert Decimal(told[0]["amount"]) == Decimal("0.00000125")
    assert Decimal(told[2]["amount"]) == Decimal("0.000001")
    assert 2 <= told[1]["tokens"] <= 4
    assert Decimal(told[1]["amount"]) == Decimal("0.25") * told[1]["tokens"] / 1_000_000
    assert {each["tenant"] for each in told} == {"acme"}
    assert {each["prices"] for each in told} == {"v7"}
    assert [each["cached"] for each in told] == [False, True, False]
    assert [each["purpose"] for each in told] == ["query", "query", "document"]
    assert "words" not in str(lines)
    assert metric("cost_total", **spent) - before == pytest.approx(0.00000225)
