"""A memory as a line of an export: proto JSON of the contract."""

import json

from google.protobuf.json_format import MessageToDict

from services.memory.api.messages import memory_to
from services.memory.domain.memory import Memory


def line(memory: Memory) -> bytes:
    """With its end; what importance has faded to depends on when one looks, and is left out."""
    message = memory_to(memory, lambda stored: stored.importance)
    message.ClearField("effective_importance")
    return json.dumps(MessageToDict(message), ensure_ascii=False).encode() + b"\n"
