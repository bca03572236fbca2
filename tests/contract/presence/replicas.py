"""Stores of several replicas that share what they know, with a clock that the test moves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from pydantic import SecretStr

from libs.redis import RedisSettings, open_redis
from libs.tenancy import TenantId
from services.sync.presence.domain.members import Member, Room, State
from services.sync.presence.ports import Store, Write
from services.sync.presence.store.memory import Hall, MemoryStore
from services.sync.presence.store.redis import RedisStore

LEASE = 15.0  # seconds
PATIENT = 20.0  # seconds: of a machine that is busy with other tests
ROOM = Room(TenantId("acme"), "documents/1")


@dataclass
class Clock:
    """In seconds; stands still by itself."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Replica:
    """Makes the store of a replica, by its name; `forget` loses what all of them know."""

    make: Callable[[str], Store]
    forget: Callable[[], Awaitable[None]]

    def __call__(self, name: str) -> Store:
        return self.make(name)


@asynccontextmanager
async def stores(adapter: str, redis_url: str, clock: Clock) -> AsyncIterator[Replica]:
    """What makes the store of a replica; all of them share what they know, with nobody else."""
    if adapter == "memory":
        hall = Hall(LEASE, clock)

        async def leave_nothing() -> None:
            for known in (hall.leases, hall.rooms, hall.of):
                known.clear()

        yield Replica(lambda name: MemoryStore(hall, name), leave_nothing)
        return
    settings, prefix = RedisSettings(redis_url=SecretStr(redis_url)), f"test:{uuid4().hex}:"
    async with open_redis(settings, PATIENT) as client:

        async def delete() -> None:
            keys = [key async for key in client.scan_iter(f"{prefix}*")]
            await client.delete(*keys, prefix)

        yield Replica(lambda name: RedisStore(client, name, LEASE, prefix, clock), delete)


def member(
    connection: str, user: str = "ann", state: State = State.ACTIVE, joined: int = 1
) -> Member:
    return Member(connection, user, "", "laptop", joined, state)


async def put(store: Store, before: int, *members: Member, room: Room = ROOM) -> int:
    """Writes members; the version that it made."""
    (written,) = await store.write([Write(room, before, members)])
    assert written
    return written.version


async def remove(store: Store, before: int, *connections: str, room: Room = ROOM) -> int:
    """Removes members; the version that it made."""
    (written,) = await store.write([Write(room, before, (), connections)])
    assert written
    return written.version


async def swept(store: Store) -> None:
    """Everything that the dead left is removed."""
    while (await store.sweep()).more:
        pass
