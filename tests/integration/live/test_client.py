"""The client of live connections against the real suite, also when its connections are cut."""

from __future__ import annotations  # the stubs know more classes than the code

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import grpc
import pytest

from aeterna.memory.v1 import memory_pb2
from aeterna.sync.v1 import live_pb2 as pb
from libs.auth import Role
from libs.clients import ClientError
from libs.live import Event, Live, Room
from tests.integration.authorization.rules import Ruled
from tests.integration.live.conftest import Tenant

SOON = 20.0  # seconds


async def _take(events: AsyncIterator[Event], count: int) -> list[Event]:
    async with asyncio.timeout(SOON):
        return [await anext(events) for _ in range(count)]


async def _refused(room: Room) -> ClientError:
    with pytest.raises(ClientError) as refused:
        await asyncio.wait_for(room.entered(), SOON)
    return refused.value


@pytest.mark.parametrize("json", [False, True])
async def test_what_happened_and_what_happens_comes_once_and_in_order(
    tenant: Tenant, json: bool
) -> None:
    before = [await tenant.add(f"before {place}") for place in range(3)]
    live = await tenant.live(json=json)
    events = aiter(live.enter("memories", since=0, window=2))
    told = await _take(events, 3)
    after = [await tenant.add(f"after {place}") for place in range(3)]
    told += await _take(events, 3)

    assert [each.change.resource for each in told] == before + after
    assert [each.type for each in told] == ["MemoryAdded"] * 6
    numbers = [each.number for each in told]
    assert numbers == sorted(set(numbers))


async def test_what_happens_while_a_connection_is_cut_is_not_missed(tenant: Tenant) -> None:
    live = await tenant.live(gate=True)
    room = live.enter("memories")
    await asyncio.wait_for(room.entered(), SOON)
    events, names = aiter(room), []
    for place in range(3):
        names.append(await tenant.add(f"heard {place}"))
        await tenant.gate.stop()
        names.append(await tenant.add(f"missed {place}"))
        await tenant.gate.start()

    told = await _take(events, 6)

    assert [each.change.resource for each in told] == names


async def test_a_room_of_a_place_tells_of_it_to_those_who_have_a_role_there(
    tenant: Tenant,
) -> None:
    await Ruled(tenant.suite, "acme").bind("tea", Role.VIEWER, team="red")
    live = await tenant.live(token=lambda: tenant.token("tea", roles=()))
    red, everything = live.enter("teams/red", since=0), live.enter("changes", since=0)
    await asyncio.wait_for(red.entered(), SOON)
    await tenant.add("blue", team_id="blue")
    await tenant.add("all")
    names = [await tenant.add(f"red {place}", team_id="red") for place in range(2)]

    assert [each.change.resource for each in await _take(aiter(red), 2)] == names
    assert [each.change.resource for each in await _take(aiter(everything), 2)] == names
    refused = await _refused(live.enter("teams/blue"))
    assert refused.code is grpc.StatusCode.NOT_FOUND


async def test_more_rooms_than_a_connection_may_have_are_refused_for_good(tenant: Tenant) -> None:
    live = await tenant.live()
    rooms = [live.enter(f"teams/t{place}") for place in range(100)]
    for each in rooms:
        await asyncio.wait_for(each.entered(), SOON)

    refused = await _refused(live.enter("teams/one-more"))

    assert refused.reason == "TOO_MANY_ROOMS"
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    rooms[0].leave()
    await asyncio.wait_for(live.enter("teams/one-more").entered(), SOON)


async def test_a_snapshot_says_what_there_is_and_events_follow(tenant: Tenant) -> None:
    names = [await tenant.add(f"{place}") for place in range(3)]
    live = await tenant.live()
    room = live.enter("memories", snapshot=True)

    snapshot = await asyncio.wait_for(room.snapshot(), SOON)
    assert set(snapshot.resources) == set(names)
    later = await tenant.add("later")
    (event,) = await _take(aiter(room), 1)
    assert (event.change.resource, event.number > snapshot.number) == (later, True)


async def test_a_token_is_renewed_before_it_expires(tenant: Tenant) -> None:
    lifetime = timedelta(seconds=8)
    live = await tenant.live(token=lambda: tenant.token(lifetime=lifetime))
    events = aiter(live.enter("memories", since=0))
    connection = (await asyncio.wait_for(live.online(), SOON)).connection

    await asyncio.sleep(lifetime.total_seconds())
    assert tenant.minted > 1
    await tenant.add("after the first token's end")

    assert (await _take(events, 1))[0].type == "MemoryAdded"
    assert (await live.online()).connection == connection


