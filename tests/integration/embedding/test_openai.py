import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import numpy as np
import pytest
import structlog

from libs.embedding import MAX_CHARACTERS, Vectors
from libs.embedding.errors import (
    EmbedderAnswerInvalid,
    EmbedderRefused,
    EmbedderUnavailable,
    TextRefused,
)
from libs.embedding.openai import OpenAIEmbedder
from libs.embedding.settings import EmbeddingSettings
from tests.fakes.embeddings_server import (
    DIMENSIONS,
    MODEL,
    Server,
    embeddings,
    vector,
)
from tests.fakes.provider_http import Reply

KEY = "sk-open-sesame"
SECRET_TEXT = "the vault code is 4711"


@dataclass
class Clock:
    """Remembers the waits instead of waiting."""

    waits: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def embedder(server: Server, clock: Clock) -> AsyncIterator[OpenAIEmbedder]:
    async with httpx.AsyncClient(base_url=server.url) as client:
        yield OpenAIEmbedder(
            client=client, model=MODEL, dimensions=DIMENSIONS, sleep=clock.sleep, batch_limit=3
        )


def expected(texts: list[str]) -> Vectors:
    rows = np.array([vector(text) if text.strip() else [0.0] * DIMENSIONS for text in texts])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths, lengths, 1)).astype(np.float32)


def settings(server: Server) -> EmbeddingSettings:
    return EmbeddingSettings.model_validate(
        {
            "provider": "openai",
            "base_url": server.url,
            "api_key": KEY + "\n",  # as secrets read from files often end
            "model": MODEL,
            "dimensions": DIMENSIONS,
        }
    )


async def test_each_text_gets_its_own_vector_of_length_one(
    server: Server, embedder: OpenAIEmbedder
) -> None:
    texts = ["first", "second one", "Ünïcode 👍", "a fourth, in the second request"]
    vectors = (await embedder.embed(texts)).vectors

    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected(texts), rtol=1e-6)
    assert [request.body["input"] for request in server.requests] == [texts[:3], texts[3:]]


async def test_model_and_dimensions_are_asked_for(server: Server, embedder: OpenAIEmbedder) -> None:
    await embedder.embed(["hello"])
    (request,) = server.requests

    assert request.line == "POST /v1/embeddings HTTP/1.1"
    assert (request.body["model"], request.body["dimensions"]) == (MODEL, DIMENSIONS)
    assert embedder.identity == f"{MODEL}/{DIMENSIONS}"


async def test_a_model_of_one_size_is_not_asked_for_dimensions(
    server: Server, embedder: OpenAIEmbedder
) -> None:
    await replace(embedder, shorten=False).embed(["hello"])

    assert "dimensions" not in server.requests[0].body


async def test_blank_texts_are_not_sent_and_like_nothing(
    server: Server, embedder: OpenAIEmbedder
) -> None:
    texts = ["", "hello", " \n"]

    np.testing.assert_allclose((await embedder.embed(texts)).vectors, expected(texts), rtol=1e-6)
    assert not (await embedder.embed(["", ""])).vectors.any()
    assert [request.body["input"] for request in server.requests] == [["hello"]]


async def test_texts_are_cut_at_the_limit_and_made_encodable(
    server: Server, embedder: OpenAIEmbedder
) -> None:
    await embedder.embed(["a" * (MAX_CHARACTERS + 1), "half \ud800 a pair"])

    assert server.requests[0].body["input"] == ["a" * MAX_CHARACTERS, "half ? a pair"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_a_passing_failure_is_retried(
    server: Server, embedder: OpenAIEmbedder, clock: Clock, status: int
) -> None:
    server.replies.extend([Reply(status), Reply(status)])

    np.testing.assert_allclose((await embedder.embed(["a"])).vectors, expected(["a"]), rtol=1e-6)
    assert len(clock.waits) == 2
    assert clock.waits[0] <= 0.5
    assert clock.waits[1] <= 1.0


async def test_the_server_says_how_long_to_wait(
    server: Server, embedder: OpenAIEmbedder, clock: Clock
) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=15), usegmt=True)
    server.replies.extend(
        Reply(429, headers={"Retry-After": value}) for value in ("7", date, "soon")
    )
    await embedder.embed(["a"])

    seconds, until, unintelligible = clock.waits
    assert seconds == 7
    assert 10 < until <= 15
    assert unintelligible <= 2


async def test_a_server_that_asks_for_a_long_wait_is_unavailable(
    server: Server, embedder: OpenAIEmbedder, clock: Clock
) -> None:
    server.replies.append(Reply(429, headers={"Retry-After": "3600"}))

    with pytest.raises(EmbedderUnavailable, match="HTTP status 429"):
        await embedder.embed(["a"])
    assert clock.waits == []


