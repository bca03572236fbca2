"""Which language model a service uses, and opening it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr

from libs.llm import LanguageModel
from libs.llm.guard import GuardedModel, Price
from libs.llm.openai import OpenAIModel
from libs.providers import provider_client


class ModelSettings(BaseModel):
    """Any server that speaks OpenAI's chat completions with structured outputs."""

    model_config = ConfigDict(frozen=True)

    base_url: HttpUrl  # such as https://api.openai.com/v1
    model: str  # such as gpt-4.1-mini
    api_key: SecretStr | None = None
    timeout: timedelta = Field(timedelta(seconds=1.5), gt=timedelta(0))  # for one call
    price_read: Decimal = Decimal(0)  # of a million tokens
    price_written: Decimal = Decimal(0)  # of a million tokens
    currency: str = Field("USD", pattern="^[A-Z]{3}$")


@asynccontextmanager
async def open_model(settings: ModelSettings) -> AsyncIterator[LanguageModel]:
    """The model of these settings, guarded."""
    price = Price(settings.price_read, settings.price_written, settings.currency)
    async with provider_client(str(settings.base_url), settings.api_key) as client:
        yield GuardedModel(OpenAIModel(client, settings.model, settings.timeout), price)
