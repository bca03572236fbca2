"""Several replicas over each store, with a clock that the test moves."""

import pytest

from libs.tenancy import TenantId
from services.sync.live.errors import NotInRoom
from services.sync.presence.domain.members import Counts, Cursor, Room, State
from tests.contract.presence.replicas import ROOM, Clock, Replica, member
from tests.contract.presence.rooms import Client, Desk, desks, pass_time


@pytest.fixture
def pair(replica: Replica, clock: Clock) -> list[Desk]:
    return desks(replica, clock, "here", "there")


async def test_people_at_two_replicas_see_each_other(pair: list[Desk], clock: Clock) -> None:
    here, there = pair
    ann = await here.enter(ROOM, member("c1", "ann"))
    bob = await there.enter(ROOM, member("c2", "bob"))
    assert set(bob.seen) == {"c1", "c2"}

    await pass_time(clock, 6, here, there)
    assert set(ann.seen) == set(bob.seen) == {"c1", "c2"}
    assert ann.counts == bob.counts == Counts(2, 2)
    assert not ann.partial


async def test_what_somebody_does_is_seen(pair: list[Desk], clock: Clock) -> None:
    here, there = pair
    ann = await here.enter(ROOM, member("c1", "ann"))
    await there.enter(ROOM, member("c2", "bob"))
    there.presences.set(ROOM, "c2", State.ACTIVE, Cursor(4, 2, 7))
    await pass_time(clock, 6, here, there)
    assert ann.seen["c2"].cursor == Cursor(4, 2, 7)

    there.presences.leave(ROOM, "c2")
    await pass_time(clock, 6, here, there)
    assert set(ann.seen) == {"c1"}
    assert ann.told[-1].connection == "c2"
    assert ann.told[-1].state is State.OFFLINE


async def test_devices_of_one_person_are_one_person(pair: list[Desk], clock: Clock) -> None:
    here, there = pair
    await here.enter(ROOM, member("c1", "ann"), member("c2", "ann"))
    ann = await there.enter(ROOM, member("c3", "ann"))
    await pass_time(clock, 6, here, there)
    assert ann.counts == Counts(3, 1)

    here.presences.leave(ROOM, "c1")
    await pass_time(clock, 6, here, there)
    assert ann.counts == Counts(2, 1)


async def test_time_makes_idle_then_offline_and_a_sign_of_life_brings_back(
    pair: list[Desk], clock: Clock
) -> None:
    here, there = pair
    tenant = ROOM.tenant
    await here.enter(ROOM, member("c1", "ann"))
    bob = await there.enter(ROOM, member("c2", "bob"))
    for _ in range(7):  # bob's client is heard, ann's is not
        await pass_time(clock, 10, here, there)
        there.presences.heard(tenant, "c2")
        there.presences.set(ROOM, "c2", State.ACTIVE, None)
    assert bob.seen["c1"].state is State.IDLE
    assert bob.seen["c2"].state is State.ACTIVE

    await pass_time(clock, 30, here, there)
    assert set(bob.seen) == {"c2"}
    assert bob.counts == Counts(1, 1)

    here.presences.heard(tenant, "c1")
    await pass_time(clock, 6, here, there)
    assert state_of("c1", bob) is State.IDLE
    here.presences.set(ROOM, "c1", State.ACTIVE, None)
    await pass_time(clock, 6, here, there)
    assert state_of("c1", bob) is State.ACTIVE


async def test_who_was_idle_is_idle_again_after_a_minute(replica: Replica, clock: Clock) -> None:
    (here,) = desks(replica, clock, "here")
    ann = await here.enter(ROOM, member("c1", "ann"))
    await pass_time(clock, 61, here)
    assert state_of("c1", ann) is State.IDLE
    here.presences.set(ROOM, "c1", State.ACTIVE, None)
    await pass_time(clock, 58, here)
    assert state_of("c1", ann) is State.ACTIVE
    await pass_time(clock, 3, here)
    assert state_of("c1", ann) is State.IDLE


async def test_heartbeats_alone_keep_a_person_there_for_hours(
    replica: Replica, clock: Clock
) -> None:
    (here,) = desks(replica, clock, "here")
    ann = await here.enter(ROOM, member("c1", "ann"))
    for _ in range(60):
        await pass_time(clock, 60, here)
        here.presences.heard(ROOM.tenant, "c1")
    assert ann.seen["c1"].state is State.IDLE
    assert State.OFFLINE not in {each.state for each in ann.told}


async def test_a_dead_replica_leaves_nobody_beyond_its_lease(
    pair: list[Desk], clock: Clock
) -> None:
    here, there = pair
    await here.enter(ROOM, member("c1", "ann"), member("c2", "cleo"))
    bob = await there.enter(ROOM, member("c3", "bob"))
    await pass_time(clock, 20, here, there)
    assert bob.counts == Counts(3, 3)

    await pass_time(clock, 9, there)  # here is dead, its lease ends in 10 to 15 seconds
    assert set(bob.seen) == {"c1", "c2", "c3"}
    await pass_time(clock, 7, there)
    assert set(bob.seen) == {"c3"}
    assert bob.counts == Counts(1, 1)
    assert not bob.partial