async def test_attempts_end(server: Server, embedder: OpenAIEmbedder, clock: Clock) -> None:
    server.replies.extend([Reply(503)] * 10)

    with pytest.raises(EmbedderUnavailable, match="HTTP status 503"):
        await embedder.embed(["a"])
    assert len(server.requests) == 4
    assert len(clock.waits) == 3


async def test_a_slow_answer_is_given_up(server: Server, embedder: OpenAIEmbedder) -> None:
    server.replies.extend([Reply(silent=True)] * 4)
    impatient = replace(embedder, timeout=timedelta(milliseconds=50))

    with pytest.raises(EmbedderUnavailable, match="no answer in time"):
        await impatient.embed(["a"])


async def test_cancellation_passes_through(server: Server, embedder: OpenAIEmbedder) -> None:
    server.replies.append(Reply(silent=True))
    asking = asyncio.create_task(embedder.embed(["a"]))
    async with asyncio.timeout(30):
        await server.arrived.acquire()
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(server.requests) == 1


async def test_nobody_listening_is_unavailable(clock: Clock) -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as client:
        nobody = OpenAIEmbedder(client=client, model=MODEL, dimensions=4, sleep=clock.sleep)
        with pytest.raises(EmbedderUnavailable, match="ConnectError"):
            await nobody.embed(["a"])
    assert len(clock.waits) == 3


@pytest.mark.parametrize("status", [302, 401, 403, 404])
async def test_a_wrong_configuration_is_not_retried(
    server: Server, embedder: OpenAIEmbedder, status: int
) -> None:
    server.replies.append(Reply(status))

    with pytest.raises(EmbedderRefused) as caught:
        await embedder.embed(["a"])
    assert caught.value.metadata == {"model": MODEL, "status": str(status)}
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_text_that_is_not_accepted_is_not_retried(
    server: Server, embedder: OpenAIEmbedder, status: int
) -> None:
    server.replies.append(Reply(status))

    with pytest.raises(TextRefused, match=str(status)):
        await embedder.embed(["a"])
    assert len(server.requests) == 1


ROW = [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(body=b"<html>Welcome</html>"), "JSON"),
        (Reply(body=b'{"error": "vault code"}'), "JSON"),
        (Reply(body=b'{"data": [{"index": 0, "embedding": ["x"]}]}'), "JSON"),
        (embeddings([ROW]), "one vector for each"),
        (embeddings([ROW, ROW, ROW]), "one vector for each"),
        (Reply(body=embeddings([ROW, ROW]).body.replace(b": 1,", b": 0,")), "one vector for each"),
        (embeddings([ROW, ROW[:3]]), "4 numbers"),
        (embeddings([ROW, [1, 2, 3, float("nan")]]), "no direction"),
        (embeddings([ROW, [1, 2, 3, float("inf")]]), "no direction"),
        (embeddings([ROW, [0, 0, 0, 0]]), "no direction"),
    ],
)
async def test_an_answer_that_breaks_the_protocol_is_refused(
    server: Server, embedder: OpenAIEmbedder, reply: Reply, problem: str
) -> None:
    server.replies.append(reply)

    with pytest.raises(EmbedderAnswerInvalid, match=problem):
        await embedder.embed(["one", "two"])


async def test_huge_and_tiny_numbers_still_give_a_direction(
    server: Server, embedder: OpenAIEmbedder
) -> None:
    server.replies.append(embeddings([[1e300, 0, 0, 0], [0, -1e-300, 0, 0]]))

    assert (await embedder.embed(["a", "b"])).vectors.tolist() == [[1, 0, 0, 0], [0, -1, 0, 0]]


@pytest.mark.parametrize("status", [400, 401, 503])
async def test_neither_key_nor_text_is_told(server: Server, status: int, clock: Clock) -> None:
    server.replies.extend([Reply(status, body=f"{KEY} {SECRET_TEXT}".encode())] * 4)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
        embedder = OpenAIEmbedder(client=client, model=MODEL, dimensions=4, sleep=clock.sleep)
        with structlog.testing.capture_logs() as logs:
            with pytest.raises((TextRefused, EmbedderRefused, EmbedderUnavailable)) as caught:
                await embedder.embed([SECRET_TEXT])
            told = f"{caught.value!r} {caught.value.metadata} {caught.value.__cause__} {logs}"

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in told + repr(embedder)
    assert SECRET_TEXT not in told
