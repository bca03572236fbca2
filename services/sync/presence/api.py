"""Presence as connections and callers see it: translates, nothing else."""

from collections.abc import Callable, Sequence
from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from aeterna.sync.v1 import live_pb2 as pb
from libs.aip.paging import Page, bad_token, page_size
from libs.errors import invalid
from libs.service.caller import Caller
from libs.tenancy import TenantId
from services.sync.live.ports import Tell
from services.sync.presence.domain.members import Cursor, Member, Room, State
from services.sync.presence.domain.telling import Update
from services.sync.presence.operations import Presences

_PAGE = 100
_MAX_ID = 64  # characters of the name of a connection
_DOCUMENTS = "documents/"
_STATES = {each: pb.PresenceState.Value(f"PRESENCE_STATE_{each.name}") for each in State}


class PresenceApi:
    """`PresenceRooms` of live connections, and ListPresence."""

    def __init__(self, presences: Presences, now: Callable[[], datetime]) -> None:
        self._presences, self._now = presences, now

    async def enter(
        self, caller: Caller, room: str, connection: str, device: str
    ) -> Sequence[pb.Presence]:
        identity, joined = caller.identity, int(self._now().timestamp() * 1000)
        member = Member(connection, identity.subject, identity.agent, device, joined)
        return [
            _presence(each) for each in await self._presences.enter(_room(caller, room), member)
        ]

    def leave(self, tenant: TenantId, room: str, connection: str) -> None:
        self._presences.leave(Room(tenant, room), connection)

    async def set(self, caller: Caller, connection: str, message: Message) -> None:
        assert isinstance(message, pb.ConnectRequest.SetPresence)
        if message.state == pb.PRESENCE_STATE_OFFLINE:
            raise invalid("set_presence.state", "must be ACTIVE or IDLE")
        if message.HasField("cursor") and not message.room.startswith(_DOCUMENTS):
            raise invalid("set_presence.cursor", "is for the room of a document")
        state = State(message.state or State.ACTIVE)
        self._presences.set(_room(caller, message.room), connection, state, _cursor(message))

    def heard(self, tenant: TenantId, connection: str) -> None:
        self._presences.heard(tenant, connection)

    async def list(
        self, caller: Caller, request: pb.ListPresenceRequest
    ) -> pb.ListPresenceResponse:
        """Of a room that the caller may be in."""
        binding = f"ListPresence/{caller.tenant}/{request.room}"
        size = page_size(request.page_size, default=_PAGE)
        page = Page.asked(size, request.page_token, binding=binding)
        room = _room(caller, request.room)
        found = await self._presences.list(room, _after(page), page.limit)
        shown, token = page.cut(found.members, lambda each: each.connection)
        return pb.ListPresenceResponse(
            present=map(_presence, shown),
            next_page_token=token,
            connections=found.counts.connections,
            people=found.counts.people,
            partial=found.partial,
        )


def telling(tell: Tell) -> Callable[[Room, Update], None]:
    """Tells rooms by messages."""

    def told(room: Room, update: Update) -> None:
        message = pb.ConnectResponse.PresenceUpdate(
            room=room.name,
            changes=map(_presence, update.changes),
            connections=update.counts.connections,
            people=update.counts.people,
            partial=update.partial,
        )
        tell(TenantId(room.tenant), room.name, pb.ConnectResponse(presence=message))

    return told


def _room(caller: Caller, name: str) -> Room:
    return Room(caller.tenant, name)


def _after(page: Page) -> str:
    """The connection that the page before ended with."""
    match page.key:
        case None:
            return ""
        case [str(connection)] if 0 < len(connection) <= _MAX_ID and connection.isprintable():
            return connection
    raise bad_token()


def _cursor(message: pb.ConnectRequest.SetPresence) -> Cursor | None:
    if not message.HasField("cursor"):
        return None
    cursor = message.cursor
    return Cursor(cursor.position, cursor.anchor, cursor.version)


def _presence(member: Member) -> pb.Presence:
    joined = Timestamp()
    joined.FromMilliseconds(member.joined)
    return pb.Presence(
        connection=member.connection,
        user=member.user,
        agent=member.agent,
        device=member.device,
        state=_STATES[member.state],
        cursor=pb.Cursor(**member.cursor._asdict()) if member.cursor else None,
        join_time=joined,
    )
