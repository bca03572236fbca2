"""How single values of messages are shown."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.common.v1 import scope_pb2
from aeterna.governance.v1 import roles_pb2

Columns = Mapping[str, Callable[[Any], str]]


def enum(kind: Any, value: int) -> str:
    """`LAYER_USER` as `user`: without the enum's own name."""
    name: str = kind.Name(value)
    prefix = kind.Name(0).removesuffix("UNSPECIFIED")
    return name.removeprefix(prefix).lower()


def time(moment: Timestamp) -> str:
    """In UTC, to the second; "" where there is none."""
    return moment.ToDatetime().strftime("%Y-%m-%d %H:%M:%SZ") if moment.seconds else ""


def scope(it: scope_pb2.Scope | roles_pb2.RoleScope) -> str:
    """The ids that it has: `org=acme team=core`."""
    return " ".join(f"{field.name.removesuffix('_id')}={value}" for field, value in it.ListFields())


def of(columns: Columns, part: Callable[[Any], Any]) -> Columns:
    """The same columns for messages that hold the thing."""

    def within(cell: Callable[[Any], str]) -> Callable[[Any], str]:
        return lambda message: cell(part(message))

    return {title: within(cell) for title, cell in columns.items()}
