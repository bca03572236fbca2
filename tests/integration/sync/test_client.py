"""The client's side: one endless iteration, whatever happens to connections and servers."""

from __future__ import annotations  # the asynchronous stub exists in its type stubs only

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from aeterna.common.v1.change_pb2 import Change
from aeterna.sync.v1 import sync_pb2 as pb
from aeterna.sync.v1 import sync_pb2_grpc as pb_grpc
from libs.clients.subscription import ChangesOutOfOrder, Subscription
from tests.databases import Database
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.replicas import SOON, Replica, checkpoint, open_replica
from tests.servers import StoppablePostgres

_OFTEN = timedelta(milliseconds=10)


async def take(subscription: Subscription, count: int) -> list[int]:
    """The numbers of the next changes, over a connection that is then given up."""
    seen: list[int] = []
    async with asyncio.timeout(SOON), aclosing(subscription.__aiter__()) as changes:
        while len(seen) < count:
            seen.append((await anext(changes)).number)
    return seen


@pytest.mark.parametrize("seed", range(3))
async def test_reconnecting_at_random_points_between_replicas(
    opened: OpenReplica, seed: int
) -> None:
    chance = random.Random(seed)
    async with opened(poll=_OFTEN) as here, opened(poll=_OFTEN) as there:

        async def write() -> None:
            for count in chance.choices(range(1, 9), k=40):
                await chance.choice((here, there)).append("acme", count)

        writing = asyncio.gather(write(), write())
        seen: list[int] = []
        while len(seen) < 80:  # there are 80 changes at least
            client = chance.choice((here, there)).subscription("acme", since=len(seen))
            seen += await take(client, chance.randint(1, 15))

        await writing
        seen += await take(here.subscription("acme", since=len(seen)), await _left(here, seen))
        assert seen == list(range(1, len(seen) + 1))


async def _left(replica: Replica, seen: Sequence[int]) -> int:
    return (await replica.list("acme", 0)).head - len(seen)


async def test_a_server_that_stops_is_replaced_by_another(opened: OpenReplica) -> None:
    async with opened(poll=_OFTEN) as here, opened(poll=_OFTEN) as there:
        both = f"ipv4:{here.address},{there.address}"
        async with grpc.aio.insecure_channel(both) as channel:
            stub = pb_grpc.SyncServiceStub(channel)
            client = Subscription(stub, since=0, metadata=lambda: there.auth("acme"))
            async with asyncio.timeout(SOON), aclosing(client.__aiter__()) as changes:
                await there.append("acme")
                assert (await anext(changes)).number == 1
                await here.stop()
                await there.append("acme", 2)
                assert [(await anext(changes)).number for _ in range(2)] == [2, 3]


async def test_a_store_that_comes_back(
    stoppable: tuple[StoppablePostgres, Database], tmp_path: Path
) -> None:
    server, database = stoppable
    async with open_replica(database, tmp_path, poll=_OFTEN) as replica:
        client = replica.subscription("acme", since=0)
        async with asyncio.timeout(SOON), aclosing(client.__aiter__()) as changes:
            await replica.append("acme")
            assert (await anext(changes)).number == 1

            await server.stop()
            await server.start()
            async with open_replica(database, tmp_path) as other:
                await other.append("acme", 2)

            assert [(await anext(changes)).number for _ in range(2)] == [2, 3]


async def test_filtered_changes_count_as_seen(replica: Replica) -> None:
    await replica.append("acme", 3)
    await replica.append("acme", 1, "policies")
    await replica.append("acme", 3)
    client = replica.subscription("acme", 0, ["policies"])

    assert await take(client, 1) == [4]
    assert client.number == 4
    await replica.append("acme", 1, "policies")
    assert await take(client, 1) == [8]


async def test_an_expired_token_is_replaced(replica: Replica) -> None:
    lifetimes = iter([timedelta(seconds=3), timedelta(hours=1)])
    client = Subscription(replica.stub, 0, metadata=lambda: replica.auth("acme", next(lifetimes)))
    async with asyncio.timeout(SOON), aclosing(client.__aiter__()) as changes:
        await replica.append("acme")
        assert (await anext(changes)).number == 1

        second = asyncio.ensure_future(anext(changes))
        expiring = replica.subscribe("acme", lifetime=timedelta(seconds=3))
        await checkpoint(expiring)
        await expiring.code()  # the client's own token is older
        await replica.append("acme")

        assert (await second).number == 2


