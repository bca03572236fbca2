"""Settings of the governance service, from the environment: GOVERNANCE_SERVER__ADDRESS etc."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.postgres import CONTROL_ROLE, DatabaseSettings
from libs.service.settings import PlatformSettings, ServerSettings


class Settings(BaseSettings):
    """Everything that the governance service reads from outside."""

    model_config = SettingsConfigDict(
        env_prefix="GOVERNANCE_", env_nested_delimiter="__", frozen=True
    )

    platform: PlatformSettings
    server: ServerSettings = ServerSettings(address="0.0.0.0:50053")
    usage_kept_for: timedelta = timedelta(days=30)  # raw events; hours are kept
    rollup: timedelta = timedelta(seconds=30)  # how often events are added up by the hour
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()  # allowed though not public

    @property
    def control(self) -> DatabaseSettings:
        """The platform's databases, with the role that may create and change tenants."""
        return self.platform.control.model_copy(update={"user": CONTROL_ROLE})
