"""Operations and fields between the contract's messages and libs.ot, both ways. Pure."""

from collections.abc import Mapping

from aeterna.sync.v1.documents_pb2 import DocumentEdit, FieldEdit, TextOperation
from libs.ot import Operation, Part, normal
from libs.ot.clocks import Time, Written
from libs.ot.shared import Edit


def operation_to(operation: Operation) -> TextOperation:
    """The message of an operation."""
    return TextOperation(parts=map(_part_to, operation))


def operation_from(message: TextOperation) -> Operation:
    """The operation of a message."""
    return normal(map(_part_from, message.parts))


def edit_from(message: DocumentEdit) -> Edit:
    """An edit of the text as it was ordered."""
    return Edit(message.version, operation_from(message.operation), message.request_id)


def fields_to(fields: Mapping[str, Written]) -> dict[str, FieldEdit]:
    """The messages of fields."""
    return {name: _field_to(each) for name, each in fields.items()}


def fields_from(messages: Mapping[str, FieldEdit]) -> dict[str, Written]:
    """Fields as somebody wrote them."""
    return {
        name: Written(each.value if each.HasField("value") else None, Time(each.time, each.counter))
        for name, each in messages.items()
    }


def _field_to(written: Written) -> FieldEdit:
    time = written.time
    return FieldEdit(value=written.value, time=time.milliseconds, counter=time.counter)


def _part_to(part: Part) -> TextOperation.Part:
    if isinstance(part, str):
        return TextOperation.Part(insert=part)
    return TextOperation.Part(retain=part) if part > 0 else TextOperation.Part(delete=-part)


def _part_from(part: TextOperation.Part) -> Part:
    match part.WhichOneof("part"):
        case "insert":
            return part.insert
        case "retain":
            return part.retain
        case _:
            return -part.delete