async def test_a_token_that_is_no_good_ends_the_client(tenant: Tenant) -> None:
    live = await tenant.live(token=lambda: "nonsense")

    refused = await _refused(live.enter("memories"))

    assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(ClientError):
        await live.online()
    assert (await _refused(live.enter("changes"))).code is grpc.StatusCode.UNAUTHENTICATED


async def test_what_a_tokens_provider_raises_ends_the_client_or_passes(tenant: Tenant) -> None:
    answers: Iterator[str | Exception] = iter(
        [OSError("no network"), TimeoutError(), tenant.token(), KeyError("a bug")]
    )

    def token() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    live = await tenant.live(gate=True, token=token)
    await asyncio.wait_for(live.online(), SOON)
    room = live.enter("memories")
    await asyncio.wait_for(room.entered(), SOON)
    await tenant.gate.stop()
    await tenant.gate.start()

    with pytest.raises(ClientError, match="There is no token"):
        await _take(aiter(room), 1)


@pytest.mark.parametrize("room", ["", "teams", "layers/nowhere", "what ever", "a" * 321])
async def test_a_room_that_there_cannot_be_is_refused_and_the_others_go_on(
    tenant: Tenant, room: str
) -> None:
    live = await tenant.live()
    events = aiter(live.enter("memories", since=0))

    assert (await _refused(live.enter(room))).code is grpc.StatusCode.INVALID_ARGUMENT
    await tenant.add("goes on")
    assert len(await _take(events, 1)) == 1
    with pytest.raises(ValueError, match="in memories already"):
        live.enter("memories")


async def test_a_number_that_the_log_does_not_reach_ends_the_room(tenant: Tenant) -> None:
    live = await tenant.live()

    refused = await _refused(live.enter("memories", since=10_000))

    assert refused.reason == "NUMBER_NOT_REACHED"


async def test_a_request_made_without_a_connection_waits_for_one(tenant: Tenant) -> None:
    await tenant.gate.stop()
    live = await tenant.live(gate=True)
    request = pb.ConnectRequest.Ping()
    asking = asyncio.create_task(live.ask(request, seconds=SOON))
    with pytest.raises(TimeoutError):
        await live.ask(request, seconds=0.1)
    assert not asking.done()

    await tenant.gate.start()

    assert (await asking).DESCRIPTOR.name == "Pong"
    with pytest.raises(ValueError, match="not sent over"):
        await live.ask(memory_pb2.GetMemoryRequest())


async def test_a_client_sends_no_more_than_a_server_takes(tenant: Tenant) -> None:
    await tenant.gate.stop()
    live = await tenant.live(gate=True)
    ping = pb.ConnectRequest.Ping()
    asking = [asyncio.create_task(live.ask(ping, seconds=SOON)) for _ in range(300)]
    await asyncio.sleep(0)  # they wait for a connection

    await tenant.gate.start()
    connection = (await asyncio.wait_for(live.online(), SOON)).connection

    assert len(await asyncio.gather(*asking)) == 300
    assert (await live.online()).connection == connection


async def test_what_is_dealt_with_quickly_is_acknowledged_seldom(tenant: Tenant) -> None:
    live = await tenant.live()
    connection = (await asyncio.wait_for(live.online(), SOON)).connection
    events = aiter(live.enter("memories", since=0, window=64))
    requests = [
        memory_pb2.CreateMemoryRequest(
            memory=memory_pb2.Memory(layer=memory_pb2.LAYER_COMPANY, content=f"{place}")
        )
        for place in range(100)
    ]
    for _ in range(5):
        await tenant.suite.memory.BatchCreateMemories(
            memory_pb2.BatchCreateMemoriesRequest(requests=requests),
            metadata=tenant.suite.auth("acme"),
        )

    assert len(await _take(events, 500)) == 500
    assert (await live.online()).connection == connection


async def test_a_room_that_is_left_ends_after_what_had_come(tenant: Tenant) -> None:
    live = await tenant.live()
    room = live.enter("memories", since=0)
    await tenant.add("heard")
    events = aiter(room)
    assert len(await _take(events, 1)) == 1

    room.leave()

    assert [each async for each in events] == []
    again = live.enter("memories", since=room.number)
    await tenant.add("heard again")
    assert len(await _take(aiter(again), 1)) == 1


async def test_a_closed_client_ends_whoever_waits(tenant: Tenant) -> None:
    async with Live("ws://127.0.0.1:9/v1/live", lambda: "x") as live:
        asking = asyncio.create_task(live.ask(pb.ConnectRequest.Ping(), seconds=None))
        room = live.enter("memories")
        await asyncio.sleep(0)  # it is asked

    with pytest.raises(ClientError):
        await asking
    assert [each async for each in room] == []
