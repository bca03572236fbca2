"""What all services have: changes and operations."""

from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.message import Message

from aeterna.common.v1 import change_pb2, operation_pb2
from cli.views.cells import Columns, enum, of, time


def operation(change: change_pb2.Change) -> str:
    """What happened, as one word."""
    return enum(change_pb2.Operation, change.operation)


def operation_metadata(message: Any) -> operation_pb2.OperationMetadata:
    """How far a long-running operation is."""
    metadata = operation_pb2.OperationMetadata()
    message.metadata.Unpack(metadata)
    return metadata


_CHANGE: Columns = {
    "NUMBER": lambda each: str(each.number),
    "TIME": lambda each: time(each.commit_time),
    "OPERATION": operation,
    "RESOURCE": lambda each: each.resource,
    "LAYER": lambda each: each.layer,
    "SUBJECT": lambda each: each.subject,
    "ACTOR": lambda each: each.actor,
}
CHANGED = of(_CHANGE, lambda each: each.change)
REVISION = ("NUMBER", "TIME", "OPERATION", "ACTOR")
_OPERATION: Columns = {
    "KIND": lambda each: each.kind,
    "STATE": lambda each: enum(operation_pb2.OperationState, each.state),
    "DONE": lambda each: f"{each.done}/{each.total}",
    "CREATED": lambda each: time(each.create_time),
    "UPDATED": lambda each: time(each.update_time),
    "ACTOR": lambda each: each.actor,
}
COLUMNS: dict[type[Message], Columns] = {
    change_pb2.Change: _CHANGE,
    operations_pb2.Operation: {
        "NAME": lambda each: each.name,
        **of(_OPERATION, operation_metadata),
    },
}
