"""What every store of presence does; Redis is a real one."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from libs.tenancy import TenantId
from services.sync.presence.domain.members import Counts, Cursor, Member, Placed, Room, State
from services.sync.presence.ports import Store, Swept, Write
from tests.contract.presence.replicas import (
    LEASE,
    PATIENT,
    ROOM,
    Clock,
    Replica,
    member,
    put,
    remove,
    swept,
)


async def alive(replica: Replica, name: str) -> Store:
    store = replica(name)
    await store.renew({})
    return store


async def connections(store: Store, room: Room = ROOM) -> list[str]:
    return [each.member.connection for each in await store.page(room, "", 1000)]


async def test_who_is_written_by_one_replica_is_seen_by_the_other(replica: Replica) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    ann = Member("c1", "ann\n%", "plan\0ner", 'a "device"\n', 17, State.IDLE, Cursor(3, 1, 9))
    await put(here, 0, ann)

    assert await there.page(ROOM, "", 10) == [Placed(ann, "here")]
    assert await there.counts(ROOM) == Counts(1, 1)
    assert await there.held(ROOM) == set()
    assert await here.held(ROOM) == {"c1"}


async def test_people_are_counted_once_and_connections_each(replica: Replica) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    version = await put(here, 0, member("c1", "ann"), member("c2", "ann"), member("c3", "bob"))
    await put(there, 0, member("c4", "ann"))
    assert await here.counts(ROOM) == Counts(4, 2)

    version = await remove(here, version, "c1", "c2", "c3")
    assert await here.counts(ROOM) == Counts(1, 1)
    assert version == 0

    version = await put(here, 0, member("c5", "bob"))
    assert await there.counts(ROOM) == Counts(2, 2)

    await put(here, version, member("c5", "ann"))
    assert await there.counts(ROOM) == Counts(2, 1)


async def test_a_repeat_changes_nothing(replica: Replica) -> None:
    here = await alive(replica, "here")
    version = await put(here, 0, member("c1"))
    news = (await here.news({ROOM: ""}))[ROOM]
    version = await put(here, version, member("c1"))
    await remove(here, version, "c9", "c8")

    assert await here.counts(ROOM) == Counts(1, 1)
    assert (await here.news({ROOM: news.position}))[ROOM].changes == []
    assert (await here.news({ROOM: news.position}))[ROOM].position == news.position


async def test_a_write_after_another_one_than_the_last_is_refused(replica: Replica) -> None:
    here = await alive(replica, "here")
    await put(here, 0, member("c1"))

    assert await here.write([Write(ROOM, 0, [member("c2")])]) == [None]
    assert await here.write([Write(ROOM, 7, [member("c2")])]) == [None]
    assert await here.counts(ROOM) == Counts(1, 1)

    (written,) = await here.write([Write(ROOM, 7, [member("c2")], ["c1"], anew=True)])
    assert written
    assert written.version == 8
    assert await connections(here) == ["c2"]


async def test_pages_are_in_the_order_of_the_connections(replica: Replica) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    names = [f"c{number:03}" for number in range(50)]
    await put(here, 0, *[member(name) for name in names[::2]])
    await put(there, 0, *[member(name) for name in names[1::2]])

    seen: list[str] = []
    while page := await here.page(ROOM, seen[-1] if seen else "", 7):
        seen += [each.member.connection for each in page]
    assert seen == names


async def test_names_that_begin_alike_are_different(replica: Replica) -> None:
    here = await alive(replica, "here")
    version = await put(here, 0, member("c1", "ann"), member("c12", "ann2"), member("c", "an"))
    version = await put(here, version, member("c1", "ann", State.IDLE))
    assert await connections(here) == ["c", "c1", "c12"]

    await remove(here, version, "c1")
    assert await connections(here) == ["c", "c12"]
    assert await here.counts(ROOM) == Counts(2, 2)


async def test_the_log_says_what_happened_since(replica: Replica) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    version = await put(here, 0, member("c1"))
    first = (await there.news({ROOM: ""}))[ROOM]
    assert not first.complete

    version = await put(here, version, member("c1", state=State.IDLE), member("c2", "bob"))
    await remove(here, version, "c2")
    news = (await there.news({ROOM: first.position}))[ROOM]

    assert news.complete
    assert list(news.changes) == [
        Placed(member("c1", state=State.IDLE), "here"),
        Placed(member("c2", "bob"), "here"),
        Placed(member("c2", "bob", State.OFFLINE), "here"),
    ]
    assert news.counts == Counts(1, 1)


async def test_a_log_that_no_longer_reaches_back_says_so(replica: Replica) -> None:
    here = await alive(replica, "here")
    version = await put(here, 0, member("c1"))
    position = (await here.news({ROOM: ""}))[ROOM].position
    for number in range(2000):
        version = await put(here, version, member("c1", joined=number + 2))

    news = (await here.news({ROOM: position}))[ROOM]
    assert not news.complete
    assert (await here.news({ROOM: news.position}))[ROOM].complete


async def test_a_log_goes_on_where_it_was_forgotten(replica: Replica, clock: Clock) -> None:
    here = await alive(replica, "here")
    version = await put(here, 0, member("c1"))
    for _ in range(9):
        clock.now += 5
        position = (await here.renew({ROOM: version})).positions[ROOM]
    version = await put(here, version, member("c2", "bob"))
    news = (await here.news({ROOM: position}))[ROOM]

    assert news.complete
    assert [each.member.connection for each in news.changes] == ["c2"]


async def test_a_write_says_where_the_log_was_and_is(replica: Replica) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    await put(there, 0, member("c0"))
    before = (await here.news({ROOM: ""}))[ROOM].position
    (written,) = await here.write([Write(ROOM, 0, [member("c1")])])

    assert written
    assert written.since == before
    assert (await here.news({ROOM: ""}))[ROOM].position == written.position
    assert written.counts == Counts(2, 1)


async def test_who_is_silent_for_a_lease_counts_no_more(replica: Replica, clock: Clock) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    version = await put(here, 0, member("c1", "ann"), member("c2", "bob"))
    await put(there, 0, member("c3", "ann"))
    position = (await there.news({ROOM: ""}))[ROOM].position

    clock.now += LEASE - 1
    await there.renew({ROOM: 1})
    assert await there.sweep() == Swept(None, more=False)
    assert await there.counts(ROOM) == Counts(3, 2)

    clock.now += 1
    assert (await there.counts(ROOM)).connections == 1
    assert await connections(there) == ["c3"]
    assert len(await there.page(ROOM, "", 9, lapsed=True)) == 3

    await swept(there)
    assert await there.counts(ROOM) == Counts(1, 1)
    news = (await there.news({ROOM: position}))[ROOM]
    gone = {each.member.connection: each.member.state for each in news.changes}
    assert gone == {"c1": State.OFFLINE, "c2": State.OFFLINE}

    assert (await here.renew({ROOM: version})).stale == {ROOM}
    assert await here.write([Write(ROOM, version, [member("c9")])]) == [None]


async def test_what_the_dead_left_is_removed_in_parts_by_several(
    replica: Replica, clock: Clock
) -> None:
    dead = await alive(replica, "dead")
    rooms = [Room(TenantId("acme"), f"documents/{number}") for number in range(5)]
    for room in rooms:
        await put(dead, 0, *[member(f"c{n:04}", f"u{n % 700}") for n in range(1200)], room=room)
    clock.now += LEASE
    survivors = [await alive(replica, name) for name in ("one", "two")]
    for room in rooms:
        await put(survivors[0], 0, member("d", "u1"), room=room)

    await asyncio.gather(*map(swept, survivors))
    for room in rooms:
        assert await survivors[1].counts(room) == Counts(1, 1)


async def test_who_comes_back_while_it_is_swept_writes_anew(replica: Replica, clock: Clock) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    everybody = [member(f"c{number:04}", f"u{number}") for number in range(1200)]
    version = await put(here, 0, *everybody)
    clock.now += LEASE
    await there.renew({})
    assert await there.sweep() == Swept(ROOM, more=True)

    assert (await here.renew({ROOM: version})).stale == {ROOM}
    assert not (await there.sweep()).more
    held = await here.held(ROOM)
    assert 0 < len(held) < 1200
    await here.write([Write(ROOM, version, everybody, anew=True)])
    assert await there.counts(ROOM) == Counts(1200, 1200)


async def test_who_leaves_is_gone_at_once(replica: Replica) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    await put(here, 0, member("c1"))
    await put(there, 0, member("c2", "bob"))
    await here.leave()

    assert await there.counts(ROOM) == Counts(1, 1)
    assert await connections(there) == ["c2"]


async def test_a_room_of_another_tenant_is_another_room(replica: Replica) -> None:
    here = await alive(replica, "here")
    for tenant, name in (("acme", "a:b"), ("acme", "*"), ("bolt", "a:b"), ("acme-a", "b")):
        await put(here, 0, member("c1", tenant), room=Room(TenantId(tenant), name))

    for tenant, name in (("acme", "a:b"), ("acme", "*"), ("bolt", "a:b"), ("acme-a", "b")):
        room = Room(TenantId(tenant), name)
        assert await here.counts(room) == Counts(1, 1)
        assert [each.member.user for each in await here.page(room, "", 9)] == [tenant]
    for tenant, name in (("bolt", "*"), ("acme", "a"), ("acme", "?:b"), ("b", "a:b"), ("acme", "")):
        assert await here.counts(Room(TenantId(tenant), name)) == Counts(0, 0)


async def test_renewing_says_how_far_the_logs_are(replica: Replica) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    version = await put(here, 0, member("c1"))
    await put(there, 0, member("c2"))
    renewal = await here.renew({ROOM: version})

    assert renewal.stale == set()
    assert renewal.positions == {ROOM: (await here.news({ROOM: ""}))[ROOM].position}


async def test_the_others_are_hinted_of_what_is_written_and_swept(
    replica: Replica, clock: Clock
) -> None:
    here, there = await alive(replica, "here"), await alive(replica, "there")
    heard: asyncio.Queue[tuple[str, Room]] = asyncio.Queue()
    async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENT):
        tasks = []
        for store in (here, there):
            ready = asyncio.Event()
            hear = _hearer(heard, store.replica)
            tasks.append(group.create_task(store.listen(ready.set, hear)))
            await ready.wait()
        await put(here, 0, member("c1"))
        assert await heard.get() == ("there", ROOM)

        clock.now += LEASE
        await there.renew({})
        await swept(there)
        assert await heard.get() == ("here", ROOM)
        for task in tasks:
            task.cancel()
    assert heard.empty()


def _hearer(heard: "asyncio.Queue[tuple[str, Room]]", name: str) -> Callable[[Room], None]:
    return lambda room: heard.put_nowait((name, room))


async def test_states_of_many_are_written_at_once(replica: Replica) -> None:
    here = await alive(replica, "here")
    everybody = [member(f"c{number:03}", f"u{number}") for number in range(300)]
    rooms = [Room(TenantId("acme"), f"documents/{number}") for number in range(3)]
    await here.write([Write(room, 0, everybody) for room in rooms])
    idle = [replace(each, state=State.IDLE) for each in everybody]
    answers = await here.write([Write(room, 1, idle) for room in rooms])

    assert [each and each.counts for each in answers] == [Counts(300, 300)] * 3
    page = await here.page(rooms[1], "c100", 5)
    assert [each.member for each in page] == idle[101:106]
