"""Settings of the governance service, from the environment: GOVERNANCE_SERVER__ADDRESS etc."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.postgres import CONTROL_ROLE, DatabaseSettings
from libs.service.settings import PlatformSettings, ServerSettings
from services.governance.keys.settings import KeySettings


class AuditSettings(BaseModel, frozen=True):
    """When trails are signed, and how long their entries are kept at least."""

    checkpoint_entries: int = 1000  # signed when it has grown by so many,
    checkpoint_after: timedelta = timedelta(hours=1)  # or by any so long after the last time
    checkpoint_interval: timedelta = timedelta(minutes=1)  # between looks at all trails
    retention: timedelta = timedelta(days=90)  # archived or not


class ErasureSettings(BaseModel, frozen=True):
    """How erasures are kept to be done again after a restore."""

    kept: timedelta = timedelta(days=90)  # longer than any backup of a shard
    replay_interval: timedelta = timedelta(seconds=10)  # between looks at the shards


class ExportSettings(BaseModel, frozen=True):
    """How the files of exports are kept."""

    kept: timedelta = timedelta(days=7)  # then they are deleted
    interval: timedelta = timedelta(minutes=5)  # between looks for what is over


class Settings(BaseSettings):
    """Everything that the governance service reads from outside."""

    model_config = SettingsConfigDict(
        env_prefix="GOVERNANCE_", env_nested_delimiter="__", frozen=True
    )

    platform: PlatformSettings
    erasure: ErasureSettings = ErasureSettings()
    exports: ExportSettings = ExportSettings()
    server: ServerSettings = ServerSettings(address="0.0.0.0:50053")
    signing_key: Path | None = None  # Ed25519, PEM; null: one of the suite's own
    audit: AuditSettings = AuditSettings()
    anomaly_interval: timedelta = timedelta(seconds=30)  # between looks for ended periods
    usage_kept_for: timedelta = timedelta(days=30)  # raw events; hours are kept
    rollup: timedelta = timedelta(seconds=30)  # how often events are added up by the hour
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()  # allowed though not public
    keys: KeySettings = KeySettings()

    @property
    def control(self) -> DatabaseSettings:
        """The platform's databases, with the role that may create and change tenants."""
        return self.platform.control.model_copy(update={"user": CONTROL_ROLE})