async def test_a_refused_token_is_not_sent_again(replica: Replica) -> None:
    client = Subscription(replica.stub, 0, metadata=lambda: (("authorization", "Bearer none"),))

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await take(client, 1)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_number_that_is_not_reached_is_told(replica: Replica) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await take(replica.subscription("acme", since=1), 1)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION


@dataclass
class Script(pb_grpc.SyncServiceServicer):
    """A server that answers each call with the next part of its script, then stays silent."""

    parts: list[list[pb.SubscribeResponse | status_pb2.Status]]
    calls: list[tuple[int, float]] = field(default_factory=list)  # since, and when

    async def ListChanges(
        self, request: pb.ListChangesRequest, context: object
    ) -> pb.ListChangesResponse:
        return pb.ListChangesResponse()

    async def Subscribe(
        self, request: pb.SubscribeRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[pb.SubscribeResponse]:
        self.calls.append((request.since, asyncio.get_running_loop().time()))
        for answer in self.parts.pop(0):
            if isinstance(answer, pb.SubscribeResponse):
                yield answer
                continue
            await context.abort(
                grpc.StatusCode.UNAVAILABLE,
                "gone",
                (("grpc-status-details-bin", answer.SerializeToString()),),
            )
        await asyncio.Event().wait()


@asynccontextmanager
async def following(
    script: Script, since: int | None, silence: timedelta = timedelta(hours=1)
) -> AsyncIterator[AsyncIterator[Change]]:
    """A client of a server that follows the script."""
    server = grpc.aio.server()
    pb_grpc.add_SyncServiceServicer_to_server(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        client = Subscription(pb_grpc.SyncServiceStub(channel), since, silence=silence)
        async with asyncio.timeout(SOON), aclosing(client.__aiter__()) as changes:
            yield changes
    await server.stop(None)


def change(number: int) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(change=Change(number=number))


def mark(number: int) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(checkpoint=number)


def gone(retry_delay: timedelta | None = None) -> status_pb2.Status:
    status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="gone")
    if retry_delay is not None:
        delay = Duration()
        delay.FromTimedelta(retry_delay)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


@pytest.mark.parametrize(
    "answers",
    [
        [mark(5), change(6), change(8)],
        [mark(5), change(6), change(6)],
        [mark(5), change(5)],
        [mark(5), change(6), mark(5)],
        [mark(4)],
    ],
)
async def test_a_server_that_leaves_out_or_repeats_is_found_out(
    answers: list[pb.SubscribeResponse | status_pb2.Status],
) -> None:
    async with following(Script([answers]), since=5) as changes:
        with pytest.raises(ChangesOutOfOrder):
            _ = [each async for each in changes]


async def test_a_new_connection_begins_after_the_last_number_seen() -> None:
    script = Script([[mark(5), change(6), gone()], [gone()], [mark(6), change(7)]])
    async with following(script, since=5) as changes:
        assert [(await anext(changes)).number for _ in range(2)] == [6, 7]
    assert [since for since, _ in script.calls] == [5, 6, 6]


async def test_a_checkpoint_counts_as_seen() -> None:
    script = Script([[mark(41), gone()], [mark(41), change(42)]])
    async with following(script, since=None) as changes:
        assert (await anext(changes)).number == 42
    assert [since for since, _ in script.calls] == [0, 41]


async def test_what_is_hidden_is_no_loss() -> None:
    script = Script([[mark(5), change(6), mark(8), change(9)]])
    async with following(script, since=5) as changes:
        assert [(await anext(changes)).number for _ in range(2)] == [6, 9]


async def test_the_server_says_how_long_to_wait() -> None:
    delay = timedelta(milliseconds=300)
    script = Script([[gone(delay)], [mark(0), change(1)]])
    async with following(script, since=0) as changes:
        await anext(changes)
    (_, first), (_, second) = script.calls
    assert second - first >= delay.total_seconds()


async def test_a_mute_connection_is_given_up() -> None:
    script = Script([[mark(0)], *[[mark(0), change(1)]] * 9])
    async with following(script, 0, silence=timedelta(milliseconds=50)) as changes:
        assert (await anext(changes)).number == 1
