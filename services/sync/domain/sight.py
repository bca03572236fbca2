"""What a caller must be allowed to read in order to hear of a change. Pure."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from libs.authorization.things import KNOWLEDGE_ITEM, MEMORY, TENANT, Thing
from libs.changes import Operation
from libs.scope import PLACE

# What the log does not say of a thing.
_OF_MEMORIES = frozenset({"session", "agent", "status"})
_OF_ITEMS = frozenset({"status"})


class Change(Protocol):
    """What the log tells of a change."""

    @property
    def resource(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def layer(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def details(self) -> Mapping[str, str]: ...


class Read(NamedTuple):
    """An action that reads, and what it reads."""

    action: str
    thing: Thing


def reading(change: Change, tenant: str, person: str) -> Read:
    """What hearing of a change comes to, for a person: reading the thing that changed."""
    whole = Thing(TENANT, tenant)
    if change.operation == Operation.RECORDED:
        return Read("ListAuditEntries", whole)
    match change.resource.partition("/")[0]:
        case "memories":
            return Read("GetMemory", _memory(change, tenant))
        case "knowledgeItems":
            return Read("GetKnowledgeItem", _item(change, tenant))
        case "documents":
            return Read("GetDocument", _item(change, tenant))
        case "relations":
            return Read("ListRelations", _item(change, tenant, frozenset({"layer"})))
    about_another = change.subject not in ("", person)
    return Read("ListAuditEntries" if about_another else "ListChanges", whole)


def _memory(change: Change, tenant: str) -> Thing:
    place = _place(change)
    unknown = _OF_MEMORIES | (PLACE.keys() - place.keys())
    return Thing(MEMORY, tenant, layer=change.layer, user=change.subject, unknown=unknown, **place)


def _item(change: Change, tenant: str, more: frozenset[str] = frozenset()) -> Thing:
    """Of an item, or of what is where items are."""
    place = _place(change)
    unknown = _OF_ITEMS | more | (PLACE.keys() - place.keys())
    return Thing(KNOWLEDGE_ITEM, tenant, layer=change.layer, unknown=unknown, **place)


def _place(change: Change) -> dict[str, str]:
    """Where it is, as far as the log says: earlier releases did not."""
    return {name: change.details[name] for name in PLACE if name in change.details}
