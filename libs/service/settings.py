"""Settings that every deployable has. Read once, at start; the environment is read nowhere else."""

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, NonNegativeFloat, PositiveInt

from libs.auth.settings import AuthSettings
from libs.encryption.settings import KmsSettings
from libs.postgres import DatabaseSettings
from libs.tracing import TracingSettings
from libs.usage.prices import PriceSettings
from libs.wakeups.settings import WakeupSettings


class TlsSettings(BaseModel, frozen=True):
    """PEM files; with `client_ca` callers must present a certificate that it signed (mutual
    TLS)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class ServerSettings(BaseModel, frozen=True):
    """The gRPC server of one service."""

    address: str  # host:port
    metrics_port: int | None = 9090  # Prometheus; none is opened when null
    tls: TlsSettings | None = None  # plain text when null
    health_port: int | None = None  # health alone, in plain text; none is opened when null
    max_message_bytes: int = 4 * 1024 * 1024
    max_connection_age: timedelta = timedelta(minutes=30)  # then clients reconnect, and spread out
    max_connection_age_grace: timedelta = timedelta(seconds=30)  # for calls on such a connection
    keepalive: timedelta = timedelta(seconds=60)  # ping when idle this long
    write_timeout: timedelta = timedelta(seconds=10)  # a stream's client that is slower is cut off
    drain_delay: timedelta = timedelta(0)  # NOT_SERVING, yet serving: callers learn of the end
    shutdown_grace: timedelta = timedelta(seconds=20)  # then for calls under way
    calls_per_second: NonNegativeFloat = 0  # of one tenant, in one process; 0: no limit
    calls_at_once: PositiveInt = 100  # that may come at once, where there is a limit


class PlatformSettings(BaseModel, frozen=True):
    """What the services share: the control database, identity, keys, wake-ups, traces, logs."""

    control: DatabaseSettings
    auth: AuthSettings
    kms: KmsSettings
    wakeups: WakeupSettings = WakeupSettings()
    tracing: TracingSettings = TracingSettings()
    prices: PriceSettings = PriceSettings()
    log_level: str = "info"  # debug, info, warning or error

    @property
    def production(self) -> bool:
        """Whether what is meant for laptops is refused: local keys and the local issuer."""
        return self.auth.production
