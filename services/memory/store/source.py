"""What of a memory the vector index is made from."""

from collections.abc import Sequence

from libs.embedding import Embedder
from libs.encryption.keyring import Keyring, Sealed
from libs.encryption.registry import MEMORY_CONTENT
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors.source import EmbeddingSource
from services.memory.domain.memory import Stored
from services.memory.store.rows import MEMORIES


def memory_source(keyring: Keyring, embedder: Embedder) -> EmbeddingSource[Stored]:
    """Embeds the content of memories."""

    async def texts(route: Route, stored: Sequence[Stored]) -> list[str]:
        sealed = [Sealed(MEMORY_CONTENT, each.id, each.content) for each in stored]
        return [content.decode() for content in await keyring.open(route, sealed)]

    return EmbeddingSource(VersionedTable(MEMORIES).get_many, texts, embedder)
