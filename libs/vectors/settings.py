"""Which vector index a service uses, and opening it. The only module that knows all adapters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from pydantic import BaseModel, SecretStr

from libs.vectors import VectorIndex
from libs.vectors.pgvector import PgVectorIndex


class IndexSettings(BaseModel, frozen=True):
    """`pgvector` lives in the shard's PostgreSQL; `qdrant` is a Qdrant server."""

    provider: Literal["pgvector", "qdrant"] = "pgvector"
    url: str = ""  # of Qdrant's REST port, for example http://qdrant:6333
    api_key: SecretStr | None = None


@asynccontextmanager
async def open_index(settings: IndexSettings) -> AsyncIterator[VectorIndex]:
    """The index of these settings."""
    if settings.provider == "pgvector":
        yield PgVectorIndex()
        return
    from libs.vectors.qdrant import open_qdrant  # slow to import, and seldom needed

    key = settings.api_key.get_secret_value() if settings.api_key else None
    async with open_qdrant(settings.url, key) as index:
        yield index
