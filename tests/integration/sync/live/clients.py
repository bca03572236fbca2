"""Clients of live connections over gRPC, for tests."""

from __future__ import annotations  # the asynchronous stub exists in its type stubs only

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import grpc

from aeterna.sync.v1 import live_pb2 as pb
from aeterna.sync.v1 import live_pb2_grpc as pb_grpc
from libs import changes
from libs.auth import Role
from libs.spine import writing
from libs.tenancy import TenantId
from tests.databases import Database
from tests.integration.sync.replicas import NEVER, SOON, Replica, Serving

_SUSPEND = "INSERT INTO aeterna.suspended_user VALUES ($1, $2, 'user:ann', 1, now())"
_BIND = """
    INSERT INTO aeterna.role_binding
    VALUES ($1, gen_random_uuid(), $2, 'viewer', '', $3, '', NULL, 'user:ann', 1, now())
"""
_STATE = """
    INSERT INTO aeterna.authorization_state VALUES ($1, 1)
    ON CONFLICT (tenant_id) DO UPDATE SET number = authorization_state.number + 1
"""


@dataclass
class LiveClient:
    """One connection. What comes is kept until it is asked for, by its kind and its room."""

    call: Any
    heard: list[pb.ConnectResponse] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: count(1))

    async def send(self, message_id: str = "", **message: Any) -> None:
        await self.call.write(pb.ConnectRequest(id=message_id, **message))

    async def ask(self, **message: Any) -> pb.ConnectResponse:
        """Sends a message; its answer. What else comes meanwhile is kept."""
        name = str(next(self._ids))
        await self.send(name, **message)
        return await self._find(lambda each: each.reply_to == name)

    async def subscribe(self, room: str, **fields: Any) -> int:
        """Enters a room: the number that events follow."""
        answer = await self.ask(subscribe=pb.ConnectRequest.Subscribe(room=room, **fields))
        assert answer.HasField("subscribed"), answer
        assert answer.subscribed.room == room
        return answer.subscribed.number

    async def next(self, kind: str) -> Any:
        """The next message of a kind."""
        found = await self._find(lambda each: each.WhichOneof("message") == kind)
        return getattr(found, kind)

    async def events(self, count: int, room: str = "changes") -> list[pb.ConnectResponse.Event]:
        """The next events of a room."""
        return [
            (await self._find(lambda each: each.event.room == room)).event for _ in range(count)
        ]

    async def numbers(self, count: int, room: str = "changes") -> list[int]:
        """Of the next events of a room."""
        return [event.number for event in await self.events(count, room)]

    async def end(self) -> None:
        """Reads until the call ends, and raises its error."""
        async with asyncio.timeout(SOON):
            while (message := await self.call.read()) is not grpc.aio.EOF:
                self.heard.append(message)

    async def _find(self, wanted: Any) -> pb.ConnectResponse:
        for place, each in enumerate(self.heard):
            if wanted(each):
                return self.heard.pop(place)
        async with asyncio.timeout(SOON):
            while True:
                message = await self.call.read()
                assert isinstance(message, pb.ConnectResponse), "the connection ended"
                if wanted(message):
                    return message
                self.heard.append(message)


@asynccontextmanager
async def connected(
    replica: Serving,
    tenant: str = "acme",
    subject: str = "ann",
    roles: Sequence[Role] = (Role.TENANT_ADMIN,),
    lifetime: timedelta = NEVER,
) -> AsyncIterator[LiveClient]:
    """A connection that was welcomed."""
    client = connecting(replica, token_of(replica, tenant, subject, roles, lifetime))
    try:
        welcome = await client.next("welcome")
        assert (welcome.tenant, welcome.subject) == (tenant, subject)
        yield client
    finally:
        client.call.cancel()


def connecting(replica: Serving, token: str) -> LiveClient:
    """A connection of which it is not known whether it is let in."""
    metadata = (("authorization", f"Bearer {token}"),)
    return LiveClient(pb_grpc.LiveServiceStub(replica.channel).Connect(metadata=metadata))


def token_of(
    replica: Serving,
    tenant: str,
    subject: str = "ann",
    roles: Sequence[Role] = (Role.TENANT_ADMIN,),
    lifetime: timedelta = NEVER,
) -> str:
    return replica.issuer.mint(TenantId(tenant), subject, roles, lifetime=lifetime)


async def write(replica: Replica, *logged: changes.Change, tenant: str = "acme") -> int:
    """Writes changes as any service does: the number of the first."""
    route = await replica.platform.directory.route(TenantId(tenant))
    async with writing(route) as transaction:
        first = await transaction.append(logged)
    replica.platform.wakeups.publish(route.tenant)
    return first


def change(
    resource: str,
    operation: changes.Operation = changes.Operation.CREATED,
    layer: str = "",
    subject: str = "",
    **details: str,
) -> changes.Change:
    origin = changes.Origin("user:ann", "0" * 32)
    return changes.Change(resource, operation, origin, subject, layer, details=details or None)


async def prune(replica: Replica, database: Database, until: int) -> None:
    """Deletes the changes of acme up to a number, as governance does."""
    route = await replica.platform.directory.route(TenantId("acme"))
    async with database.connect() as superuser, superuser.transaction():
        await superuser.execute("SELECT aeterna.begin_write($1, $2)", "acme", route.epoch)
        await superuser.execute("SELECT aeterna.prune_changes($1)", until)


async def suspend(replica: Replica, database: Database, person: str) -> None:
    """Makes somebody of acme one who may do nothing, as governance does."""
    await _rule(replica, database, _SUSPEND, person)


async def bind(replica: Replica, database: Database, person: str, team: str) -> None:
    """Makes somebody of acme a viewer in a team."""
    await _rule(replica, database, _BIND, person, team)


async def _rule(replica: Replica, database: Database, sql: str, *values: str) -> None:
    route = await replica.platform.directory.route(TenantId("acme"))
    async with database.connect() as superuser, superuser.transaction():
        await superuser.execute("SELECT aeterna.begin_write($1, $2)", "acme", route.epoch)
        await superuser.execute(sql, "acme", *values)
        await superuser.execute(_STATE, "acme")
    replica.platform.wakeups.publish(route.tenant)
