"""Documents that are written together, and who is there."""

from google.protobuf.message import Message

from aeterna.sync.v1 import documents_pb2, live_pb2
from cli.views.cells import Columns, enum, scope, time


def presence_state(presence: live_pb2.Presence) -> str:
    """What somebody does, as one word."""
    return enum(live_pb2.PresenceState, presence.state)


COLUMNS: dict[type[Message], Columns] = {
    documents_pb2.Document: {
        "NAME": lambda each: each.name,
        "KIND": lambda each: enum(documents_pb2.DocumentKind, each.kind),
        "SCOPE": lambda each: scope(each.scope),
        "V": lambda each: str(each.version),
        "SAVED": lambda each: str(each.saved_version or ""),
        "AUTHOR": lambda each: each.author,
        "UPDATED": lambda each: time(each.update_time),
        "TITLE": lambda each: each.fields.get("title", ""),
    },
    documents_pb2.DocumentRevision: {
        "VERSION": lambda each: str(each.version),
        "FROM": lambda each: str(each.base_version),
        "TIME": lambda each: time(each.edit_time),
        "AUTHOR": lambda each: each.author,
        "INSERTED": lambda each: str(each.inserted),
        "DELETED": lambda each: str(each.deleted),
    },
    live_pb2.Presence: {
        "USER": lambda each: each.user,
        "AGENT": lambda each: each.agent,
        "STATE": presence_state,
        "DEVICE": lambda each: each.device,
        "SINCE": lambda each: time(each.join_time),
        "AT": lambda each: str(each.cursor.position) if each.HasField("cursor") else "",
    },
}
