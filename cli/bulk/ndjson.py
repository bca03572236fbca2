"""Lines of such files. Knows nothing of where they come from or go to.

A line is a `Memory` of the contract as proto JSON; docs/bulk.md says what counts.
"""

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID, uuid5

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from protovalidate import Validator

from aeterna.memory.v1 import memory_pb2 as pb
from libs.errors import AppError, Kind

_IDS = UUID("6f8a4c53-8f0b-4b5e-9d64-0f6f6f1c2b1e")  # of the request ids that are made here
_MOST_BYTES = 1024 * 1024  # of a memory: far more than its fields allow together
_VALIDATOR = Validator()


class BadLine(AppError):
    """A line that no memory can be made of."""

    kind, reason = Kind.INVALID, "BAD_LINE"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file; numbers count from 1, `end` is the byte after it."""

    number: int
    text: bytes
    end: int

    @property
    def request_id(self) -> str:
        """The same for the same text in the same place: a repeat of it stores nothing twice."""
        digest = hashlib.sha256(self.text.strip()).hexdigest()
        return str(uuid5(_IDS, f"{self.number} {digest}"))

    def request(self) -> pb.CreateMemoryRequest:
        """The request that stores its memory.

        Raises:
            BadLine: It is not JSON, not a memory, or breaks a rule of the contract.
        """
        request = pb.CreateMemoryRequest(memory=_memory(self.text), request_id=self.request_id)
        violations = _VALIDATOR.collect_violations(request)
        if violations:
            raise BadLine("; ".join(map(_explained, violations)))
        return request


def to_line(memory: pb.Memory) -> bytes:
    """A memory as a line, with its end."""
    return json.dumps(MessageToDict(memory), ensure_ascii=False).encode() + b"\n"


def _memory(text: bytes) -> pb.Memory:
    if len(text) > _MOST_BYTES:
        raise BadLine(f"is longer than {_MOST_BYTES} bytes")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadLine("is not JSON") from exc
    if not isinstance(value, dict):
        raise BadLine("is not a memory: not an object")
    try:
        memory: pb.Memory = ParseDict(value, pb.Memory())
    except (ParseError, TypeError, ValueError, RecursionError) as exc:
        raise BadLine(f"is not a memory: {exc}") from exc
    return memory


def _explained(violation: object) -> str:
    proto = getattr(violation, "proto")  # noqa: B009 - has no types
    path = ".".join(each.field_name for each in proto.field.elements)
    return f"{path}: {proto.message or proto.rule_id}"
