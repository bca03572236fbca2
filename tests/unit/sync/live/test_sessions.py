"""What a session does while its client, or the client's rights, go."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from google.protobuf.message import Message

from aeterna.sync.v1 import documents_pb2
from aeterna.sync.v1 import live_pb2 as pb
from libs.auth import Identity, Role
from libs.auth.clock import utc_now
from libs.authorization.engine import Engine
from libs.authorization.rules import TenantRules
from libs.changes import Origin
from libs.service.admission import Admission
from libs.service.caller import Caller
from libs.service.checking import Checker
from libs.spine.changes import LoggedChange
from libs.tenancy import TenantId
from services.sync.live.api.parts import Parts
from services.sync.live.api.session import Session
from services.sync.live.ports import Documents, PresenceRooms
from tests.unit.sync.live.fakes import TENANT, Client, Place, identity, opened

_HIDDEN = 'forbid (principal, action == Aeterna::Action::"GetDocument", resource);'
NOTE = "documents/0198c0de-0000-7000-8000-000000000001"


@dataclass
class Known:
    """The part of `Admission` for those whose tokens were verified."""

    place: Place

    async def known(self, identity: Identity, named: str | None, action: str) -> Caller:
        rights = self.place.rights

        async def ask() -> Any:
            return await rights.asker(TENANT, identity)

        origin = Origin(identity.actor, "0" * 32)
        return Caller(identity, TENANT, origin, None, await ask(), ask, lambda *_: None)


@dataclass
class Slow:
    """`Documents` of which one is read as slowly as the test likes."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, caller: Caller, message: Message) -> Any:
        self.asked.set()
        await self.go_on.wait()
        return documents_pb2.Document(name=NOTE)

    async def edits(self, tenant: TenantId, document: str, numbers: Sequence[int]) -> Any:
        return {}


@dataclass
class Here:
    """`PresenceRooms`: who is there."""

    people: set[tuple[str, str]] = field(default_factory=set)

    async def enter(
        self, caller: Caller, room: str, connection: str, device: str
    ) -> Sequence[pb.Presence]:
        self.people.add((room, connection))
        return [pb.Presence(connection=connection)]

    def leave(self, tenant: TenantId, room: str, connection: str) -> None:
        self.people.discard((room, connection))

    def heard(self, tenant: TenantId, connection: str) -> None:
        """It lives."""


@dataclass
class Scene:
    """Somebody who enters the room of a document, which takes a while to be read."""

    place: Place
    session: Session
    client: Client
    documents: Slow
    here: Here

    async def enter(self, *, snapshot: bool) -> None:
        subscribe = pb.ConnectRequest.Subscribe(room=NOTE, snapshot=snapshot, presence=True)
        await self.session.receive(pb.ConnectRequest(id="1", subscribe=subscribe))

    async def enters(self) -> "asyncio.Task[None]":
        """Begins to, until the document is read."""
        entering = asyncio.create_task(self.enter(snapshot=True))
        await self.documents.asked.wait()
        return entering

    async def hide(self) -> None:
        """Nobody may read documents any more."""
        self.place.rights.give(TenantRules(1), Engine({"p": _HIDDEN}))
        await self.place.house.renew()

    def has_not_entered(self) -> bool:
        told = self.client.messages[1:] == ["unsubscribed", "error"]
        reason = self.client.frames[-1].message.error.reason
        return told and reason == "NOT_IN_ROOM" and not self.here.people


async def scene(place: Place) -> Scene:
    documents, here, client = Slow(), Here(), Client()
    place.means.documents = cast(Documents, documents)
    place.means.presence = cast(PresenceRooms, here)
    admission = cast(Admission, Known(place))
    session = Session("c1", client, Parts(place.hub, place.means, admission, Checker(), utc_now))
    await session.begin(await admission.known(identity("ann", Role.DEVELOPER), None, "Subscribe"))
    place.log.append(NOTE, "company")
    return Scene(place, session, client, documents, here)


async def test_who_enters_a_document_is_there() -> None:
    async with opened() as place:
        ann = await scene(place)
        entering = await ann.enters()
        ann.documents.go_on.set()
        await entering

        assert ann.here.people == {(NOTE, "c1")}
        assert ann.client.messages[-2:] == ["subscribed", "snapshot"]


async def test_who_goes_while_the_document_is_read_is_not_there() -> None:
    async with opened() as place:
        ann = await scene(place)
        entering = await ann.enters()
        ann.session.close()
        ann.documents.go_on.set()
        await entering

        assert ann.here.people == set()


async def test_whose_rights_go_while_the_document_is_read_has_not_entered() -> None:
    async with opened() as place:
        ann = await scene(place)
        entering = await ann.enters()
        await ann.hide()
        ann.documents.go_on.set()
        await entering

        assert ann.has_not_entered()


async def test_whose_rights_go_while_it_enters_has_not_entered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as place:
        ann = await scene(place)
        latest = place.log.latest

        async def meanwhile(tenant: TenantId, resource: str) -> LoggedChange | None:
            found = await latest(tenant, resource)
            await ann.hide()
            return found

        monkeypatch.setattr(place.log, "latest", meanwhile)
        await ann.enter(snapshot=False)

        assert ann.has_not_entered()
