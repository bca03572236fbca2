"""The messages of a connection in frames: JSON as text, protobuf as bytes."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError

from aeterna.sync.v1 import live_pb2 as pb
from libs.errors import AppError, invalid
from libs.service.checking import Malformed
from services.sync.live.ports import Frame
from services.sync.web.frames import binary_frame, text_frame

_DEEPEST = 20  # messages in messages; the contract has far fewer
_LONGEST = 64  # characters of a name that is repeated
_UNKNOWN = re.compile(
    r'Message type "([\w.]+)" has no field named "(.*?)" at "ConnectRequest\.?(.*?)"'
)
_FIELD = re.compile(r"Failed to parse (\w+) field: ")
_PLACE = re.compile(r": line \d+ column \d+")
_SEVERAL = 'should not have multiple "message" oneof fields'


@dataclass(frozen=True, slots=True)
class Coding:
    """A way to write messages.

    Attributes:
        name: The subprotocol.
        text: Whether they are text frames.
        decode: A message of the client.
        encode: The finished frame of a message to the client.
    """

    name: str
    text: bool
    decode: Callable[[bytes], pb.ConnectRequest | Malformed]
    encode: Callable[[Frame], bytes]


def _from_json(content: bytes) -> pb.ConnectRequest | Malformed:
    text = content.decode()
    try:
        return Parse(text, pb.ConnectRequest(), max_recursion_depth=_DEEPEST)
    except (ParseError, RecursionError) as error:
        return Malformed(_fault(error), _id_of(text), len(content))


def _from_binary(content: bytes) -> pb.ConnectRequest | Malformed:
    try:
        return pb.ConnectRequest.FromString(content)
    except DecodeError:
        return Malformed(size=len(content))


def _to_json(frame: Frame) -> bytes:
    made = frame.web_text
    if made is None:
        made = frame.web_text = text_frame(frame.json)
    return made


def _to_binary(frame: Frame) -> bytes:
    made = frame.web_binary
    if made is None:
        made = frame.web_binary = binary_frame(frame.binary)
    return made


def _fault(error: Exception) -> AppError:
    """Which field is wrong, and why, as the parser says; without values."""
    said = _valid(str(error))
    if unknown := _UNKNOWN.search(said):
        kind, name, place = unknown.groups()
        path = f"{place}.{name[:_LONGEST]}" if place else name[:_LONGEST]
        return invalid(path, f"is not a field of {kind}")
    if _SEVERAL in said:
        return invalid("message", "may be one only")
    if path := ".".join(_FIELD.findall(said)):
        return invalid(path, "has a value that is none of its type")
    place = _PLACE.search(said)
    return invalid("", f"is not a JSON object of ConnectRequest{place[0] if place else ''}")


def _id_of(text: str) -> str:
    """The id that an answer is to name."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    name = found.get("id") if isinstance(found, dict) else None
    return _valid(name[:64]) if isinstance(name, str) else ""


def _valid(text: str) -> str:
    """Without halves of surrogate pairs, which JSON may have and an answer may not."""
    return text.encode(errors="replace").decode()


JSON = Coding("aeterna.live.v1.json", True, _from_json, _to_json)
PROTOBUF = Coding("aeterna.live.v1.protobuf", False, _from_binary, _to_binary)
CODINGS = {each.name: each for each in (JSON, PROTOBUF)}


def authenticate(authorization: Sequence[str], tenants: Sequence[str]) -> list[pb.ConnectRequest]:
    """What the headers of an opening say of the client, as the message that would say it."""
    scheme, _, token = authorization[0].partition(" ") if len(authorization) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        return []
    said = pb.ConnectRequest.Authenticate(token=token.strip(), tenant=tenants[0] if tenants else "")
    return [pb.ConnectRequest(authenticate=said)]
