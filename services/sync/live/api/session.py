"""One connection, as its client speaks to it: translates, and sees to the order of things."""

import asyncio

import structlog
from google.protobuf.empty_pb2 import Empty

from aeterna.sync.v1 import documents_pb2
from aeterna.sync.v1 import live_pb2 as pb
from libs.buckets import Pace
from libs.errors import AppError, invalid
from libs.metrics import LIVE_MESSAGES, LIVE_WAITED
from libs.service.admission import authorize
from libs.service.caller import Caller, bind
from libs.service.checking import Malformed
from libs.service.errors import code_of, expected
from libs.tracing import current_trace_id, server_span
from services.sync.live.api.messages import Snapshot, error_to, welcome
from services.sync.live.api.pace import length, weight
from services.sync.live.api.parts import Parts
from services.sync.live.domain.rooms import parse_room
from services.sync.live.errors import (
    DocumentsUnavailable,
    MessageTooLarge,
    NotAuthenticated,
    NotInRoom,
    PresenceUnavailable,
    SomebodyElse,
)
from services.sync.live.house import House
from services.sync.live.means import Entry
from services.sync.live.members import Connection, Member, State, Taking
from services.sync.live.operations import slow
from services.sync.live.ports import Frame, Peer

_ACTION = "Subscribe"
_GLANCE = 0.05  # seconds between two looks at a client that takes nothing
_METHOD = "/aeterna.sync.v1.LiveService/"
_QUICK = frozenset({"ping", "acknowledge"})  # of which no trace is kept

# What the methods of documents answer with.
_ANSWERS = {
    "create_document": "document",
    "get_document": "document",
    "list_documents": "documents",
    "edit_document": "edit",
    "undo_document_edit": "edit",
    "redo_document_edit": "edit",
    "list_document_revisions": "revisions",
    "restore_document": "edit",
    "save_document": "document",
    "delete_document": "done",
    "list_document_edits": "edits",
}

Request = pb.ConnectRequest
Response = pb.ConnectResponse


