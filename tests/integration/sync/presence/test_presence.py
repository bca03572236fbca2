"""Who is in a room, through live connections to one replica."""

from contextlib import AsyncExitStack
from uuid import uuid4

import grpc
import pytest

from libs.auth import Role
from libs.wakeups.settings import WakeupSettings
from tests.errors import reason_of
from tests.integration.sync.conftest import OpenReplica
from tests.integration.sync.live.clients import connected
from tests.integration.sync.presence.people import (
    ACTIVE,
    IDLE,
    OFFLINE,
    listed,
    new_room,
    present,
    sees,
)
from tests.integration.sync.replicas import Replica


@pytest.fixture
def room() -> str:
    return new_room()


async def test_people_see_who_comes_what_they_do_and_who_goes(replica: Replica, room: str) -> None:
    async with present(replica, room, "ann", device="laptop") as ann:
        await ann.until(sees("ann"))
        (own,) = ann.seen.values()
        assert (own.user, own.device, own.state) == ("ann", "laptop", ACTIVE)
        assert own.join_time.seconds > 0
        assert not own.HasField("cursor")

        async with present(replica, room, "bob") as bob:
            assert bob.users == ["ann", "bob"]
            await ann.until(sees("ann", "bob"))
            assert ann.people == 2
            answer = await bob.set(state=ACTIVE, cursor={"position": 4, "anchor": 2, "version": 7})
            assert answer.HasField("done")
            (connection,) = [each for each, seen in bob.seen.items() if seen.user == "bob"]
            await ann.until(lambda each: each.seen[connection].HasField("cursor"))
            cursor = ann.seen[connection].cursor
            assert (cursor.position, cursor.anchor, cursor.version) == (4, 2, 7)

            await bob.set(state=IDLE)
            await ann.until(lambda each: each.seen[connection].state == IDLE)
            assert not ann.seen[connection].HasField("cursor")
        await ann.until(sees("ann"))
        assert ann.told[-1].connection == connection
        assert ann.told[-1].state == OFFLINE
        assert not ann.partial


async def test_devices_of_one_person(replica: Replica, room: str) -> None:
    async with (
        present(replica, room, "ann", device="laptop") as ann,
        present(replica, room, "ann", device="phone"),
    ):
        await ann.until(sees("ann", "ann"))
        assert ann.people == 1
        assert {each.device for each in ann.seen.values()} == {"laptop", "phone"}


async def test_who_leaves_the_room_is_gone_from_it_alone(replica: Replica, room: str) -> None:
    other = new_room()
    async with present(replica, room, "ann") as ann, present(replica, room, "bob") as bob:
        await ann.until(sees("ann", "bob"))
        await bob.client.subscribe(other, presence=True)
        await bob.client.ask(unsubscribe={"room": room})

        await ann.until(sees("ann"))
        assert [each.user for each in (await listed(replica, other)).present] == ["bob"]


async def test_who_does_not_want_to_be_seen_is_not_and_sees_nobody(
    replica: Replica, room: str
) -> None:
    async with connected(replica, "acme", "eve") as eve, present(replica, room, "ann") as ann:
        await eve.subscribe(room)
        await ann.until(sees("ann"))
        answer = await eve.ask(set_presence={"room": room, "state": ACTIVE})

        assert answer.error.reason == "NOT_IN_ROOM"
        assert await eve.ask(ping={})
        assert [each for each in eve.heard if each.HasField("presence")] == []
        assert (await listed(replica, room)).connections == 1


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"state": OFFLINE}, "set_presence.state"),
        ({"cursor": {"position": -1}}, "set_presence.cursor.position"),
        ({"state": 77}, "set_presence.state"),
    ],
)
async def test_what_is_no_presence_is_refused(
    replica: Replica, room: str, message: dict[str, object], field: str
) -> None:
    async with present(replica, room, "ann") as ann:
        await ann.until(sees("ann"))
        answer = await ann.set(**message)

        assert answer.error.reason == "INVALID_REQUEST"
        assert list(answer.error.fields) == [field]
        (own,) = (await listed(replica, room)).present
        assert (own.state, own.HasField("cursor")) == (ACTIVE, False)


async def test_cursors_are_for_documents(replica: Replica) -> None:
    async with present(replica, "memories", "ann") as ann:
        answer = await ann.set(state=ACTIVE, cursor={"position": 1, "anchor": 1})

        assert list(answer.error.fields) == ["set_presence.cursor"]


async def test_pages_of_those_in_a_room(replica: Replica, room: str) -> None:
    async with AsyncExitStack() as stack:
        for name in ("ann", "bob", "cleo", "dan", "ann"):
            await stack.enter_async_context(present(replica, room, name))
        seen, token, pages = [], "", 0
        while token or not pages:
            page = await listed(replica, room, page_size=2, page_token=token)
            assert (page.connections, page.people, page.partial) == (5, 4, False)
            seen += [each.connection for each in page.present]
            token, pages = page.next_page_token, pages + 1

        assert pages == 3
        assert seen == sorted(seen)
        assert len(set(seen)) == 5
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await listed(replica, new_room(), page_token=_first_token(page.next_page_token, seen))
        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def _first_token(token: str, seen: list[str]) -> str:
    """One that is of another room, or none at all."""
    return token or seen[0]


async def test_another_tenants_room_of_the_same_name_is_another(
    replica: Replica, room: str
) -> None:
    async with (
        present(replica, room, "ann") as ann,
        present(replica, room, "eve", tenant="bolt") as eve,
    ):
        assert eve.users == ["eve"]
        await eve.until(sees("eve"))
        await ann.until(sees("ann"))
        assert [each.user for each in (await listed(replica, room, "bolt")).present] == ["eve"]
        assert [each.user for each in (await listed(replica, room)).present] == ["ann"]


async def test_who_may_not_enter_a_room_is_not_told_who_is_in_it(replica: Replica) -> None:
    hidden, nothing = f"memories/{uuid4()}", f"memories/{uuid4()}"
    async with (
        present(replica, hidden, "ann"),
        connected(replica, "acme", "vic", [Role.VIEWER]) as viewer,
    ):
        for room in (hidden, nothing):  # alike
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await listed(replica, room, by=Role.VIEWER)
            assert refusal.value.code() is grpc.StatusCode.NOT_FOUND
            assert reason_of(refusal.value) == "ROOM_NOT_FOUND"
            answer = await viewer.ask(subscribe={"room": room, "presence": True})
            assert answer.error.reason == "ROOM_NOT_FOUND"


async def test_several_processes_without_redis_say_that_they_are_alone(
    opened: OpenReplica, room: str
) -> None:
    transport = WakeupSettings(transport="postgres")
    async with opened(transport) as replica, present(replica, room, "ann") as ann:
        await ann.until(sees("ann"))
        assert ann.partial
        assert (await listed(replica, room)).partial
