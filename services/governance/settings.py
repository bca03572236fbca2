"""Settings of the governance service, from the environment: GOVERNANCE_SERVER__ADDRESS etc."""

from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.postgres import CONTROL_ROLE, DatabaseSettings
from libs.service.settings import PlatformSettings, ServerSettings
from services.governance.keys.settings import KeySettings


class Settings(BaseSettings):
    """Everything that the governance service reads from outside."""

    model_config = SettingsConfigDict(
        env_prefix="GOVERNANCE_", env_nested_delimiter="__", frozen=True
    )

    platform: PlatformSettings
    server: ServerSettings = ServerSettings(address="0.0.0.0:50053")
    keys: KeySettings = KeySettings()

    @property
    def control(self) -> DatabaseSettings:
        """The platform's databases, with the role that may create and change tenants."""
        return self.platform.control.model_copy(update={"user": CONTROL_ROLE})