class Session(Connection):
    """A connection of LiveService; `Live.connect` makes it.

    The transport calls `receive` with each message, one after the other; `heard` for signs of life
    of its own; `drained` when the client has taken what waited; `close` when the connection is
    gone.
    """

    __slots__ = ("_house", "_pace", "_parts")

    def __init__(self, name: str, peer: Peer, parts: Parts) -> None:
        self._parts, now = parts, parts.clock()
        super().__init__(name, peer, now)
        self._house: House | None = None
        self._pace = Pace()

    async def receive(self, message: Request | Malformed) -> None:
        """Does what a message says. What is wrong with it is answered; nothing is raised."""
        self.heard()
        await self._room_to_answer()
        kind, reply_to, code = _kind(message), message.id, "OK"
        await self._paced(weight(kind), length(message))
        if self.ended:
            return
        try:
            if isinstance(message, Malformed):
                raise message.error
            await self._checked(kind, message)
        except Exception as exc:
            error = expected(exc)
            code = code_of(error).name
            self._say(Response(reply_to=reply_to[:64], error=error_to(error)))
        LIVE_MESSAGES.labels(kind, code).inc()

    def heard(self) -> None:
        """The client lives."""
        self.heard_at = self._parts.clock()
        if self.rooms and self._house and (presence := self._parts.presence):
            presence.heard(self._house.tenant, self.name)

    def drained(self) -> None:
        """The client has taken what waited."""
        if self._house:
            for member in self.rooms.values():
                self._house.reader.resume(member)

    def close(self) -> None:
        """The connection is gone."""
        self._parts.hub.part(self, self._house)

    async def begin(self, caller: Caller, reply_to: str = "") -> None:
        """Makes the connection that of a caller who may subscribe.

        Raises:
            AppError: It cannot be; as `Hub.join`.
        """
        self._know(caller)
        house = await self._parts.hub.join(self, caller.tenant)
        if self.ended:  # gone meanwhile
            house.part(self)
            return
        self._house = house
        self._welcome(reply_to)

    def end(self, error: AppError) -> None:
        """Sends the client away."""
        self._parts.hub.end(self, self._house, error)

    def _say(self, message: Response) -> None:
        self.peer.send(Frame(message))

    def _welcome(self, reply_to: str) -> None:
        assert self.identity is not None
        assert self._house is not None
        settings = self._parts.settings
        heartbeat, size = settings.heartbeat, settings.max_message_bytes
        tenant = self._house.tenant
        self._say(welcome(reply_to, self.name, tenant, self.identity, heartbeat, size))

    def _know(self, caller: Caller) -> None:
        self.identity = caller.identity
        left = caller.identity.expires_at - self._parts.now()
        self.ends_at = self._parts.clock() + left.total_seconds()

    async def _paced(self, tokens: float, size: int) -> None:
        """Waits until the rates of the connection and of its tenant allow for a message. Nothing
        more is read meanwhile, so that who sends faster waits, too."""
        settings = self._parts.settings
        wait = self._pace.take(
            tokens, settings.messages_per_second, settings.messages_at_once, self._parts.clock()
        )
        if wait:
            LIVE_WAITED.labels("connection").inc(wait)
            await self.rest(wait)
        if self._house:
            await self._parts.hub.paced(self, self._house.tenant, tokens, size)

    async def _room_to_answer(self) -> None:
        """Waits while the client takes no answers: it is asked for nothing more meanwhile."""
        settings, clock = self._parts.settings, self._parts.clock
        taking = Taking(self.peer, clock())
        while self.peer.waiting > settings.waiting_bytes and not self.ended:
            if taking.is_late(self.peer, clock(), settings):
                self.end(slow(self).error)
                return
            await asyncio.sleep(_GLANCE)

    async def _checked(self, kind: str, message: Request) -> None:
        size, limit = message.ByteSize(), self._parts.settings.max_message_bytes
        if size > limit:
            raise MessageTooLarge(size, limit)
        self._parts.checker.checked(message)
        if self._house is None and kind != "authenticate":
            raise NotAuthenticated
        if kind in _QUICK:
            await self._do(kind, message)
            return
        with (
            server_span(f"{_METHOD}{kind}", ()),
            structlog.contextvars.bound_contextvars(method=kind, trace_id=current_trace_id()),
        ):
            await self._do(kind, message)

    async def _do(self, kind: str, message: Request) -> None:
        house, reply_to = self._house, message.id
        if kind == "authenticate":
            await self._authenticate(message.authenticate, reply_to)
            return
        assert house is not None  # nobody comes so far without
        match kind:
            case "ping":
                self._say(Response(reply_to=reply_to, pong=Response.Pong()))
            case "acknowledge":
                self._acknowledge(house, message.acknowledge)
            case "subscribe":
                await self._subscribe(house, message.subscribe, reply_to)
            case "unsubscribe":
                room = message.unsubscribe.room
                if not house.leave(self, room):
                    raise NotInRoom(room)
                left = Response.Unsubscribed(room=room)
                self._say(Response(reply_to=reply_to, unsubscribed=left))
            case "set_presence":
                await self._set_presence(message.set_presence, reply_to)
            case _:
                await self._documents(kind, message, reply_to)

    async def _authenticate(self, given: Request.Authenticate, reply_to: str) -> None:
        try:
            admission = self._parts.admission
            caller = await admission.caller(given.token, given.tenant or None, _ACTION)
            authorize(caller, _ACTION)
            if self._house is None:
                await self.begin(caller, reply_to)
                return
        except Exception as exc:
            if self._house is None:
                self.end(expected(exc))
                return
            raise
        if _who(caller) != (self._house.tenant, *_names(self)):
            raise SomebodyElse
        self._know(caller)
        await self._house.renew_one(self)
        if not self.ended:
            self._welcome(reply_to)

    def _acknowledge(self, house: House, given: Request.Acknowledge) -> None:
        member = self.rooms.get(given.room)
        if member is None:
            raise NotInRoom(given.room)
        member.acknowledge(given.number)
        house.reader.resume(member)

    async def _caller(self) -> Caller:
        """Who asks, with the rights of now, bound to this task."""
        assert self.identity is not None
        assert self._house is not None
        admission = self._parts.admission
        caller = await admission.known(self.identity, self._house.tenant, _ACTION)
        bind(caller)
        structlog.contextvars.bind_contextvars(tenant=caller.tenant)
        return caller

    async def _subscribe(self, house: House, given: Request.Subscribe, reply_to: str) -> None:
        entry = self._entry(given)
        caller = await self._caller()
        authorize(caller, _ACTION)
        again = given.room in self.rooms
        member = await house.enter(self, caller.may, entry)
        try:
            first = await self._first(caller, entry, member, given.device)
            _demand_inside(member)
        except Exception as exc:
            if house.leave(self, given.room) and again:
                self.peer.send(house.frames.expelled(given.room, expected(exc)))
            raise
        number = member.position
        entered = Response.Subscribed(room=given.room, number=number)
        self._say(Response(reply_to=reply_to, subscribed=entered))
        if first is not None:
            first.number, first.complete = number, not entry.snapshot
            self._say(Response(snapshot=first))
        house.start(member)

    def _entry(self, given: Request.Subscribe) -> Entry:
        room, since = parse_room(given.room, "subscribe.room"), None
        if given.HasField("since"):
            since = given.since
            if given.snapshot:
                raise invalid("subscribe.since", "cannot be given together with a snapshot")
        if given.presence and self._parts.presence is None:
            raise PresenceUnavailable
        return Entry(room, since, given.snapshot, given.presence, given.window)

    async def _first(
        self, caller: Caller, entry: Entry, member: Member, device: str
    ) -> Snapshot | None:
        """What a room has beside resources: its document, and who is there."""
        part = Snapshot(room=entry.room.name)
        if entry.snapshot and entry.room.is_document and (documents := self._parts.documents):
            wanted = documents_pb2.GetDocumentRequest(name=entry.room.name)
            part.document.MergeFrom(await documents.answer(caller, wanted))
        if entry.presence and (presence := self._parts.presence):
            _demand_inside(member)  # who has gone meanwhile must not be seen there
            part.present.extend(await presence.enter(caller, entry.room.name, self.name, device))
        return part if part.HasField("document") or entry.presence else None

    async def _set_presence(self, given: Request.SetPresence, reply_to: str) -> None:
        member = self.rooms.get(given.room)
        if member is None or not member.presence or self._parts.presence is None:
            raise NotInRoom(given.room)
        await self._parts.presence.set(await self._caller(), self.name, given)
        if reply_to:
            self._say(Response(reply_to=reply_to, done=Response.Done()))

    async def _documents(self, kind: str, message: Request, reply_to: str) -> None:
        if self._parts.documents is None:
            raise DocumentsUnavailable
        caller = await self._caller()
        answer = await self._parts.documents.answer(caller, getattr(message, kind))
        response = Response(reply_to=reply_to)
        if isinstance(answer, Empty):
            response.done.SetInParent()
        else:
            getattr(response, _ANSWERS[kind]).CopyFrom(answer)
        self._say(response)


def _demand_inside(member: Member) -> None:
    """Raises NotInRoom when the room was left by now: rights may be gone, or the connection."""
    if member.state is State.GONE:
        raise NotInRoom(member.room.spec.name)


def _kind(message: Request | Malformed) -> str:
    if isinstance(message, Malformed):
        return "malformed"
    return message.WhichOneof("message") or "none"


def _who(caller: Caller) -> tuple[object, ...]:
    return caller.tenant, caller.identity.subject, caller.identity.agent, caller.identity.delegation


def _names(connection: Connection) -> tuple[object, ...]:
    identity = connection.identity
    assert identity is not None
    return identity.subject, identity.agent, identity.delegation
