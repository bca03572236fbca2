"""People in a room, as their clients see it."""

from __future__ import annotations  # the asynchronous stub exists in its type stubs only

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from aeterna.sync.v1 import live_pb2 as pb
from aeterna.sync.v1 import live_pb2_grpc as pb_grpc
from libs.auth import Role
from libs.wakeups.settings import WakeupSettings
from services.sync.presence.settings import PresenceSettings
from tests.integration.sync.live.clients import LiveClient, connected, token_of
from tests.integration.sync.replicas import SOON, Serving

LEASE = 5.0  # seconds: as short as a busy machine allows
SHORT = PresenceSettings(lease=timedelta(seconds=LEASE), renewal=timedelta(seconds=0.5))
ACTIVE, IDLE, OFFLINE = (
    pb.PRESENCE_STATE_ACTIVE,
    pb.PRESENCE_STATE_IDLE,
    pb.PRESENCE_STATE_OFFLINE,
)


@dataclass
class Somebody:
    """In a room, and what they see there; `told` is all that they were told."""

    client: LiveClient
    room: str
    seen: dict[str, pb.Presence] = field(default_factory=dict)
    connections: int = 0
    people: int = 0
    partial: bool = False
    told: list[pb.Presence] = field(default_factory=list)

    @property
    def users(self) -> list[str]:
        """Whom they see, each connection."""
        return sorted(each.user for each in self.seen.values())

    async def enter(self, **fields: Any) -> None:
        await self.client.subscribe(self.room, presence=True, **fields)
        snapshot = await self.client.next("snapshot")
        self.seen = {each.connection: each for each in snapshot.present}

    async def set(self, **fields: Any) -> pb.ConnectResponse:
        message = pb.ConnectRequest.SetPresence(room=self.room, **fields)
        return await self.client.ask(set_presence=message)

    async def until(self, wanted: Callable[[Somebody], bool], seconds: float = SOON) -> None:
        """Returns when what they see is as wanted."""
        async with asyncio.timeout(seconds):
            while not wanted(self):
                self._hear(await self.client.next("presence"))

    def _hear(self, update: pb.ConnectResponse.PresenceUpdate) -> None:
        assert update.room == self.room
        self.connections, self.people = update.connections, update.people
        self.partial = update.partial
        self.told += update.changes
        for each in update.changes:
            self.seen[each.connection] = each
            if each.state == OFFLINE:
                del self.seen[each.connection]


@asynccontextmanager
async def present(
    replica: Serving,
    room: str,
    subject: str,
    tenant: str = "acme",
    **fields: Any,
) -> AsyncIterator[Somebody]:
    """Somebody who has entered a room."""
    async with connected(replica, tenant, subject) as client:
        somebody = Somebody(client, room)
        await somebody.enter(**fields)
        yield somebody


async def listed(
    replica: Serving,
    room: str,
    tenant: str = "acme",
    by: Role = Role.TENANT_ADMIN,
    **fields: Any,
) -> pb.ListPresenceResponse:
    """As somebody with a role sees it."""
    metadata = (("authorization", f"Bearer {token_of(replica, tenant, 'lee', [by])}"),)
    stub = pb_grpc.LiveServiceStub(replica.channel)
    request = pb.ListPresenceRequest(room=room, **fields)
    return await stub.ListPresence(request, metadata=metadata)


def sees(*users: str) -> Callable[[Somebody], bool]:
    """Whether somebody sees these, and is told as many."""
    expected = sorted(users)
    return lambda each: each.users == expected and each.connections == len(expected)


def over_redis(url: str) -> WakeupSettings:
    return WakeupSettings(transport="redis", redis_url=SecretStr(url))


def new_room() -> str:
    """Nobody else's: other tests may share the server."""
    return f"documents/{uuid4()}"
