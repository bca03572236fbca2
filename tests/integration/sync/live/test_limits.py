"""Too many, too much, too late, and how it ends: nobody else is hurt by it."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import grpc
import pytest

from aeterna.sync.v1 import live_pb2 as pb
from services.sync.live.settings import LiveSettings
from tests.errors import fails_with
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.live.clients import (
    LiveClient,
    change,
    connected,
    connecting,
    token_of,
    write,
)
from tests.integration.sync.replicas import SOON, Replica

ONE = change("memories/1", layer="team")
IN = pb.ConnectRequest
HERE = IN.SetPresence(room="changes", state=pb.PRESENCE_STATE_ACTIVE)
MILLISECOND = timedelta(milliseconds=1)


async def test_connections_of_a_tenant(opened: OpenReplica) -> None:
    async with (
        opened(live=LiveSettings(connections_per_tenant=1)) as replica,
        connected(replica) as client,
    ):
        with fails_with("TOO_MANY_CONNECTIONS"):
            await connecting(replica, token_of(replica, "acme")).end()
        async with connected(replica, "bolt") as other:
            assert (await other.ask(ping={})).HasField("pong")
        assert (await client.ask(ping={})).HasField("pong")


async def test_rooms_of_a_connection(opened: OpenReplica) -> None:
    async with (
        opened(live=LiveSettings(rooms_per_connection=2)) as replica,
        connected(replica) as client,
    ):
        for room in ("changes", "memories", "changes"):  # one of them anew
            await client.subscribe(room)
        answer = await client.ask(subscribe={"room": "policies"})
        await client.ask(unsubscribe={"room": "memories"})

        assert (answer.error.reason, dict(answer.error.metadata)) == (
            "TOO_MANY_ROOMS",
            {"limit": "2"},
        )
        await client.subscribe("policies")


async def test_messages_of_a_connection(opened: OpenReplica) -> None:
    """Those above the rate wait, and nobody else does."""
    settings = LiveSettings(messages_per_second=10, messages_at_once=3)
    async with (
        opened(live=settings) as replica,
        connected(replica) as client,
        connected(replica) as other,
    ):
        begun = time.monotonic()
        answers = [await client.ask(ping={}) for _ in range(8)]
        took = time.monotonic() - begun

        assert all(each.HasField("pong") for each in answers)
        assert took > 0.45  # 5 above what may come at once
        await hurts_nobody(client, other)


async def hurts_nobody(flood: LiveClient, other: LiveClient) -> None:
    """Though one sends far more than is read of it."""
    for _ in range(1000):
        await flood.send(ping={})
    begun = time.monotonic()
    assert (await other.ask(ping={})).HasField("pong")
    assert time.monotonic() - begun < 10  # not the minute or so that all of it takes


async def test_what_is_stored_counts_more(opened: OpenReplica) -> None:
    settings = LiveSettings(messages_per_second=20, messages_at_once=5)
    async with opened(live=settings) as replica, connected(replica) as client:
        begun = time.monotonic()
        for _ in range(3):
            await client.ask(unsubscribe={"room": "changes"})

        assert time.monotonic() - begun > 0.45  # 15 tokens


async def test_bytes_of_a_tenant(opened: OpenReplica) -> None:
    settings = LiveSettings(tenant_bytes_per_second=50_000, tenant_bytes_at_once=100_000)
    async with (
        opened(live=settings) as replica,
        connected(replica) as one,
        connected(replica) as two,
    ):
        begun = time.monotonic()
        for client in (one, two, one):
            await client.ask(authenticate={"token": "x" * 45_000})

        assert time.monotonic() - begun > 0.6  # 135,000


async def test_bytes_that_are_no_message_count_four_times(opened: OpenReplica) -> None:
    settings = LiveSettings(tenant_bytes_per_second=50_000, tenant_bytes_at_once=100_000)
    async with opened(live=settings) as replica:
        call = calling(replica)
        client = LiveClient(call)
        await client.next("welcome")
        begun = time.monotonic()
        for _ in range(2):
            await call.write(b"\x0a\xff\xff\xff\xff\x0f" + bytes(20_000))
            assert (await client.next("error")).reason == "MALFORMED_MESSAGE"

        assert time.monotonic() - begun > 0.9  # 160,000


async def test_messages_of_a_tenant(opened: OpenReplica) -> None:
    settings = LiveSettings(tenant_messages_per_second=20, tenant_messages_at_once=20)
    async with (
        opened(live=settings) as replica,
        connected(replica) as one,
        connected(replica) as two,
        connected(replica, "bolt") as other,
    ):
        begun = time.monotonic()
        for client in (one, two) * 20:
            assert (await client.ask(ping={})).HasField("pong")
        took = time.monotonic() - begun

        assert took > 0.9  # 20 above what may come at once
        await hurts_nobody(one, other)


async def test_a_message_that_is_too_large(opened: OpenReplica) -> None:
    async with (
        opened(live=LiveSettings(max_message_bytes=1024)) as replica,
        connected(replica) as client,
    ):
        answer = await client.ask(authenticate={"token": "x" * 2000})

        assert answer.error.reason == "MESSAGE_TOO_LARGE"
        assert (await client.ask(ping={})).HasField("pong")


def calling(replica: Replica) -> Any:
    """A call that sends bytes as they are."""
    connect: Any = replica.channel.stream_stream(
        "/aeterna.sync.v1.LiveService/Connect",
        request_serializer=bytes,
        response_deserializer=pb.ConnectResponse.FromString,
    )
    return connect(metadata=(("authorization", f"Bearer {token_of(replica, 'acme')}"),))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\xff\xff\xff\xff\x0f", "MALFORMED_MESSAGE"),
        (b"", "INVALID_REQUEST"),
        (IN(id="x" * 65, ping=IN.Ping()).SerializeToString(), "INVALID_REQUEST"),
        (IN(unsubscribe=IN.Unsubscribe(room="changes")).SerializeToString(), "NOT_IN_ROOM"),
        (IN(acknowledge=IN.Acknowledge(room="changes")).SerializeToString(), "NOT_IN_ROOM"),
        (IN(set_presence=HERE).SerializeToString(), "NOT_IN_ROOM"),
    ],
)
async def test_what_is_wrong_is_answered_and_goes_on(
    replica: Replica, data: bytes, reason: str
) -> None:
    call = calling(replica)
    client = LiveClient(call)
    await client.next("welcome")

    await call.write(data)
    error = await client.next("error")
    await call.write(IN(id="1", ping=IN.Ping()).SerializeToString())

    assert error.reason == reason
    assert (await client.next("pong")) is not None
    call.cancel()


async def test_who_is_silent_is_given_up(opened: OpenReplica) -> None:
    async with (
        opened(live=LiveSettings(silence=MILLISECOND)) as replica,
        connected(replica) as client,
    ):
        with fails_with("HEARTBEAT_MISSED", code=grpc.StatusCode.DEADLINE_EXCEEDED):
            await client.end()


async def test_a_server_that_stops_says_when_to_come_again(opened: OpenReplica) -> None:
    settings = LiveSettings(drain=timedelta(seconds=1))
    async with (
        opened(live=settings) as replica,
        opened() as another,
        connected(replica) as one,
        connected(replica) as two,
    ):
        stopping = asyncio.ensure_future(replica.stop())
        for client in (one, two):
            draining = await client.next("draining")
            assert 0 <= draining.reconnect_after.ToMilliseconds() <= 1000
            with fails_with("SERVER_STOPPING", code=grpc.StatusCode.UNAVAILABLE):
                await client.end()
        async with asyncio.timeout(SOON):
            await stopping
        await write(another, ONE)
        async with connected(another) as again:
            await again.subscribe("changes", since=0)
            assert await again.numbers(1) == [1]


async def test_who_ends_the_stream_leaves(replica: Replica) -> None:
    async with connected(replica) as client:
        await client.subscribe("changes")
        await client.call.done_writing()
        await client.end()

        assert client.call.done()
        assert await client.call.code() is grpc.StatusCode.OK
