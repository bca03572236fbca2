"""What every store of cached embeddings does; Redis is a real one."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from libs.embedding.cache.redis_store import RedisStore
from libs.embedding.cache.store import Item, MemoryStore, Store
from libs.redis import RedisSettings, open_redis

PATIENT = 10.0  # seconds: of a machine that is busy with other tests


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    settings = RedisSettings(redis_url=SecretStr(request.getfixturevalue("redis_url")))
    async with open_redis(settings, PATIENT) as client:
        yield RedisStore(client, PATIENT)


@pytest.fixture
def prefix() -> str:
    return f"test:{uuid4()}:"


async def test_what_is_written_is_read_in_the_order_that_is_asked_for(
    store: Store, prefix: str
) -> None:
    values = {f"{prefix}{name}": bytes([number, 0, 255]) for number, name in enumerate("abc")}
    await store.write([Item(key, value, 60) for key, value in values.items()])

    keys = [f"{prefix}{name}" for name in ("c", "nothing", "a", "c", "b")]
    assert await store.read(keys) == [values.get(key) for key in keys]


async def test_the_last_one_stays(store: Store, prefix: str) -> None:
    await store.write([Item(prefix, b"one", 60), Item(prefix, b"two", 60)])
    assert await store.read([prefix]) == [b"two"]

    await store.write([Item(prefix, b"three", 60)])
    assert await store.read([prefix]) == [b"three"]


async def test_nothing_is_asked_for_nothing(store: Store) -> None:
    await store.write([])

    assert await store.read([]) == []
