"""Settings of documents: SYNC_DOCUMENTS__KEPT_FOR and so on."""

from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, Field

from libs.clients import Tls


class KnowledgeSettings(BaseModel, frozen=True):
    """How to reach the knowledge service."""

    address: str  # host:port
    encrypted: bool = False  # plain text unless it is
    ca: Path | None = None  # what signed its certificate; gRPC's built-in roots when null
    certificate: Path | None = None  # the sync service's own, for mutual TLS
    key: Path | None = None
    server_name: str = ""  # what its certificate is for, where that is not the address

    @property
    def tls(self) -> Tls | None:
        """How to encrypt."""
        if not self.encrypted:
            return None
        return Tls(self.ca, self.certificate, self.key, self.server_name)


class DocumentSettings(BaseModel, frozen=True):
    """How much of documents is kept, and where."""

    memory_bytes: int = Field(64 * 2**20, gt=0)  # of documents in use, in one process
    kept_for: timedelta = timedelta(days=30)  # edits that are older are not kept,
    kept_versions: int = Field(10_000, gt=0)  # nor more than so many that are older than a day
    compaction_interval: timedelta = timedelta(minutes=10)  # between looks for such edits
