"""Settings of the sync service, from the environment: SYNC_SERVER__ADDRESS and so on."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.service.settings import PlatformSettings, ServerSettings
from services.sync.documents.settings import DocumentSettings, KnowledgeSettings
from services.sync.live.settings import LiveSettings
from services.sync.presence.settings import PresenceSettings
from services.sync.web.settings import WebSettings


class Settings(BaseSettings):
    """Everything that the sync service reads from outside."""

    model_config = SettingsConfigDict(env_prefix="SYNC_", env_nested_delimiter="__", frozen=True)

    platform: PlatformSettings
    server: ServerSettings = ServerSettings(address="0.0.0.0:50054")
    web: WebSettings = WebSettings()
    poll: timedelta = timedelta(seconds=2)  # how late a change is seen whose wake-up was lost
    quiet: timedelta = timedelta(seconds=15)  # after so long without a message: a checkpoint
    subscriptions_per_tenant: int = Field(200, gt=0)  # in one process
    documents: DocumentSettings = DocumentSettings()
    knowledge: KnowledgeSettings | None = None  # documents cannot be saved as knowledge when null
    presence: PresenceSettings = PresenceSettings()
    live: LiveSettings = LiveSettings()
