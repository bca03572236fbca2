"""What a caller must be allowed to read in order to hear of a change. Pure."""

from typing import NamedTuple, Protocol

from libs.authorization.things import KNOWLEDGE_ITEM, MEMORY, TENANT, Thing
from libs.changes import Operation

# The log does not say where in the tenant a thing is, beside its layer.
_MEMORY_UNKNOWN = frozenset({"org", "team", "project", "session", "agent", "status"})
_ITEM_UNKNOWN = frozenset({"org", "team", "project", "status"})


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
            thing = Thing(
                MEMORY, tenant, layer=change.layer, user=change.subject, unknown=_MEMORY_UNKNOWN
            )
            return Read("GetMemory", thing)
        case "knowledgeItems":
            thing = Thing(KNOWLEDGE_ITEM, tenant, layer=change.layer, unknown=_ITEM_UNKNOWN)
            return Read("GetKnowledgeItem", thing)
        case "documents":
            thing = Thing(KNOWLEDGE_ITEM, tenant, layer=change.layer, unknown=_ITEM_UNKNOWN)
            return Read("GetDocument", thing)
        case "relations":
            unknown = _ITEM_UNKNOWN | {"layer"}
            return Read("ListRelations", Thing(KNOWLEDGE_ITEM, tenant, unknown=unknown))
    about_another = change.subject not in ("", person)
    return Read("ListAuditEntries" if about_another else "ListChanges", whole)
