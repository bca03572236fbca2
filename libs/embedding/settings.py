"""Which embedder a service uses, and opening it.

The only module that knows all adapters.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Literal, Self

import httpx
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    NonNegativeInt,
    PositiveInt,
    SecretStr,
    model_validator,
)

from libs.embedding import Direct, TenantEmbedder, Vectors
from libs.embedding.batching import open_batching
from libs.embedding.cache import CachedEmbedder
from libs.embedding.cache.lookup import Rules
from libs.embedding.cache.policy import Policies, RulesOf
from libs.embedding.cache.store import MemoryStore, Store
from libs.embedding.capability import prefixes
from libs.embedding.limits import RateLimiter
from libs.embedding.local import MODEL, LocalEmbedder
from libs.embedding.openai import OpenAIEmbedder
from libs.embedding.usage import LoggedUsage, Meter
from libs.encryption.keyring import Keyring
from libs.providers import provider_client
from libs.redis import RedisSettings
from libs.tenancy import Route
from libs.usage.till import Till

_LOCAL_BAR = 0.8  # 97 % of the labelled Quora pairs that say nearly the same lie above it
_WORDS = 256  # dimensions of the vectors of words, where texts have others


class CacheSettings(BaseModel):
    """Of remote embedders; the local one is faster than any cache."""

    model_config = ConfigDict(frozen=True)

    slots: PositiveInt = 20_000  # entries of one tenant in each tier, at most
    semantic: bool = True  # know questions in other words, where a tenant does not say
    error_bound: float = Field(0.01, ge=0, le=1)  # wrong ones among them, at most; likewise
    cosine_bar: float = Field(0.9, gt=-1, lt=1)  # below it two vectors of the model differ

    @property
    def rules(self) -> Rules:
        """Of a tenant that does not say."""
        return Rules(self.semantic, self.error_bound)


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
    texts_per_minute: NonNegativeInt = 0  # of one tenant, sent by one replica; 0: no limit
    cache: CacheSettings = CacheSettings()

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

    @property
    def worth_comparing(self) -> float:
        """The cosine of two documents below which they do not say nearly the same."""
        return _LOCAL_BAR if self.provider == "local" else self.cache.cosine_bar


_local = functools.cache(LocalEmbedder)  # immutable: services of one process share the model


def local_words(settings: EmbeddingSettings) -> Callable[[Sequence[str]], Vectors]:
    """What gives single words their vectors in this process, whichever the provider is."""
    return _local(settings.dimensions if settings.provider == "local" else _WORDS).words


@asynccontextmanager
async def open_embedder(
    settings: EmbeddingSettings,
    keyring: Keyring,
    redis: RedisSettings,
    till: Till,
    rules_of: RulesOf | None = None,
) -> AsyncIterator[TenantEmbedder]:
    """The embedder of these settings; of remote ones what was asked for before is kept.

    Args:
        redis: Where it is kept, in this process if there is none.
        till: What calls of a remote one are paid with; the local one costs nothing.
        rules_of: How a tenant wants it; as `settings` say when None.
    Raises:
        EmbeddingModelMissing: The provider is local and its model is not installed.
        RedisUrlInvalid, SentinelsInvalid: As they say.
    """
    if settings.provider == "local":
        yield Direct(await asyncio.to_thread(_local, settings.dimensions))
        return
    cache = settings.cache
    meter = Meter(settings.model or "", till, LoggedUsage())
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            provider_client(str(settings.base_url), settings.api_key)
        )
        store = await stack.enter_async_context(_open_store(redis))
        remote = _remote(settings, client)
        yield CachedEmbedder(
            remote=await stack.enter_async_context(open_batching(remote, meter)),
            keyring=keyring,
            store=store,
            policies=Policies(rules_of or _same_for_all(cache)),
            meter=meter,
            limiter=RateLimiter(settings.texts_per_minute),
            slots=cache.slots,
            cosine_bar=cache.cosine_bar,
        )


def _same_for_all(settings: CacheSettings) -> RulesOf:
    async def rules_of(route: Route) -> Rules:
        return settings.rules

    return rules_of


@asynccontextmanager
async def _open_store(redis: RedisSettings) -> AsyncIterator[Store]:
    if not redis.has_redis:
        yield MemoryStore()
        return
    from libs.embedding.cache.redis_store import open_redis_store  # not installed everywhere

    async with open_redis_store(redis) as store:
        yield store


def _remote(settings: EmbeddingSettings, client: httpx.AsyncClient) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        client=client,
        model=settings.model or "",
        dimensions=settings.dimensions,
        prefixes=prefixes(settings.model_name, settings.dimensions, settings.trained),
        shorten=settings.shorten,
        timeout=settings.timeout,
    )
