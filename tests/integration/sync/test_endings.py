"""How subscriptions end, and that nobody else is hurt by it."""

import asyncio
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from libs.clients.errors import ClientError, from_call
from libs.postgres import CONTROL_ROLE
from tests.databases import Database, add_tenant
from tests.errors import fails_with, reason_of
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.replicas import (
    SOON,
    Call,
    Replica,
    checkpoint,
    end,
    numbers,
    open_replica,
    read,
)
from tests.servers import StoppablePostgres

_OFTEN = timedelta(milliseconds=10)


async def test_a_number_that_is_not_reached(replica: Replica) -> None:
    await replica.append("acme", 3)

    with fails_with("NUMBER_NOT_REACHED", code=grpc.StatusCode.FAILED_PRECONDITION):
        await end(replica.subscribe("acme", since=4))
    with fails_with("NUMBER_NOT_REACHED"):
        await replica.list("acme", 4)


async def test_a_number_that_another_replica_gave_is_waited_for(opened: OpenReplica) -> None:
    """This one has not heard of it yet, but the log has it."""
    async with opened() as here, opened() as there:
        behind = there.subscribe("acme")
        await checkpoint(behind)
        await here.append("acme", 5)

        ahead = there.subscribe("acme", since=5)
        assert await checkpoint(ahead) == 5
        await there.append("acme")

        assert await numbers(ahead, 1) == [6]
        assert await numbers(behind, 6) == [1, 2, 3, 4, 5, 6]


async def test_a_log_that_was_restored_to_an_earlier_point(
    opened: OpenReplica, database: Database
) -> None:
    async with opened(poll=_OFTEN) as replica:
        await replica.append("acme", 5)
        call = replica.subscribe("acme")
        await checkpoint(call)

        await _as_superuser(
            database,
            "DELETE FROM aeterna.change WHERE number > 3",
            "UPDATE aeterna.tenant_state SET seq = 3 WHERE tenant_id = 'acme'",
        )

        with fails_with("NUMBER_NOT_REACHED"):
            await end(call)


async def test_a_hole_in_the_log_is_never_passed_over(replica: Replica, database: Database) -> None:
    await replica.append("acme", 5)
    await _as_superuser(database, "DELETE FROM aeterna.change WHERE number = 3")

    call = replica.subscribe("acme", since=2)
    assert await checkpoint(call) == 2
    with fails_with("CHANGES_MISSING", code=grpc.StatusCode.FAILED_PRECONDITION):
        await end(call)
    with fails_with("CHANGES_MISSING"):
        await replica.list("acme", 1)


async def test_a_suspended_tenant(opened: OpenReplica, database: Database) -> None:
    async with opened(poll=_OFTEN) as replica:
        call, other = replica.subscribe("acme"), replica.subscribe("bolt")
        await checkpoint(call)
        await checkpoint(other)

        async with database.connect(CONTROL_ROLE) as conn:
            await conn.execute("UPDATE control.tenant SET state = 'suspended' WHERE id = 'acme'")

        with fails_with("TENANT_SUSPENDED", code=grpc.StatusCode.FAILED_PRECONDITION):
            await end(call)
        await replica.append("bolt")
        assert await numbers(other, 1) == [1]


async def test_a_tenant_that_moves_is_followed(
    opened: OpenReplica, database: Database, postgres: str
) -> None:
    async with Database.copy(postgres) as shard, opened(poll=_OFTEN) as replica:
        await replica.append("acme", 2)
        call = replica.subscribe("acme", since=0)
        await checkpoint(call)
        assert await numbers(call, 2) == [1, 2]

        await add_tenant(shard, "acme")
        await _move(database, shard, "acme")
        async with opened() as other:
            await other.append("acme")

        assert await numbers(call, 1) == [3]


async def test_an_expired_token(replica: Replica) -> None:
    call = replica.subscribe("acme", lifetime=timedelta(seconds=3))
    other = replica.subscribe("acme")
    assert await checkpoint(call) == await checkpoint(other) == 0

    with fails_with("TOKEN_EXPIRED", code=grpc.StatusCode.UNAUTHENTICATED):
        await end(call)

    await replica.append("acme")
    assert await numbers(other, 1) == [1]


