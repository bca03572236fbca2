"""What only the store in Redis has to see to: keys that are lost or must not stay."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from libs.redis import RedisSettings, open_redis
from services.sync.presence.domain.members import Counts, Cursor, Member, Room, State
from services.sync.presence.ports import StoreAway
from services.sync.presence.store.records import line_of, member_of
from services.sync.presence.store.redis import RedisStore
from tests.contract.presence.replicas import (
    LEASE,
    PATIENT,
    ROOM,
    Clock,
    member,
    put,
    remove,
    swept,
)
from tests.eventually import eventually
from tests.gate import gate_to

_BRIEF = 2.0  # seconds: a lease that ends while a test waits


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with open_redis(RedisSettings(redis_url=SecretStr(redis_url)), PATIENT) as client:
        yield client


@pytest.fixture
def prefix() -> str:
    return f"test:{uuid4().hex}:"


async def keys(client: redis.asyncio.Redis, prefix: str) -> list[bytes]:
    return [key async for key in client.scan_iter(f"{prefix}*")]


async def test_nothing_stays_for_longer_than_two_leases(
    client: redis.asyncio.Redis, prefix: str
) -> None:
    store = RedisStore(client, "here", LEASE, prefix)
    await store.renew({})
    version = await put(store, 0, member("c1"), member("c2", "bob"))
    for _ in range(2):
        found = await keys(client, prefix)
        assert len(found) == 7
        for key in found:
            assert 0 < await client.pttl(key) <= 2 * LEASE * 1000
        await store.renew({ROOM: version})


async def test_nothing_stays_of_who_left_where_others_are(
    client: redis.asyncio.Redis, prefix: str
) -> None:
    store = RedisStore(client, "here", _BRIEF, prefix)
    await store.renew({})
    version = await put(store, 0, member("c1"), member("c2", "bob"))
    version = await remove(store, version, "c2")
    assert b"bob" in await everything(client, prefix)

    async def forgotten() -> bool:
        await store.renew({ROOM: version})
        return b"bob" not in await everything(client, prefix)

    await eventually(forgotten)
    assert b"ann" in await everything(client, prefix)
    position = (await store.news({ROOM: ""}))[ROOM].position
    await put(store, version, member("c3", "cleo"))
    news = (await store.news({ROOM: position}))[ROOM]
    assert ([each.member.user for each in news.changes], news.complete) == (["cleo"], True)


async def everything(client: redis.asyncio.Redis, prefix: str) -> bytes:
    """Keys and values."""
    found = await keys(client, prefix)
    return b"\n".join([*found, *[await client.dump(key) or b"" for key in found]])


@pytest.mark.parametrize("lost", ["people", "versions", "members:here", "log", "leases"])
async def test_a_key_that_was_evicted_is_made_anew(
    client: redis.asyncio.Redis, prefix: str, lost: str
) -> None:
    here, there = (RedisStore(client, name, LEASE, prefix) for name in ("here", "there"))
    everybody = [member("c1"), member("c2", "bob"), member("c3", "bob")]
    own, other = {}, {}
    await here.renew({})
    await there.renew({})
    own[ROOM] = await put(here, 0, *everybody)
    other[ROOM] = await put(there, 0, member("c4", "bob"), member("c5", "cleo"))
    assert await client.delete(f"{prefix}{lost}:{ROOM.tenant}:{ROOM.name}") == (lost != "leases")
    await client.delete(f"{prefix}leases")

    for _ in range(2):
        for store, versions, members in (
            (here, own, everybody),
            (there, other, [member("c4", "bob"), member("c5", "cleo")]),
        ):
            if ROOM in (await store.renew(versions)).stale:
                versions[ROOM] = await anew(store, *members)
    assert await here.counts(ROOM) == Counts(5, 3)
    assert len(await there.page(ROOM, "", 10)) == 5


async def anew(store: RedisStore, *members: Member) -> int:
    from services.sync.presence.ports import Write

    (written,) = await store.write([Write(ROOM, 1, members, anew=True)])
    assert written
    return written.version


async def test_a_server_that_forgot_the_scripts_learns_them(
    client: redis.asyncio.Redis, prefix: str
) -> None:
    store = RedisStore(client, "here", LEASE, prefix)
    await store.renew({})
    await client.script_flush()
    await put(store, 0, member("c1"))

    assert await store.counts(ROOM) == Counts(1, 1)


async def test_many_rooms_are_renewed_and_read_at_once(
    client: redis.asyncio.Redis, prefix: str
) -> None:
    store, clock = RedisStore(client, "here", LEASE, prefix, Clock()), Clock()
    rooms = [Room("acme", f"documents/{number}") for number in range(450)]
    await store.renew({})
    versions = {room: await put(store, 0, member("c1"), room=room) for room in rooms}
    versions[rooms[300]] = 7
    renewal = await store.renew(versions)

    assert renewal.stale == {rooms[300]}
    assert set(renewal.positions) == set(rooms)
    news = await store.news(renewal.positions)
    assert all(each.complete and each.counts == Counts(1, 1) for each in news.values())
    clock.now += 1
    await swept(store)


async def test_a_server_that_is_away_says_so_without_its_address(redis_url: str) -> None:
    async with gate_to(redis_url) as gate:
        settings = RedisSettings(redis_url=SecretStr(gate.url))
        async with open_redis(settings, 0.2) as client:
            store = RedisStore(client, "here")
            await gate.stop()
            for call in (store.renew({}), store.counts(ROOM), store.held(ROOM), store.sweep()):
                with pytest.raises(StoreAway) as failure:
                    await call
                assert str(failure.value) == ""


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
cursors = st.none() | st.builds(Cursor, st.integers(0), st.integers(0), st.integers(0))


@given(
    st.builds(
        Member,
        st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
        texts,
        texts,
        texts,
        st.integers(0, 2**53),
        st.sampled_from(list(State)),
        cursors,
    )
)
def test_a_member_is_one_line_in_the_order_of_connections(somebody: Member) -> None:
    line = line_of(somebody)

    assert member_of(line) == somebody
    assert line.startswith(f"{somebody.connection}\n".encode())
    assert line.count(b"\n") == 2
