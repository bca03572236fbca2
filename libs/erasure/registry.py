"""Every store that there is, and how it treats a person who is erased. A new table is a new line.

A test fails while a table of the database is missing here. What the lines say is what is done: ids
in columns named here are replaced by governance, whatever service owns the table. The negative scan
looks at every table and column all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Treatment(StrEnum):
    """What becomes of the person's data in a store."""

    ERASED = "erased"  # by the service that owns it
    SHREDDED = "crypto-shredded"  # the key is destroyed
    PSEUDONYMISED = "pseudonymised"  # ids are replaced
    NONE = "holds none"


@dataclass(frozen=True, slots=True)
class Store:
    """How one store treats a person.

    Attributes:
        why: Who does it, or why there is nothing to do.
        people: Columns that hold a person's id, or "".
        actors: Columns that hold an actor: `user:ann`, `agent:planner for user:ann`.
        documents: Columns of JSON that may hold either among other texts, "column.key" for those
            that hold it under one key only.
        rows: Columns with a person's id whose rows are deleted with the person.
        lists: Columns that hold a list of ids.
        resources: Columns with names of resources, `users/ann`, that may end in an id.
        sealed: Sealed columns, texts or JSON, which governance opens and rewrites; what they are
            sealed to is in the column `row`.
    """

    treatment: Treatment
    why: str
    people: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    row: str = "id"


def none(why: str) -> Store:
    """Holds nothing of a person."""
    return Store(Treatment.NONE, why)


def erased(by: str) -> Store:
    """Is erased by the service that owns it."""
    return Store(Treatment.ERASED, by)


def names(
    *people: str,
    actors: tuple[str, ...] = (),
    documents: tuple[str, ...] = (),
    rows: tuple[str, ...] = (),
    lists: tuple[str, ...] = (),
    resources: tuple[str, ...] = (),
    sealed: tuple[str, ...] = (),
    row: str = "id",
) -> Store:
    """Names people in these columns: governance replaces them, or deletes rows."""
    why = "rows are deleted by governance" if rows else "they are replaced by governance"
    columns = (people, actors, documents, rows, lists, resources, sealed)
    return Store(Treatment.PSEUDONYMISED, why, *columns, row)


# Columns, and keys of JSON, with words of ours, or with places, which a tenant may call as it calls
# people. They name nobody, unless a table's entry says so.
WORDS = frozenset(
    """
    action capabilities collection currency escalation_roles event kind kinds layer merge method
    metric mode operation origin period reason risk role roles service severity state status
    strategy tier org_id team_id project_id
    """.split()  # noqa: SIM905 - a list of words is read as words
)
_PLACES = names("org_id", "team_id", "project_id")
_VECTORS = erased("with the memory or item that each vector is of; payloads hold its ids")
_OWN = "by the memory service, with vectors and terms"
_DOCUMENT = "texts by the sync service, which forgets their history; ids by governance"
_ITEM = "texts by the knowledge service, ids by governance"

