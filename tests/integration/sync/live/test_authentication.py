"""Who it is: first, later, and no longer."""

from datetime import timedelta
from typing import Any

import grpc
import pytest

from aeterna.sync.v1 import live_pb2_grpc as pb_grpc
from libs.auth import Role
from tests.databases import Database
from tests.errors import fails_with
from tests.integration.sync.live.clients import change, connected, suspend, token_of, write
from tests.integration.sync.replicas import Replica

ONE = change("memories/1", layer="team")


async def test_a_call_without_a_token_is_refused(replica: Replica) -> None:
    call: Any = pb_grpc.LiveServiceStub(replica.channel).Connect()

    with fails_with("TOKEN_MISSING", code=grpc.StatusCode.UNAUTHENTICATED):
        await call.read()


async def test_a_connection_ends_with_its_token(replica: Replica) -> None:
    async with connected(replica, lifetime=timedelta(seconds=3)) as client:
        await client.subscribe("changes")

        with fails_with("TOKEN_EXPIRED", code=grpc.StatusCode.UNAUTHENTICATED):
            await client.end()


async def test_a_new_token_goes_on_after_the_old_one(replica: Replica) -> None:
    async with (
        connected(replica, lifetime=timedelta(seconds=3)) as client,
        connected(replica, lifetime=timedelta(seconds=3)) as another,
    ):
        await client.subscribe("changes")
        answer = await client.ask(authenticate={"token": token_of(replica, "acme")})
        with fails_with("TOKEN_EXPIRED"):
            await another.end()  # of the same age
        await write(replica, ONE)

        assert answer.welcome.tenant == "acme"
        assert await client.numbers(1) == [1]


@pytest.mark.parametrize(
    ("tenant", "subject", "token", "reason"),
    [
        ("acme", "bob", "", "SOMEBODY_ELSE"),
        ("bolt", "ann", "", "SOMEBODY_ELSE"),
        ("acme", "ann", "forged", "TOKEN_INVALID"),
    ],
)
async def test_a_token_that_is_not_the_same_person_s_changes_nothing(
    replica: Replica, tenant: str, subject: str, token: str, reason: str
) -> None:
    async with connected(replica) as client:
        await client.subscribe("changes")
        given = token or token_of(replica, tenant, subject)

        answer = await client.ask(authenticate={"token": given})
        await write(replica, ONE)

        assert answer.error.reason == reason
        assert await client.numbers(1) == [1]


async def test_another_tenant_is_not_entered(replica: Replica) -> None:
    async with connected(replica) as client:
        token = token_of(replica, "acme")
        answer = await client.ask(authenticate={"token": token, "tenant": "bolt"})

        assert answer.error.reason == "FOREIGN_TENANT"


async def test_a_token_with_less_rights_hears_less(replica: Replica) -> None:
    """And leaves the rooms that it may no longer be in."""
    secret = change("memories/2", layer="user", subject="bob")
    await write(replica, secret)
    async with connected(replica, roles=[Role.TENANT_ADMIN]) as client:
        await client.subscribe("changes")
        await client.subscribe("memories/2")
        await write(replica, secret)
        assert await client.numbers(1) == [2]

        token = token_of(replica, "acme", roles=[Role.VIEWER])
        assert (await client.ask(authenticate={"token": token})).HasField("welcome")
        left = await client.next("unsubscribed")
        await client.numbers(1, "memories/2")
        await write(replica, secret, ONE)

        assert (left.room, left.error.reason) == ("memories/2", "ROOM_NOT_FOUND")
        assert await client.numbers(1) == [4]


async def test_what_is_revoked_is_not_heard_any_more(replica: Replica, database: Database) -> None:
    async with (
        connected(replica, subject="ann", roles=[Role.VIEWER]) as ann,
        connected(replica, subject="bob", roles=[Role.VIEWER]) as bob,
    ):
        for client in (ann, bob):
            await client.subscribe("changes")
        await suspend(replica, database, "ann")
        with fails_with("PERMISSION_DENIED", code=grpc.StatusCode.PERMISSION_DENIED):
            await ann.end()
        await write(replica, ONE)

        assert await bob.numbers(1) == [1]
        assert [each for each in ann.heard if each.HasField("event")] == []
