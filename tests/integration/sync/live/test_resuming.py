"""From anywhere in the log, at any replica: nothing is lost, nothing comes twice."""

from datetime import timedelta

import grpc
import pytest
from prometheus_client import REGISTRY

from libs.auth import Role
from libs.changes import Operation
from services.sync.live.settings import LiveSettings
from tests.databases import Database
from tests.errors import info_of
from tests.eventually import eventually
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.live.clients import change, connected, prune, write
from tests.integration.sync.replicas import Replica

ONE, TWO = "memories/1", "memories/2"
TEAM = change(ONE, layer="team")


@pytest.mark.parametrize("room", ["changes", "memories", ONE, "layers/team"])
async def test_what_was_missed_then_what_is_new(replica: Replica, room: str) -> None:
    await write(replica, *[TEAM] * 2700)  # more than is kept, and more than pages
    async with connected(replica) as client:
        assert await client.subscribe(room, since=1) == 1

        assert await client.numbers(2699, room) == list(range(2, 2701))
        checkpoint = await client.next("checkpoint")
        assert (checkpoint.room, checkpoint.number) == (room, 2700)
        await write(replica, TEAM)
        assert await client.numbers(1, room) == [2701]


async def test_another_replica_goes_on_though_it_does_not_know_so_far(opened: OpenReplica) -> None:
    """Without wake-ups between them the second has seen nothing of what the first has sent."""
    async with opened() as here, opened() as there:
        async with connected(there) as witness, connected(here) as client:
            await witness.subscribe("changes")
            await client.subscribe("changes")
            await write(here, TEAM, TEAM)
            assert await client.numbers(2) == [1, 2]

        async with connected(there) as client, connected(there) as another:
            assert await client.subscribe("changes", since=2) == 2
            await another.subscribe("changes", since=1)
            await write(here, TEAM)
            await write(there, TEAM)

            assert await client.numbers(2) == [3, 4]
            assert await another.numbers(3) == [2, 3, 4]


async def test_a_number_that_there_is_not_is_refused(replica: Replica) -> None:
    await write(replica, TEAM)
    async with connected(replica) as client:
        answer = await client.ask(subscribe={"room": "changes", "since": 7})

        assert answer.error.reason == "NUMBER_NOT_REACHED"
        assert answer.error.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
        assert dict(answer.error.metadata) == {"since": "7", "head": "1"}
        assert (await client.ask(ping={})).HasField("pong")


async def test_what_exists_then_what_changes(replica: Replica) -> None:
    await write(
        replica,
        change(TWO, layer="team"),
        change(ONE, layer="team"),
        change("memories/3", layer="team"),
        change("memories/4", layer="user", subject="cid"),
        change("memories/3", Operation.DELETED, layer="team"),
        change("budgets/b"),
        change(ONE, Operation.UPDATED, layer="team"),
        change("actions/x", Operation.RECORDED),
    )
    expected = {
        "memories": [(ONE, 7), (TWO, 1), ("memories/4", 4)],
        "changes": [("budgets/b", 6), (ONE, 7), (TWO, 1), ("memories/4", 4)],
        ONE: [(ONE, 7)],
        "layers/team": [(ONE, 7), (TWO, 1)],
        "teams/t": [],
    }
    async with connected(replica) as client:
        for room, resources in expected.items():
            assert await client.subscribe(room, snapshot=True) == 8
            part = await client.next("snapshot")
            assert (part.room, part.complete, part.number) == (room, True, 8)
            assert [(each.name, each.number) for each in part.resources] == resources

        await write(replica, change(ONE, Operation.DELETED, layer="team"))
        for room in ("memories", "changes", ONE, "layers/team"):
            assert await client.numbers(1, room) == [9]


async def test_a_snapshot_comes_in_parts(replica: Replica) -> None:
    names = [f"memories/{number:04}" for number in range(1200)]
    await write(replica, *[change(name, layer="team") for name in names])
    async with connected(replica) as client:
        await client.subscribe("memories", snapshot=True)
        parts = [await client.next("snapshot") for _ in range(3)]

        assert [each.name for part in parts for each in part.resources] == names
        assert [part.complete for part in parts] == [False, False, True]


