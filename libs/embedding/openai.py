"""Embeddings from any server that speaks OpenAI's `POST /embeddings`.

The HTTP client comes with the address and the key: this module never sees, and so never logs,
the key. Answers are checked before anything uses them; no error or log holds text of either side.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import numpy as np
import structlog
from pydantic import BaseModel, ValidationError

from libs.embedding import Vectors
from libs.embedding.errors import (
    EmbedderAnswerInvalid,
    EmbedderRefused,
    EmbedderUnavailable,
    TextRefused,
)
from libs.embedding.rules import bounded, unit_rows

_ATTEMPTS = 4
_FIRST_BACKOFF = 0.5  # seconds, doubled by each attempt
_LONGEST_WAIT = 20.0  # seconds; a server that asks for more is unavailable
_TEXT_AT_FAULT = frozenset({400, 413, 422})
_TRY_AGAIN = frozenset({408, 429})

log = structlog.get_logger(__name__)


class _Item(BaseModel):
    index: int
    embedding: list[float]


class _Answer(BaseModel):
    data: list[_Item]


@dataclass(frozen=True)
class _Failure:
    """An attempt worth repeating; `wait` is what the server asked for, in seconds."""

    problem: str
    wait: float = 0.0


@dataclass(frozen=True, kw_only=True)
class OpenAIEmbedder:
    """`Embedder` over HTTP; the client has the base URL and the Authorization header.

    Attributes:
        prefixes: Shorter lengths that the model was trained for.
        shorten: Whether to ask for `dimensions`: servers of models that have one size refuse it.
        batch_limit: Most texts in one request; more are sent one request after another.
        timeout: For one attempt; there are up to four.
    """

    client: httpx.AsyncClient
    model: str
    dimensions: int
    prefixes: tuple[int, ...] = ()
    shorten: bool = True
    batch_limit: int = 64
    timeout: timedelta = timedelta(seconds=10)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def identity(self) -> str:
        """Model and dimensions; the provider keeps a model's weights fixed under one name."""
        return f"{self.model}/{self.dimensions}"

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As the port says; blank texts are not sent."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        places = [place for place, text in enumerate(texts) if text.strip()]
        for start in range(0, len(places), self.batch_limit):
            batch = places[start : start + self.batch_limit]
            answer = await self._send(self._body([bounded(texts[place]) for place in batch]))
            vectors[batch] = self._vectors(answer, len(batch))
        return vectors

    def _body(self, texts: list[str]) -> dict[str, object]:
        body: dict[str, object] = {"model": self.model, "input": texts, "encoding_format": "float"}
        return body | {"dimensions": self.dimensions} if self.shorten else body

    async def _send(self, body: dict[str, object], attempt: int = 1) -> bytes:
        outcome = await self._attempt(body)
        if isinstance(outcome, bytes):
            return outcome
        wait = max(outcome.wait, _backoff(attempt))
        log.warning("embedder.failed", model=self.model, problem=outcome.problem, attempt=attempt)
        if attempt == _ATTEMPTS or wait > _LONGEST_WAIT:
            raise EmbedderUnavailable(self.model, outcome.problem)
        await self.sleep(wait)
        return await self._send(body, attempt + 1)

    async def _attempt(self, body: dict[str, object]) -> bytes | _Failure:
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                response = await self.client.post("embeddings", json=body)
        except TimeoutError:
            return _Failure("no answer in time")
        except httpx.RequestError as error:
            return _Failure(type(error).__name__)
        return self._accepted(response)

    def _accepted(self, response: httpx.Response) -> bytes | _Failure:
        status = response.status_code
        if response.is_success:
            return response.content
        if status in _TRY_AGAIN or response.is_server_error:
            return _Failure(f"HTTP status {status}", _retry_after(response, datetime.now(UTC)))
        if status in _TEXT_AT_FAULT:
            raise TextRefused(self.model, status)
        raise EmbedderRefused(self.model, status)

    def _vectors(self, answer: bytes, count: int) -> Vectors:
        try:
            items = sorted(_Answer.model_validate_json(answer).data, key=lambda item: item.index)
        except ValidationError:  # its message would quote the answer
            raise EmbedderAnswerInvalid(self.model, "not the JSON of the protocol") from None
        if [item.index for item in items] != list(range(count)):
            raise EmbedderAnswerInvalid(self.model, "not one vector for each text")
        if any(len(item.embedding) != self.dimensions for item in items):
            raise EmbedderAnswerInvalid(self.model, f"vectors are not of {self.dimensions} numbers")
        rows = np.array([item.embedding for item in items])
        if not (np.isfinite(rows).all() and rows.any(axis=1).all()):
            raise EmbedderAnswerInvalid(self.model, "a vector has no direction")
        return unit_rows(rows / np.abs(rows).max(axis=1, keepdims=True))  # no square overflows


def _backoff(attempt: int) -> float:
    """Seconds to wait after the failure of attempt n (from 1), spread so that clients disperse."""
    longest = _FIRST_BACKOFF * 2 ** (attempt - 1)
    return random.uniform(longest / 2, longest)


def _retry_after(response: httpx.Response, now: datetime) -> float:
    """Seconds the server asks to wait, 0 if it says nothing intelligible (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return 0.0
