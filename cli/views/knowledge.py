"""Knowledge."""

from google.protobuf.message import Message

from aeterna.knowledge.v1 import knowledge_pb2
from cli.views.cells import Columns, enum, of, time
from cli.views.common import CHANGED, REVISION

_ITEM: Columns = {
    "NAME": lambda each: each.name,
    "KIND": lambda each: enum(knowledge_pb2.KnowledgeKind, each.kind),
    "STATUS": lambda each: enum(knowledge_pb2.KnowledgeStatus, each.status),
    "V": lambda each: str(each.version),
    "AUTHOR": lambda each: each.author,
    "UPDATED": lambda each: time(each.update_time),
    "TITLE": lambda each: each.title,
}
_SCORE: Columns = {"SCORE": lambda each: f"{each.score:.3f}"}
COLUMNS: dict[type[Message], Columns] = {
    knowledge_pb2.KnowledgeItem: _ITEM,
    knowledge_pb2.SearchResult: {**_SCORE, **of(_ITEM, lambda each: each.knowledge_item)},
    knowledge_pb2.KnowledgeItemRevision: {
        **{title: CHANGED[title] for title in REVISION},
        "STATUS": lambda each: enum(knowledge_pb2.KnowledgeStatus, each.knowledge_item.status),
        "V": lambda each: str(each.knowledge_item.version),
        "TITLE": lambda each: each.knowledge_item.title,
    },
    knowledge_pb2.Relation: {
        "NAME": lambda each: each.name,
        "SOURCE": lambda each: each.source,
        "KIND": lambda each: enum(knowledge_pb2.RelationKind, each.kind),
        "TARGET": lambda each: each.target,
    },
}
