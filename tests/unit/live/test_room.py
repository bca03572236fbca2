"""A room over many connections: each event once, in order, whatever is cut and sent again."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from hypothesis import given
from hypothesis import strategies as st

from aeterna.sync.v1 import live_pb2 as pb
from libs.clients import ClientError
from libs.live import Room

Subscribe = pb.ConnectRequest.Subscribe
Response = pb.ConnectResponse


class Sent(list[pb.ConnectRequest]):
    """What a room sends."""

    def __call__(self, message: pb.ConnectRequest) -> None:
        self.append(message)

    def of(self, kind: str) -> list[Any]:
        return [getattr(each, kind) for each in self if each.WhichOneof("message") == kind]


def make_room(sent: Sent | None = None, **values: Any) -> Room:
    return Room(
        Subscribe(room="memories", **values), Sent() if sent is None else sent, lambda _: None
    )


def event(number: int) -> Response:
    return Response(event=Response.Event(room="memories", number=number))


def checkpoint(number: int) -> Response:
    return Response(checkpoint=Response.Checkpoint(room="memories", number=number))


def subscribed(number: int) -> Response:
    return Response(subscribed=Response.Subscribed(room="memories", number=number))


async def heard(room: Room) -> list[int]:
    """The numbers of what waits in a room that is left."""
    room.leave()
    return [each.number async for each in room]


_LOG = st.sets(st.integers(1, 60)).map(sorted)


@given(_LOG, st.lists(st.integers(0, 70)), st.integers(0, 30))
def test_each_event_comes_once_whatever_is_cut(
    log: Sequence[int], cuts: Sequence[int], since: int
) -> None:
    """Each connection ends after so many messages; the server sends again from where it is told."""

    async def run() -> list[int]:
        room = make_room(since=since)
        for cut in [*cuts, 200]:
            begin = room.subscription().since
            messages = [subscribed(begin)]
            messages += [event(each) for each in log if each > begin]
            messages.append(checkpoint(70))
            for message in messages[:cut]:
                room.hear(message)
                room.hear(message)  # and perhaps twice
        return await heard(room)

    assert asyncio.run(run()) == [each for each in log if each > since]


async def test_from_now_on_is_from_where_the_server_said_first() -> None:
    room = make_room()
    assert not room.subscription().HasField("since")

    room.hear(subscribed(7))
    room.hear(event(9))

    assert room.subscription().since == 9
    assert await heard(room) == [9]


async def test_what_was_dealt_with_is_acknowledged_and_is_the_number_to_go_on_from() -> None:
    sent = Sent()
    room = make_room(sent, since=0, window=4)
    for number in (2, 5, 6):
        room.hear(event(number))
    room.hear(checkpoint(10))

    events = aiter(room)
    assert (await anext(events)).number == 2
    assert room.number == 0
    assert (await anext(events)).number == 5
    assert room.number == 2
    assert (await anext(events)).number == 6
    assert [each.number for each in sent.of("acknowledge")] == [5]
    room.leave()
    assert [each async for each in events] == []
    assert room.number == 10
    assert [each.number for each in sent.of("acknowledge")] == [5, 10]


async def test_without_a_window_nothing_is_acknowledged() -> None:
    sent = Sent()
    room = make_room(sent, since=0)
    room.hear(event(1))

    assert await heard(room) == [1]
    assert sent.of("acknowledge") == []


async def test_a_snapshot_that_was_cut_is_asked_for_again() -> None:
    room = make_room(snapshot=True)
    part = Response.Snapshot(room="memories", number=4)
    part.resources.add(name="memories/1", number=3)
    room.hear(subscribed(4))
    room.hear(Response(snapshot=part))
    assert room.subscription().snapshot

    other = Response.Snapshot(room="memories", number=6, complete=True)
    other.resources.add(name="memories/2", number=6)
    room.hear(subscribed(6))
    room.hear(Response(snapshot=other))
    room.hear(event(6))
    room.hear(event(7))

    snapshot = await room.snapshot()
    assert (snapshot.number, dict(snapshot.resources)) == (6, {"memories/2": 6})
    assert (room.subscription().snapshot, room.subscription().since) == (False, 7)
    assert await heard(room) == [7]


async def test_who_is_there_is_known_anew_after_each_reconnect() -> None:
    sent = Sent()
    room = make_room(sent, since=0, presence=True)
    room.hear(subscribed(0))
    room.say(pb.PRESENCE_STATE_IDLE)
    update = Response.PresenceUpdate(room="memories", connections=2, people=1)
    update.changes.add(connection="a", user="ann", state=pb.PRESENCE_STATE_ACTIVE)
    update.changes.add(connection="b", user="ann", state=pb.PRESENCE_STATE_ACTIVE)
    room.hear(Response(presence=update))
    gone = Response.PresenceUpdate(room="memories", connections=1, people=1)
    gone.changes.add(connection="a", state=pb.PRESENCE_STATE_OFFLINE)
    room.hear(Response(presence=gone))
    assert (set(room.people), room.connections, room.persons) == ({"b"}, 1, 1)

    room.hear(subscribed(0))

    assert not room.people
    assert [each.state for each in sent.of("set_presence")] == [pb.PRESENCE_STATE_IDLE] * 2


async def test_what_ends_a_room_ends_whoever_waits_in_it() -> None:
    room, refused = make_room(snapshot=True), ClientError(grpc.StatusCode.PERMISSION_DENIED, "no")
    waiting = [
        asyncio.ensure_future(each)
        for each in (room.entered(), room.snapshot(), anext(aiter(room)), anext(room.presence()))
    ]
    await asyncio.sleep(0)  # they wait

    room.end(refused)

    assert await asyncio.gather(*waiting, return_exceptions=True) == [refused] * 4
