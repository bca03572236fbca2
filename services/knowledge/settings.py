"""Settings of the knowledge service, from the environment: KNOWLEDGE_SERVER__ADDRESS and so on."""

from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.embedding.settings import EmbeddingSettings
from libs.service.settings import PlatformSettings, ServerSettings
from libs.vectors.settings import IndexSettings


class Settings(BaseSettings):
    """Everything that the knowledge service reads from outside."""

    model_config = SettingsConfigDict(
        env_prefix="KNOWLEDGE_", env_nested_delimiter="__", frozen=True
    )

    platform: PlatformSettings
    server: ServerSettings = ServerSettings(address="0.0.0.0:50052")
    embedding: EmbeddingSettings = EmbeddingSettings()
    index: IndexSettings = IndexSettings()
