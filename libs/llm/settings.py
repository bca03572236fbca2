"""Which language model a service uses, and opening it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr

from libs.llm import LanguageModel
from libs.llm.guard import GuardedModel
from libs.llm.openai import LONGEST, OpenAIModel
from libs.providers import provider_client
from libs.usage.till import Till


class ModelSettings(BaseModel):
    """Any server that speaks OpenAI's chat completions with structured outputs."""

    model_config = ConfigDict(frozen=True)

    base_url: HttpUrl  # such as https://api.openai.com/v1
    model: str  # such as gpt-4.1-mini
    api_key: SecretStr | None = None
    timeout: timedelta = Field(timedelta(seconds=1.5), gt=timedelta(0))  # for one call


@asynccontextmanager
async def open_model(settings: ModelSettings, till: Till) -> AsyncIterator[LanguageModel]:
    """The model of these settings, guarded, and paid with `till`."""
    async with provider_client(str(settings.base_url), settings.api_key) as client:
        yield GuardedModel(OpenAIModel(client, settings.model, settings.timeout), till, LONGEST)