async def test_more_subscriptions_than_a_tenant_may_have(opened: OpenReplica) -> None:
    async with opened(subscriptions_per_tenant=2) as replica:
        calls = [replica.subscribe("acme") for _ in range(2)]
        for call in calls:
            await checkpoint(call)

        with fails_with("TOO_MANY_SUBSCRIPTIONS", code=grpc.StatusCode.RESOURCE_EXHAUSTED):
            await end(replica.subscribe("acme"))
        assert await checkpoint(replica.subscribe("bolt")) == 0

        calls[0].cancel()
        await _accepted(replica)
        await replica.append("acme")
        assert await numbers(calls[1], 1) == [1]


async def test_a_server_that_stops_does_not_wait_for_its_subscribers(replica: Replica) -> None:
    call, behind = replica.subscribe("acme"), replica.subscribe("bolt", since=0)
    await checkpoint(call)
    await checkpoint(behind)

    async with asyncio.timeout(SOON / 2):  # calls under way are given SOON
        await replica.stop()

    for each in (call, behind):
        with fails_with("SERVER_STOPPING", code=grpc.StatusCode.UNAVAILABLE):
            await end(each)


async def test_a_slow_consumer_is_cut_and_the_others_go_on(opened: OpenReplica) -> None:
    async with opened(write_timeout=timedelta(seconds=2), subscriptions_per_tenant=2) as replica:
        slow, fast = replica.subscribe("acme", since=0), replica.subscribe("acme", since=0)
        await checkpoint(slow)
        await checkpoint(fast)

        await replica.append("acme", 3000)  # more than fits into what a client has not read
        assert await numbers(fast, 3000) == list(range(1, 3001))
        (await _accepted(replica)).cancel()  # it had the place of the slow one

        last, error = await _rest(slow)
        assert (error.reason, error.code) == (
            "SLOW_CONSUMER",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        )
        assert 0 < int(error.metadata["lastNumber"]) <= last < 3000
        again = await _accepted(replica, since=last)
        assert await numbers(again, 3000 - last) == list(range(last + 1, 3001))


async def test_a_store_that_goes_away(
    stoppable: tuple[StoppablePostgres, Database], tmp_path: Path
) -> None:
    server, database = stoppable
    async with open_replica(database, tmp_path, poll=_OFTEN) as replica:
        call = replica.subscribe("acme", since=0)
        await checkpoint(call)

        await server.stop()

        with fails_with("STORE_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE):
            await end(call)


@pytest.mark.parametrize(
    "collections", [["with/slash"], ["a"] * 2, [""], ["x" * 65], [f"c{'x' * n}" for n in range(17)]]
)
async def test_collections_that_break_the_contract(
    replica: Replica, collections: list[str]
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await end(replica.subscribe("acme", collections=collections))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def _as_superuser(database: Database, *statements: str) -> None:
    async with database.connect() as conn:
        for statement in statements:
            await conn.execute(statement)


async def _move(control: Database, shard: Database, tenant: str) -> None:
    """From the shard in the control database itself to another one: fence, copy, place."""
    async with control.connect() as old, shard.connect() as new:
        await old.execute("UPDATE aeterna.tenant_state SET epoch = 2 WHERE tenant_id = $1", tenant)
        rows = await old.fetch("SELECT * FROM aeterna.change WHERE tenant_id = $1", tenant)
        await new.copy_records_to_table("change", schema_name="aeterna", records=map(tuple, rows))
        await new.execute(
            "UPDATE aeterna.tenant_state SET epoch = 2, seq = $2 WHERE tenant_id = $1",
            tenant,
            len(rows),
        )
    async with control.connect(CONTROL_ROLE) as conn:
        await conn.execute("INSERT INTO control.shard (id, dsn) VALUES ('second', $1)", shard.dsn)
        await conn.execute(
            "UPDATE control.placement SET shard_id = 'second', epoch = 2 WHERE tenant_id = $1",
            tenant,
        )


async def _accepted(replica: Replica, since: int | None = None) -> Call:
    """A subscription, as soon as there is room for one."""
    async with asyncio.timeout(SOON):
        while True:
            call = replica.subscribe("acme", since)
            try:
                await checkpoint(call)
            except grpc.aio.AioRpcError as error:
                if reason_of(error) != "TOO_MANY_SUBSCRIPTIONS":
                    raise
            else:
                return call


async def _rest(call: Call) -> tuple[int, ClientError]:
    """The last number that still arrives, and the error after it."""
    last = 0
    try:
        while True:
            last = (await read(call)).change.number
    except grpc.aio.AioRpcError as error:
        return last, from_call(error)
