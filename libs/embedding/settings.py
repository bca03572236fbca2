"""Which embedder a service uses, and opening it.

The only module that knows all adapters.
"""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, PositiveInt, SecretStr, model_validator

from libs.embedding import Embedder
from libs.embedding.batching import open_batching
from libs.embedding.capability import prefixes
from libs.embedding.local import MODEL, LocalEmbedder
from libs.embedding.openai import OpenAIEmbedder


class EmbeddingSettings(BaseModel):
    """`local` works offline; `openai` is any server that speaks OpenAI's embeddings protocol."""

    model_config = ConfigDict(frozen=True)

    provider: Literal["local", "openai"] = "local"
    dimensions: PositiveInt = 256  # of the vectors that are stored and compared
    base_url: HttpUrl | None = None  # such as https://api.openai.com/v1
    api_key: SecretStr | None = None
    model: str | None = None  # such as text-embedding-3-small
    shorten: bool = True  # ask for `dimensions`; false for models that have one size
    trained: tuple[PositiveInt, ...] = ()  # dimensions that the model was trained for, if unknown
    timeout: timedelta = Field(timedelta(seconds=10), gt=timedelta(0))  # for one attempt

    @model_validator(mode="after")
    def _fits_the_provider(self) -> Self:
        if self.provider == "openai" and not (self.base_url and self.model):
            raise ValueError("the provider openai needs base_url and model")
        if self.provider == "local" and self.trained:
            raise ValueError("what the local model was trained for is known")
        prefixes(self.model_name, self.dimensions, self.trained)
        return self

    @property
    def model_name(self) -> str:
        """The model of either provider."""
        return MODEL if self.provider == "local" else self.model or ""


_local = functools.cache(LocalEmbedder)  # immutable: services of one process share the model


@asynccontextmanager
async def open_embedder(settings: EmbeddingSettings) -> AsyncIterator[Embedder]:
    """The embedder of these settings; remote ones share calls between concurrent requests.

    Raises:
        EmbeddingModelMissing: the provider is local and its model is not installed.
    """
    if settings.provider == "local":
        yield await asyncio.to_thread(_local, settings.dimensions)
        return
    async with _client(settings) as client, open_batching(_remote(settings, client)) as embedder:
        yield embedder


def _client(settings: EmbeddingSettings) -> httpx.AsyncClient:
    key = settings.api_key.get_secret_value().strip() if settings.api_key else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # The embedder bounds a whole attempt, which httpx cannot.
    return httpx.AsyncClient(base_url=str(settings.base_url), headers=headers, timeout=None)


def _remote(settings: EmbeddingSettings, client: httpx.AsyncClient) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        client=client,
        model=settings.model or "",
        dimensions=settings.dimensions,
        prefixes=prefixes(settings.model_name, settings.dimensions, settings.trained),
        shorten=settings.shorten,
        timeout=settings.timeout,
    )
