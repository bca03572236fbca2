"""What a change of the log is called as an event: a word that clients match on. Pure."""

from collections.abc import Mapping
from typing import Protocol

from libs.changes import Operation

OTHER = "ResourceChanged"

_MEMORY = {
    Operation.CREATED: "MemoryAdded",
    Operation.DELETED: "MemoryDeleted",
    Operation.PROMOTED: "MemoryPromoted",
}
_KNOWLEDGE = {
    Operation.CREATED: "KnowledgeAdded",
    Operation.PROPOSED: "KnowledgeProposed",
    Operation.ACCEPTED: "KnowledgeAccepted",
    Operation.REJECTED: "KnowledgeRejected",
    Operation.DEPRECATED: "KnowledgeDeprecated",
    Operation.SUPERSEDED: "KnowledgeSuperseded",
}
_DOCUMENT = {Operation.CREATED: "DocumentCreated", Operation.DELETED: "DocumentDeleted"}
_TENANT = {Operation.SUSPENDED: "TenantSuspended", Operation.RESUMED: "TenantResumed"}
# By collection: the words of operations, and of all others.
_WORDS: Mapping[str, tuple[Mapping[Operation, str], str]] = {
    "memories": (_MEMORY, "MemoryUpdated"),
    "knowledgeItems": (_KNOWLEDGE, "KnowledgeUpdated"),
    "authorizationPolicies": ({}, "PolicyChanged"),
    "constraintPolicies": ({}, "PolicyChanged"),
    "approvalRequests": ({Operation.CREATED: "ApprovalRequested"}, "ApprovalDecided"),
    "anomalies": ({Operation.CREATED: "AnomalyFound"}, OTHER),
    "roleBindings": ({}, "RoleChanged"),
    "consents": ({}, "ConsentChanged"),
    "consentPolicy": ({}, "ConsentChanged"),
    "documents": (_DOCUMENT, "DocumentEdited"),
    "tenants": (_TENANT, OTHER),
}
# What happens to requests for approval without any decision.
_UNDECIDED = frozenset({"approval.pending", "approval.escalated"})
_RECORDED_ALIKE = frozenset({"consents"})  # nothing but records tells of these
_BUDGETS, _ALERTS = "budget.", "alerts"


class Happened(Protocol):
    """What the log tells of a change."""

    @property
    def resource(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def event(self) -> str: ...


def type_of(change: Happened) -> str:
    """The word for a change; ResourceChanged for what has none of its own."""
    collection = change.resource.partition("/")[0]
    if collection == _ALERTS:
        return "BudgetAlert" if change.event.startswith(_BUDGETS) else OTHER
    if collection not in _WORDS:
        return OTHER
    if change.operation == Operation.RECORDED and collection not in _RECORDED_ALIKE:
        return OTHER
    words, otherwise = _WORDS[collection]
    for did, word in words.items():
        if did == change.operation:
            return word
    return OTHER if change.event in _UNDECIDED else otherwise
