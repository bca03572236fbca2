"""What of a memory the vector index is made from."""

from collections.abc import Sequence

from libs.embedding import TenantEmbedder
from libs.encryption.keyring import Keyring
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors.source import EmbeddingSource
from services.memory.domain.memory import Stored, searchable
from services.memory.opening import opened_texts
from services.memory.store.rows import MEMORIES


def memory_source(keyring: Keyring, embedder: TenantEmbedder) -> EmbeddingSource[Stored]:
    """Embeds author and content of memories."""

    async def texts(route: Route, stored: Sequence[Stored]) -> list[str]:
        return [
            searchable(author, content)
            for content, author in await opened_texts(keyring, route, stored)
        ]

    return EmbeddingSource(
        VersionedTable(MEMORIES).get_many, texts, embedder, lambda each: each.scope
    )
