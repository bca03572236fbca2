"""Settings of the memory service, from the environment: MEMORY_SERVER__ADDRESS and so on."""

from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.embedding.settings import EmbeddingSettings
from libs.llm.settings import ModelSettings
from libs.service.settings import PlatformSettings, ServerSettings
from libs.vectors.settings import IndexSettings


class Settings(BaseSettings):
    """Everything that the memory service reads from outside."""

    model_config = SettingsConfigDict(env_prefix="MEMORY_", env_nested_delimiter="__", frozen=True)

    platform: PlatformSettings
    server: ServerSettings = ServerSettings(address="0.0.0.0:50051")
    embedding: EmbeddingSettings = EmbeddingSettings()
    index: IndexSettings = IndexSettings()
    planner: ModelSettings | None = None  # plans reasoned searches; by rules when null
