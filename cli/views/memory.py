"""Memories."""

from google.protobuf.message import Message

from aeterna.memory.v1 import memory_pb2
from cli.views.cells import Columns, enum, of, scope, time
from cli.views.common import CHANGED, REVISION


def _layer(memory: memory_pb2.Memory) -> str:
    return enum(memory_pb2.Layer, memory.layer)


def _explained(result: memory_pb2.SearchResult) -> str:
    """The score, with what it is made of, if that was asked for."""
    parts = [f"{each.contribution:+.2f} {each.name}" for each in result.signals]
    return " ".join([f"{result.score:.3f}", *parts])


_MEMORY: Columns = {
    "NAME": lambda each: each.name,
    "LAYER": _layer,
    "TIER": lambda each: enum(memory_pb2.Tier, each.tier),
    "SCOPE": lambda each: scope(each.scope),
    "V": lambda each: str(each.version),
    "UPDATED": lambda each: time(each.update_time),
    "CONTENT": lambda each: each.content,
}
COLUMNS: dict[type[Message], Columns] = {
    memory_pb2.Memory: _MEMORY,
    memory_pb2.SearchResult: {
        "SCORE": _explained,
        **of(_MEMORY, lambda each: each.memory),
    },
    memory_pb2.MemoryRevision: {
        **{title: CHANGED[title] for title in REVISION},
        "V": lambda each: str(each.memory.version) if each.HasField("memory") else "",
        "CONTENT": lambda each: each.memory.content,
    },
}
