"""Which columns hold ciphertext: the one list that sealing, re-encryption and tests go by."""

from collections.abc import Mapping
from typing import NamedTuple


class Field(NamedTuple):
    """A column by its table's name (without schema) and its own."""

    table: str
    column: str


MEMORY_CONTENT = Field("memory", "content")
MEMORY_METADATA = Field("memory", "metadata")
MEMORY_AUTHOR = Field("memory", "author")
MEMORY_SOURCE = Field("memory", "source")
KNOWLEDGE_ITEM_TITLE = Field("knowledge_item", "title")
KNOWLEDGE_ITEM_CONTENT = Field("knowledge_item", "content")
EXPORT_PART_DATA = Field("export_part", "data")
CONSTRAINT_POLICY_DOCUMENT = Field("constraint_policy", "document")
APPROVAL_TITLE = Field("approval_request", "title")
APPROVAL_DESCRIPTION = Field("approval_request", "description")
APPROVAL_COMMENT = Field("approval_decision", "comment")
DRIFT_REPORT = Field("drift_report", "report")
DRIFT_SUPPRESSION_DOCUMENT = Field("drift_suppression", "document")
WEBHOOK_URL = Field("webhook", "url")
WEBHOOK_SECRET = Field("webhook", "secret")
AUTHORIZATION_POLICY_DESCRIPTION = Field("authorization_policy_version", "description")
DOCUMENT_FIELDS = Field("shared_document", "fields")
DOCUMENT_SNAPSHOT = Field("shared_document_snapshot", "content")
DOCUMENT_EDIT = Field("shared_document_edit", "content")

ENCRYPTED_FIELDS = frozenset(
    {
        MEMORY_CONTENT,
        MEMORY_METADATA,
        MEMORY_AUTHOR,
        MEMORY_SOURCE,
        KNOWLEDGE_ITEM_TITLE,
        KNOWLEDGE_ITEM_CONTENT,
        EXPORT_PART_DATA,
        CONSTRAINT_POLICY_DOCUMENT,
        APPROVAL_TITLE,
        APPROVAL_DESCRIPTION,
        APPROVAL_COMMENT,
        DRIFT_REPORT,
        DRIFT_SUPPRESSION_DOCUMENT,
        WEBHOOK_URL,
        WEBHOOK_SECRET,
        AUTHORIZATION_POLICY_DESCRIPTION,
        DOCUMENT_FIELDS,
        DOCUMENT_SNAPSHOT,
        DOCUMENT_EDIT,
    }
)

# A version row keeps the sealed bytes of its entity, so it is opened with the entity's field.
VERSIONS: Mapping[str, str] = {
    "memory": "memory_version",
    "knowledge_item": "knowledge_version",
    "constraint_policy": "constraint_policy_version",
}

# What names a row in the authenticated data, where that is not its `id`.
ROW_IDS: Mapping[str, str] = {"webhook": "row_id"}


class SealedTable(NamedTuple):
    """A table of the schema `aeterna`, which column names its rows in the authenticated data, and
    how its sealed columns are opened."""

    name: str
    row_id: str
    fields: tuple[Field, ...]


def sealed_tables() -> list[SealedTable]:
    """Every table that holds sealed values: the current rows before the versions of them."""
    tables: dict[str, list[Field]] = {}
    for field in sorted(ENCRYPTED_FIELDS):
        tables.setdefault(field.table, []).append(field)
    current = [
        SealedTable(name, ROW_IDS.get(name, "id"), tuple(fields)) for name, fields in tables.items()
    ]
    return current + [
        each._replace(name=VERSIONS[each.name]) for each in current if each.name in VERSIONS
    ]
