"""A member as a line of text: its connection, its user, and the rest, the latter two as JSON."""

import json
from typing import Any

from services.sync.presence.domain.members import Cursor, Member, State

_END = b"\n"  # of each part: JSON has none


def line_of(member: Member) -> bytes:
    """The line; lines are in the order of their connections."""
    rest = (member.agent, member.device, member.joined, member.state, member.cursor)
    return _END.join((member.connection.encode(), _json(member.user), _json(rest)))


def member_of(line: bytes) -> Member:
    """The member of a line."""
    connection, user, rest = line.split(_END)
    agent, device, joined, state, cursor = json.loads(rest)
    place = Cursor(*cursor) if cursor else None
    return Member(connection.decode(), json.loads(user), agent, device, joined, State(state), place)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
