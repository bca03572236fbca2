"""What those in a room hear of: everything that is in it and that they may read, once."""

import asyncio

import pytest

from libs.auth import Role
from libs.changes import Operation
from tests.databases import Database
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.live.clients import bind, change, connected, write
from tests.integration.sync.replicas import Replica

ONE, TWO = "memories/1", "memories/2"


async def test_events_of_everything_say_what_happened(replica: Replica) -> None:
    async with connected(replica) as client:
        assert await client.subscribe("changes") == 0

        await write(replica, change(ONE, layer="team"), change("budgets/b", Operation.UPDATED))
        first, second = await client.events(2)

        assert (first.number, first.type) == (1, "MemoryAdded")
        assert (first.change.resource, first.change.actor) == (ONE, "user:ann")
        assert (second.number, second.type) == (2, "ResourceChanged")


async def test_each_room_has_its_changes(replica: Replica) -> None:
    rooms = {
        "memories": [1, 2, 4],
        ONE: [1, 4],
        "layers/team": [1, 3],
        "projects/p": [2],
        "changes": [1, 2, 3, 4],
    }
    async with connected(replica) as client:
        await write(replica, change(ONE, layer="team"))
        for room in rooms:
            await client.subscribe(room, since=0)

        await write(
            replica,
            change(TWO, project="p"),
            change("knowledgeItems/1", layer="team"),
            change(ONE, Operation.UPDATED, layer="org"),
        )

        assert {room: await client.numbers(len(rooms[room]), room) for room in rooms} == rooms
        assert [each for each in client.heard if each.HasField("event")] == []


async def test_who_leaves_hears_nothing_more(replica: Replica) -> None:
    async with connected(replica) as client, connected(replica) as witness:
        for each in (client, witness):
            await each.subscribe("changes")

        left = await client.ask(unsubscribe={"room": "changes"})
        again = await client.ask(unsubscribe={"room": "changes"})
        await write(replica, change(ONE))
        assert await witness.numbers(1) == [1]
        await client.ask(ping={})

        assert left.unsubscribed.room == "changes"
        assert again.error.reason == "NOT_IN_ROOM"
        assert client.heard == []


async def test_who_enters_again_neither_misses_nor_gets_twice(replica: Replica) -> None:
    async with connected(replica) as client:
        await client.subscribe("changes", since=0)

        async def enter_again() -> list[int]:
            seen: list[int] = []
            while len(seen) < 200:
                seen += await client.numbers(10)
                dropped = await client.subscribe("changes", since=seen[-1])
                assert dropped == seen[-1]
                client.heard.clear()  # of before
            return seen

        reading = asyncio.create_task(enter_again())
        for _ in range(100):
            await write(replica, change(ONE), change(TWO))

        assert await reading == list(range(1, 201))


async def test_nothing_is_lost_or_doubled_under_concurrent_writers(opened: OpenReplica) -> None:
    async with opened() as replica, connected(replica) as one, connected(replica) as two:
        for client in (one, two):
            await client.subscribe("changes", since=0)
        await one.subscribe("memories", since=0)

        async def produce(size: int) -> None:
            for _ in range(20):
                await write(replica, *[change(ONE)] * size)

        writing = asyncio.gather(*(produce(size) for size in (1, 2, 3, 4)))
        async with connected(replica) as late:
            await late.subscribe("changes", since=0)
            everything = list(range(1, 201))
            for client in (one, two, late):
                assert await client.numbers(200) == everything
            assert await one.numbers(200, "memories") == everything
        await writing


async def test_what_may_not_be_read_is_not_heard_of(replica: Replica) -> None:
    """An administrator hears of everybody's, a viewer of what is nobody's and of its own."""
    admin = connected(replica, subject="root")
    ann = connected(replica, subject="ann", roles=[Role.VIEWER])
    bob = connected(replica, subject="bob", roles=[Role.VIEWER])
    async with admin as of_all, ann as of_ann, bob as of_bob:
        for client in (of_all, of_ann, of_bob):
            await client.subscribe("changes")

        await write(
            replica,
            change(ONE, layer="user", subject="ann"),
            change(TWO, layer="company"),
            change("memories/3", layer="user", subject="bob"),
            change("roleBindings/b", subject="cid"),
            change("budgets/b"),
        )

        assert await of_all.numbers(5) == [1, 2, 3, 4, 5]
        assert await of_ann.numbers(3) == [1, 2, 5]
        assert await of_bob.numbers(3) == [2, 3, 5]
        for client in (of_ann, of_bob):
            await client.ask(ping={})
            assert client.heard == []


@pytest.mark.parametrize(
    "room",
    [
        "",
        "changes/1",
        "layers/none",
        "layers",
        "orgs/",
        "teams/\0",
        "projects/a\nb",
        "Memories",
        "a b",
        "memories/",
        "memories/a/b",
        "memories/..",
        "x" * 400,
    ],
)
async def test_there_are_no_such_rooms(replica: Replica, room: str) -> None:
    async with connected(replica) as client:
        answer = await client.ask(subscribe={"room": room})

        assert answer.error.reason == "INVALID_REQUEST"
        assert list(answer.error.fields) == ["subscribe.room"]
        assert (await client.ask(ping={})).HasField("pong")


async def test_what_is_hidden_and_what_does_not_exist_look_alike(replica: Replica) -> None:
    await write(
        replica, change(ONE, layer="user", subject="ann"), change("exports/e", subject="ann")
    )

    async with connected(replica, subject="bob", roles=[Role.VIEWER]) as client:
        for there, not_there in ((ONE, TWO), ("exports/e", "exports/f")):
            hidden = (await client.ask(subscribe={"room": there})).error
            missing = (await client.ask(subscribe={"room": not_there})).error

            assert hidden.reason == missing.reason == "ROOM_NOT_FOUND"
            hidden.metadata["room"] = missing.metadata["room"] = ""
            assert hidden.message.replace(there, not_there) == missing.message
            hidden.message = missing.message
            assert hidden == missing

    async with connected(replica, subject="ann", roles=[Role.VIEWER]) as owner:
        await owner.subscribe(ONE)


async def test_others_rooms_are_not_ours(replica: Replica) -> None:
    async with connected(replica, "acme") as acme, connected(replica, "bolt") as bolt:
        for client in (acme, bolt):
            await client.subscribe("changes", since=0)

        await write(replica, change(ONE), change(ONE), change(ONE))
        await write(replica, change("policies/1"), tenant="bolt")

        assert {each.change.resource for each in await acme.events(3)} == {ONE}
        assert {each.change.resource for each in await bolt.events(1)} == {"policies/1"}
        await bolt.ask(ping={})
        assert bolt.heard == []


async def test_a_role_in_a_team_hears_of_the_team(replica: Replica, database: Database) -> None:
    places = [
        change(name, layer="team", org="", team=team, project="")
        for name, team in ((ONE, "red"), (TWO, "blue"), (ONE, "red"))
    ]
    await bind(replica, database, "tea", "red")
    await write(replica, *places)
    async with connected(replica, subject="tea", roles=[]) as client:
        for room in ("changes", "memories", ONE, "teams/red"):
            await client.subscribe(room, since=0)
            assert await client.numbers(2, room) == [1, 3]
        for room in (TWO, "teams/blue", "orgs/red"):
            answer = await client.ask(subscribe={"room": room})
            assert answer.error.reason == "ROOM_NOT_FOUND"
        await write(replica, *places)
        for room in ("changes", "memories", ONE, "teams/red"):
            assert await client.numbers(2, room) == [4, 6]
        assert [each for each in client.heard if each.HasField("event")] == []