async def test_a_store_that_is_away_leaves_each_replica_alone_and_says_so(
    pair: list[Desk], clock: Clock
) -> None:
    here, there = pair
    ann = await here.enter(ROOM, member("c1", "ann"))
    bob = await there.enter(ROOM, member("c2", "bob"))
    await pass_time(clock, 16, here, there)
    for desk in pair:
        desk.store.away = True
    await pass_time(clock, 20, here, there)
    assert ann.partial
    assert bob.partial
    assert ann.counts == bob.counts == Counts(1, 1)
    assert set(ann.seen) == set(bob.seen) == {"c1", "c2"}  # nobody is gone by that
    listed = await here.presences.list(ROOM, "", 10)
    assert listed.partial
    assert [each.connection for each in listed.members] == ["c1"]

    await here.enter(ROOM, member("c3", "cleo"))
    here.presences.leave(ROOM, "c1")
    await pass_time(clock, 2, here, there)
    for desk in pair:
        desk.store.away = False
    await pass_time(clock, 30, here, there)
    assert set(ann.seen) == set(bob.seen) == {"c2", "c3"}
    assert ann.counts == bob.counts == Counts(2, 2)
    assert not ann.partial
    assert not bob.partial
    assert [each.connection for each in bob.told if each.state is State.OFFLINE] == ["c1"]


async def test_replicas_that_are_held_up_do_not_take_each_other_for_dead(
    pair: list[Desk], clock: Clock
) -> None:
    here, there = pair
    ann = await here.enter(ROOM, member("c1", "ann"))
    bob = await there.enter(ROOM, member("c2", "bob"))
    await pass_time(clock, 16, here, there)
    clock.now += 20
    await pass_time(clock, 3, here)
    await pass_time(clock, 20, here, there)

    assert set(ann.seen) == set(bob.seen) == {"c1", "c2"}
    assert State.OFFLINE not in {each.state for each in [*ann.told, *bob.told]}
    assert ann.counts == Counts(2, 2)


async def test_one_replica_that_comes_back_later_loses_nobody(
    pair: list[Desk], clock: Clock
) -> None:
    here, there = pair
    ann = await here.enter(ROOM, member("c1", "ann"))
    bob = await there.enter(ROOM, member("c2", "bob"))
    await pass_time(clock, 16, here, there)
    for desk in pair:
        desk.store.away = True
    await pass_time(clock, 60, here, there)
    for desk, connection in zip(pair, ("c1", "c2"), strict=True):
        desk.presences.heard(ROOM.tenant, connection)
    here.store.away = False
    await pass_time(clock, 10, here, there)
    there.store.away = False
    await pass_time(clock, 30, here, there)

    assert set(ann.seen) == set(bob.seen) == {"c1", "c2"}
    assert State.OFFLINE not in {each.state for each in [*ann.told, *bob.told]}
    assert ann.counts == Counts(2, 2)


async def test_a_large_room_hears_of_counts_and_of_some(pair: list[Desk], clock: Clock) -> None:
    here, there = pair
    bob = await there.enter(ROOM, member("b", "bob"))
    crowd = [member(f"c{number:04}", f"u{number}") for number in range(900)]
    shown = await here.enter(ROOM, *crowd)
    assert len(shown.seen) == 50
    await pass_time(clock, 6, here, there)
    assert bob.counts == Counts(901, 901)
    assert len(bob.told) <= 7 * 50

    listed = await there.presences.list(ROOM, "c0899", 10)
    assert listed.members == []
    assert [each.connection for each in (await there.presences.list(ROOM, "b", 2)).members] == [
        "c0000",
        "c0001",
    ]

    for each in crowd[:890]:
        here.presences.leave(ROOM, each.connection)
    await pass_time(clock, 8, here, there)
    assert bob.counts == Counts(11, 11)
    assert {each.connection for each in crowd[890:]} <= set(bob.seen)


async def test_a_rooms_people_are_none_of_another_tenants(pair: list[Desk], clock: Clock) -> None:
    here, there = pair
    other = Room(TenantId("bolt"), ROOM.name)
    ann = await here.enter(ROOM, member("c1", "ann"))
    eve = await there.enter(other, member("c2", "eve"))
    await pass_time(clock, 6, here, there)

    assert set(ann.seen) == {"c1"}
    assert set(eve.seen) == {"c2"}
    assert (await there.presences.list(ROOM, "", 10)).counts == Counts(1, 1)
    with pytest.raises(NotInRoom):
        there.presences.set(ROOM, "c2", State.ACTIVE, None)
    there.presences.leave(ROOM, "c1")
    assert (await there.presences.list(ROOM, "", 10)).counts == Counts(1, 1)


async def test_who_ends_takes_leave(pair: list[Desk], clock: Clock) -> None:
    here, there = pair
    await here.enter(ROOM, member("c1", "ann"))
    bob = await there.enter(ROOM, member("c2", "bob"))
    await pass_time(clock, 2, here, there)
    await here.presences.close()
    await pass_time(clock, 6, there)

    assert set(bob.seen) == {"c2"}
    assert bob.counts == Counts(1, 1)


async def test_rooms_that_are_empty_are_forgotten(replica: Replica, clock: Clock) -> None:
    (here,) = desks(replica, clock, "here")
    for number in range(20):
        room = Room(ROOM.tenant, f"documents/{number}")
        await here.enter(room, member("c1", "ann"))
        here.presences.leave(room, "c1")
    await pass_time(clock, 100, here)

    assert here.presences.size == (0, 0)


def state_of(connection: str, client: Client) -> State:
    return client.seen[connection].state
