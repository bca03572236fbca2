"""Strategies for any message of the contract: hostile values, and bytes that are no message."""

from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

_TEXTS = st.one_of(
    st.text(max_size=50),
    st.sampled_from(
        [
            "",
            "\x00",
            "a\x00b",
            "\ud7ff",
            "%s%n",
            "'; DROP TABLE aeterna.memory; --",
            "../../etc/passwd",
            "memories/00000000-0000-0000-0000-000000000000",
            "memories/" + "f" * 100,
            "knowledgeItems/01980000-0000-7000-8000-000000000000",
            "relations/01980000-0000-7000-8000-000000000000",
            "documents/01980000-0000-7000-8000-000000000000",
            "title",
            "constraintPolicies/01980000-0000-7000-8000-000000000000",
            "approvalRequests/01980000-0000-7000-8000-000000000000",
            "(a*)*$",
            "**/[!a-]{b,c}*",
            "operations/01980000-0000-7000-8000-000000000000",
            "tenants/fuzz",
            "roleBindings/01980000-0000-7000-8000-000000000000",
            "agents/planner",
            "authorizationPolicies/frozen",
            "memory:read",
            "CreateMemory",
            "forbid (principal, action, resource);",
            "tenants/-",
            "01980000-0000-7000-8000-00000000000A",
            "x" * 300,
            "x" * 70_000,
            "🦊" * 5_000,
            "layer = ",
            "((((((((((",
            "é" * 129,
        ]
    ),
)
_FLOATS = st.one_of(st.floats(), st.floats(0, 1))
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: _TEXTS,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=50),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: _FLOATS,
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.TYPE_INT32: st.one_of(st.integers(0, 10), st.integers(-(2**31), 2**31 - 1)),
    FieldDescriptor.TYPE_INT64: st.one_of(st.integers(0, 10), st.integers(-(2**63), 2**63 - 1)),
    FieldDescriptor.TYPE_ENUM: st.one_of(st.integers(0, 8), st.integers(-(2**31), 2**31 - 1)),
}
_DEPTH = 4  # nesting of messages


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = _DEPTH) -> Message:
    """A message with any subset of its fields set to anything that its types allow."""
    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if draw(st.booleans()):
            _fill(draw, message, field, depth)
    return message


def _fill(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    if field.message_type and field.message_type.GetOptions().map_entry:
        _fill_map(draw, message, field, depth)
    elif field.message_type:
        if depth == 0:
            return
        nested = draw(st.lists(messages(field.message_type, depth - 1), min_size=1, max_size=3))
        target = getattr(message, field.name)
        if field.is_repeated:
            target.extend(nested)
        else:
            target.CopyFrom(nested[0])
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_SCALARS[field.type], max_size=8)))
    else:
        setattr(message, field.name, draw(_SCALARS[field.type]))


def _fill_map(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    """Texts to messages, as in a Struct, or to scalars."""
    if depth == 0:
        return
    entry_type, target = field.message_type, getattr(message, field.name)
    assert entry_type
    value = entry_type.fields_by_name["value"]
    if value.message_type is None:
        target.update(draw(st.dictionaries(_TEXTS, _SCALARS[value.type], max_size=3)))
        return
    entries = st.dictionaries(_TEXTS, messages(value.message_type, depth - 1), max_size=3)
    for key, entry in draw(entries).items():
        target[key].CopyFrom(entry)


@st.composite
def garbage(draw: st.DrawFn, descriptor: Descriptor) -> bytes:
    """Random bytes, or a serialized message with some of its bytes changed, cut or repeated."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200))
    data = bytearray(draw(messages(descriptor)).SerializeToString())
    for _ in range(draw(st.integers(1, 5))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) * draw(st.integers(1, 2))
