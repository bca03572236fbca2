"""Live connections over gRPC, and what every transport makes sessions with."""

from __future__ import annotations  # gRPC's contexts are generic in their stubs only

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from google.protobuf.message import Message

from aeterna.sync.v1 import live_pb2 as pb
from aeterna.sync.v1 import live_pb2_grpc as pb_grpc
from libs.errors import AppError
from libs.service.admission import authorize
from libs.service.caller import Caller, caller
from libs.service.checking import Malformed
from libs.service.pipeline import Context, SlowConsumer
from libs.tenancy import TenantId
from services.sync.live.api.parts import Parts
from services.sync.live.api.session import Session
from services.sync.live.domain.endings import Ending
from services.sync.live.domain.rooms import parse_room
from services.sync.live.errors import PresenceUnavailable
from services.sync.live.means import demand
from services.sync.live.operations import slow
from services.sync.live.ports import Documents, Frame, Peer, PresenceRooms

__all__ = ["Live", "LiveServicer", "Session"]

_ACTION = "Subscribe"


class Live:
    """Makes sessions of connections; presence and documents are plugged in at the start."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def plug(
        self, presence: PresenceRooms | None = None, documents: Documents | None = None
    ) -> None:
        """Gives sessions what they were made without."""
        self._parts.means.presence = presence or self._parts.means.presence
        self._parts.means.documents = documents or self._parts.means.documents

    async def admit(self, token: str, tenant: str = "") -> Caller:
        """The caller that a bearer token gives, who may connect.

        Args:
            tenant: The one that it is about; the token's own when empty.

        Raises:
            AppError: It may not; as `libs.service.admission`.
        """
        admitted = await self._parts.admission.caller(token, tenant or None, _ACTION)
        authorize(admitted, _ACTION)
        return admitted

    async def connect(self, peer: Peer, admitted: Caller | None = None) -> Session:
        """The session of a new connection. Without a caller its client has to authenticate first.

        Raises:
            ServerStopping, TooManyConnections, PermissionDenied: Not now.
            TenantSuspended, StoreUnavailable: As they say.
        """
        session = Session(secrets.token_hex(8), peer, self._parts)
        if admitted is None:
            self._parts.hub.meet(session)
        else:
            await session.begin(admitted)
        return session

    async def list_presence(
        self, admitted: Caller, request: pb.ListPresenceRequest
    ) -> pb.ListPresenceResponse:
        """Who is in a room.

        Raises:
            RoomNotFound: The caller may not enter it.
            PresenceUnavailable: Nobody knows.
        """
        if self._parts.presence is None:
            raise PresenceUnavailable
        room, log = parse_room(request.room), self._parts.means.log
        await demand(log, room, admitted.tenant, admitted.identity.subject, admitted.may)
        response: pb.ListPresenceResponse = await self._parts.presence.list(admitted, request)
        return response

    def tell(self, tenant: TenantId, room: str, message: Message) -> None:
        """`Tell` of presence."""
        self._parts.hub.tell(tenant, room, Frame(message))

    def stop(self) -> None:
        """Tells all clients to leave, and ends those who have not, one after the other."""
        self._parts.hub.stop()

    async def drained(self) -> None:
        """After `stop`: returns when all have left."""
        await self._parts.hub.drained()


class _GrpcPeer:
    """`Peer` of a call: what is sent waits until the call writes it."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._news = asyncio.Event()
        self._ending: AppError | None = None
        self._closed = False
        self.waiting = 0

    def send(self, frame: Frame) -> None:
        if not self._closed:
            self._frames.append(frame)
            self.waiting += frame.size
            self._news.set()

    def end(self, ending: Ending) -> None:
        if not self._closed:
            self._ending = ending.error
            self.close()

    def look(self) -> None:
        """gRPC says so by itself."""

    def taken(self, frame: Frame) -> None:
        """The client has taken what `frames` gave."""
        self.waiting -= frame.size

    def close(self) -> None:
        """Takes nothing more."""
        self._closed = True
        self._news.set()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """What is sent, until the end.

        Raises:
            AppError: What ended the connection.
        """
        while self._frames or not self._closed:
            self._news.clear()
            while self._frames:
                yield self._frames.popleft()
            if not self._closed:
                await self._news.wait()
        if self._ending:
            raise self._ending


class LiveServicer(pb_grpc.LiveServiceServicer):
    """`aeterna.sync.v1.LiveService`."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def Connect(
        self, requests: AsyncIterator[pb.ConnectRequest | Malformed], context: Context
    ) -> AsyncIterator[pb.ConnectResponse]:
        peer = _GrpcPeer()
        session = await self._live.connect(peer, caller())
        reading = asyncio.create_task(_read(requests, session, peer))
        try:
            async with aclosing(peer.frames()) as frames:
                async for frame in frames:
                    try:
                        yield frame.message
                    except SlowConsumer as exc:
                        raise slow(session).error from exc
                    peer.taken(frame)
                    if not peer.waiting:
                        session.drained()
        finally:
            session.close()
            peer.close()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def ListPresence(
        self, request: pb.ListPresenceRequest, context: Context
    ) -> pb.ListPresenceResponse:
        return await self._live.list_presence(caller(), request)


async def _read(
    requests: AsyncIterator[pb.ConnectRequest | Malformed], session: Session, peer: _GrpcPeer
) -> None:
    """Gives the session what the client sends; the client ends the connection by ending that."""
    try:
        async for request in requests:
            await session.receive(request)
    finally:
        peer.close()
