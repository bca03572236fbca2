"""Which columns hold ciphertext: the one list that sealing, re-encryption and tests go by."""

from typing import NamedTuple


class Field(NamedTuple):
    """A column by its table's name (without schema) and its own."""

    table: str
    column: str


MEMORY_CONTENT = Field("memory", "content")
MEMORY_METADATA = Field("memory", "metadata")
MEMORY_VERSION_CONTENT = Field("memory_version", "content")
MEMORY_VERSION_METADATA = Field("memory_version", "metadata")
KNOWLEDGE_ITEM_TITLE = Field("knowledge_item", "title")
KNOWLEDGE_ITEM_CONTENT = Field("knowledge_item", "content")
KNOWLEDGE_VERSION_TITLE = Field("knowledge_version", "title")
KNOWLEDGE_VERSION_CONTENT = Field("knowledge_version", "content")

ENCRYPTED_FIELDS = frozenset(
    {
        MEMORY_CONTENT,
        MEMORY_METADATA,
        MEMORY_VERSION_CONTENT,
        MEMORY_VERSION_METADATA,
        KNOWLEDGE_ITEM_TITLE,
        KNOWLEDGE_ITEM_CONTENT,
        KNOWLEDGE_VERSION_TITLE,
        KNOWLEDGE_VERSION_CONTENT,
    }
)