async def test_a_snapshot_shows_what_may_be_read(replica: Replica) -> None:
    await write(
        replica,
        change(ONE, layer="user", subject="ann"),
        change(TWO, layer="user", subject="bob"),
        change("memories/3", layer="team"),
    )
    async with connected(replica, subject="bob", roles=[Role.VIEWER]) as client:
        await client.subscribe("memories", snapshot=True)
        part = await client.next("snapshot")

        assert [each.name for each in part.resources] == [TWO, "memories/3"]


async def test_a_pruned_log_says_so(replica: Replica, database: Database) -> None:
    await write(replica, *[TEAM] * 5)
    await prune(replica, database, 3)
    async with connected(replica) as client:
        since = (await client.ask(subscribe={"room": "changes", "since": 2})).error
        one = (await client.ask(subscribe={"room": ONE, "since": 0})).error
        snapshot = (await client.ask(subscribe={"room": "memories", "snapshot": True})).error

        assert since.reason == one.reason == "CHANGES_PRUNED"
        assert dict(since.metadata) == {"since": "2", "floor": "3", "head": "5"}
        assert snapshot.reason == "SNAPSHOT_UNAVAILABLE"
        assert dict(snapshot.metadata) == {"room": "memories", "floor": "3", "head": "5"}
        await client.subscribe("changes", since=3)
        assert await client.numbers(2) == [4, 5]


async def test_both_a_number_and_a_snapshot_are_refused(replica: Replica) -> None:
    async with connected(replica) as client:
        asked = {"room": "changes", "since": 0, "snapshot": True}
        answer = await client.ask(subscribe=asked)

        assert list(answer.error.fields) == ["subscribe.since"]


async def test_a_window_is_filled_and_goes_on_when_acknowledged(replica: Replica) -> None:
    async with connected(replica) as client, connected(replica) as witness:
        await client.subscribe("changes", window=300)
        await witness.subscribe("changes")
        await write(replica, *[TEAM] * 1200)
        assert await witness.numbers(1200) == list(range(1, 1201))

        seen = await client.numbers(300)
        await client.ask(ping={})
        assert client.heard == []
        while len(seen) < 1200:
            await client.send(acknowledge={"room": "changes", "number": seen[-1]})
            seen += await client.numbers(min(300, 1200 - len(seen)))
        await client.send(acknowledge={"room": "changes", "number": 1200})
        await write(replica, TEAM)

        assert seen + await client.numbers(1) == list(range(1, 1202))


async def test_who_does_not_read_goes_on_where_it_was(opened: OpenReplica) -> None:
    """It falls behind, the log is read for it, and it has everything."""
    settings = LiveSettings(waiting_bytes=4096)
    async with (
        opened(live=settings) as replica,
        connected(replica) as witness,
        connected(replica) as client,
    ):
        for each in (client, witness):
            await each.subscribe("changes")
        for _ in range(10):
            await write(replica, *[TEAM] * 200)
        assert await witness.numbers(2000) == list(range(1, 2001))

        assert await client.numbers(2000) == list(range(1, 2001))
        await write(replica, TEAM)
        assert await client.numbers(1) == [2001]


async def test_who_never_reads_is_cut_off(opened: OpenReplica) -> None:
    settings = LiveSettings(waiting_bytes=4096, patience=timedelta(milliseconds=10))
    async with opened(live=settings) as replica, connected(replica) as client:
        await client.subscribe("changes")
        await write(replica, TEAM)
        assert await client.numbers(1) == [1]
        await client.send(acknowledge={"room": "changes", "number": 1})
        await client.ask(ping={})
        before = _cut_off()
        await write(replica, *[TEAM] * 5000)

        async def cut_off() -> bool:
            return _cut_off() > before

        await eventually(cut_off)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await client.end()

        info = info_of(ended.value)
        assert (info.reason, dict(info.metadata)) == ("SLOW_CONSUMER", {"lastNumber": "1"})


async def test_a_quiet_room_is_told_from_where_to_resume(opened: OpenReplica) -> None:
    async with opened(quiet=timedelta(milliseconds=10)) as replica, connected(replica) as client:
        await client.subscribe("policies")
        await write(replica, TEAM)

        told = 0  # from before it
        while not told:
            told = (await client.next("checkpoint")).number
        assert told == 1


def _cut_off() -> float:
    """How many clients were ended because they did not read."""
    return REGISTRY.get_sample_value("aeterna_live_ended_total", {"reason": "SLOW_CONSUMER"}) or 0
