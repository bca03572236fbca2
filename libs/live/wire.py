"""Messages of a live connection as WebSocket frames carry them, in both encodings. Pure."""

from functools import cache
from typing import Any

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import DecodeError, Message

from aeterna.sync.v1 import live_pb2 as pb

PROTOBUF, JSON = "aeterna.live.v1.protobuf", "aeterna.live.v1.json"  # subprotocols


class Malformed(ValueError):
    """A frame is no message of the server."""


def encode(message: pb.ConnectRequest, subprotocol: str) -> bytes | str:
    """The frame of a message: binary or text."""
    if subprotocol == PROTOBUF:
        return message.SerializeToString()
    return MessageToJson(message, indent=None)


def decode(frame: bytes | str) -> pb.ConnectResponse:
    """The message of a frame; what a later server adds to it is left out.

    Raises:
        Malformed: It is none.
    """
    message = pb.ConnectResponse()
    try:
        if isinstance(frame, str):
            return Parse(frame, message, ignore_unknown_fields=True)
        message.ParseFromString(frame)
    except (DecodeError, ParseError) as exc:
        raise Malformed from exc
    return message


def request(identity: str, message: Message) -> pb.ConnectRequest:
    """What asks for something: `message` is one of the kinds that ConnectRequest has.

    Raises:
        ValueError: It is none of them.
    """
    field = _fields().get(message.DESCRIPTOR.full_name)
    if field is None:
        raise ValueError(f"{message.DESCRIPTOR.full_name} is not sent over a live connection")
    values: dict[str, Any] = {field: message}
    return pb.ConnectRequest(id=identity, **values)


@cache
def _fields() -> dict[str, str]:
    """The field of ConnectRequest for each kind of message."""
    fields = pb.ConnectRequest.DESCRIPTOR.oneofs_by_name["message"].fields
    kinds = ((field.message_type, field.name) for field in fields)
    return {kind.full_name: name for kind, name in kinds if kind}
