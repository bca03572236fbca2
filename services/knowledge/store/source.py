"""What of an item the vector index is made from."""

from collections.abc import Sequence

from libs.embedding import TenantEmbedder
from libs.encryption.keyring import Keyring
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors.source import EmbeddingSource
from services.knowledge.domain.item import Stored
from services.knowledge.operations import opened
from services.knowledge.store.rows import ITEMS


def item_source(keyring: Keyring, embedder: TenantEmbedder) -> EmbeddingSource[Stored]:
    """Embeds title and content of items, together."""

    async def texts(route: Route, stored: Sequence[Stored]) -> list[str]:
        items = await opened(keyring, route, stored)
        return [f"{item.title}\n\n{item.content}" for item in items]

    return EmbeddingSource(VersionedTable(ITEMS).get_many, texts, embedder, lambda each: each.scope)