# Tables of a shard: schema aeterna.
TABLES: Mapping[str, Store] = {
    "tenant_state": none("numbers of the tenant"),
    "change": Store(
        Treatment.PSEUDONYMISED,
        "by amendments: signed, so that the chain of hashes stays provable",
        people=("subject",),
        actors=("actor",),
        resources=("resource",),
    ),
    "change_floor": none("numbers and hashes"),
    "request": none("ids, versions and keyed hashes; forgotten after a day"),
    "projection_queue": none("ids of entities"),
    "tenant_key": none("keys of the tenant"),
    "subject_key": Store(Treatment.SHREDDED, "keys of the person are destroyed"),
    "retired_key": Store(Treatment.SHREDDED, "ids of the person's old keys go with the keys"),
    "key_revision": none("counts"),
    **{
        f"vector_{length}": _VECTORS
        for length in (64, 128, 256, 384, 512, 768, 1024, 1536, 3072, "whole")
    },
    "vector_layout": none("lengths of vectors"),
    "document": erased("with the memory that each entry is of; payloads hold its ids"),
    "posting": erased("with the memory: keyed hashes of terms"),
    "lexicon": none("counts"),
    "operation": names(actors=("actor",), documents=("parameters", "progress", "error")),
    "erasure_salt": none("random"),
    "erased_subject": none("salted digests, to refuse what is written about the person"),
    "erasure": none("ids of erasures"),
    "consent_policy": none("names of purposes"),
    "consent": names(rows=("subject",)),
    "consent_event": names(actors=("actor",), rows=("subject",)),
    "export_part": names(rows=("subject",)),
    "memory": erased(_OWN),
    "memory_version": erased(_OWN),
    "memory_settings": none("settings of the tenant"),
    "memory_feedback": names(actors=("person",)),
    "knowledge_item": Store(Treatment.ERASED, _ITEM, people=("author", "proposer")),
    "knowledge_version": Store(Treatment.ERASED, _ITEM, people=("author", "proposer")),
    "knowledge_relation": none("ids of items"),
    "shared_document": Store(Treatment.ERASED, _DOCUMENT, people=("author",)),
    "shared_document_snapshot": erased(_DOCUMENT),
    "shared_document_edit": Store(Treatment.ERASED, _DOCUMENT, people=("person",)),
    "approval_request": names(
        "requester",
        "agent",
        lists=("excluded", "approvers"),
        resources=("target",),
        sealed=("title", "description"),
    ),
    "approval_decision": names("approver", "holder", sealed=("comment",)),
    "approval_counter": none("numbers"),
    "approval_delegation": names(rows=("holder", "delegate")),
    "approval_config": names(documents=("config.approvers",)),
    "constraint_policy": names("author", sealed=("document",)),
    "constraint_policy_version": names("author", sealed=("document",)),
    "drift_report": names(sealed=("report",)),
    "drift_suppression": names("author", sealed=("document",)),
    "alert": none("numbers, codes and names of resources; never people"),
    "traffic": none("counts"),
    "anomaly_detector": none("settings of the tenant"),
    "anomaly_series": none("numbers"),
    "anomaly": none("numbers and codes"),
    "webhook": names(sealed=("url", "secret"), row="row_id"),
    "webhook_delivery": none("ids and codes"),
    "usage_state": none("numbers"),
    "usage_sample": none("hours"),
    "usage_event": _PLACES,
    "usage_hour": _PLACES,
    "budget": _PLACES,
    "budget_state": none("amounts"),
    "budget_spend": none("amounts"),
    "budget_reservation": names(documents=("request",)),
    "authorization_state": none("numbers"),
    "decision": names(documents=("question",), rows=("person",)),
    "role_binding": names(actors=("actor",), rows=("user_id",)),
    "agent": names("id", "owner"),
    "suspended_user": names(actors=("actor",), rows=("user_id",)),
    "authorization_policy": none("ids and versions"),
    "authorization_policy_version": names(actors=("actor",), sealed=("description",)),
}

# Tables of the control database: schema control.
CONTROL: Mapping[str, Store] = {
    "shard": none("places of databases"),
    "tenant": none("the tenant itself"),
    "placement": none("the tenant itself"),
    "request": none("ids and hashes; forgotten after a day"),
    "erasure": Store(
        Treatment.SHREDDED,
        "who it was is sealed under a key of its own, for replays; gone when backups are",
        actors=("actor",),
    ),
    "key_share": Store(Treatment.SHREDDED, "shares of the person's keys are destroyed"),
    "pseudonym": none("sealed, for PSEUDONYMIZE alone, until its key is destroyed"),
    "signing_key": none("keys of the platform"),
    "audit_checkpoint": none("hashes and signatures of the platform"),
}

# What is not a table.
OTHERS: Mapping[str, Store] = {
    "qdrant": _VECTORS,
    "embedding cache": none(
        "vectors under keyed hashes; entries from before the erasure do not count, gone in a day"
    ),
    "keys in memory": none("forgotten at once here, in five seconds in other processes"),
    "wake-ups": none("names of tenants"),
    "presence": none("who is connected; gone with the connection, in half a minute at most"),
    "logs, metrics and traces": none("no ids of people, no texts"),
    "backups": Store(
        Treatment.SHREDDED, "a shard's backup lacks the shares; restored, erasures are done again"
    ),
}
