from collections.abc import Sequence

import pytest

from libs.embedding.cache.store import Item, MemoryStore


class Clock:
    """Seconds that pass when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def kept(store: MemoryStore, names: Sequence[str]) -> str:
    values = await store.read(list(names))
    return "".join(name for name, value in zip(names, values, strict=True) if value is not None)


async def test_entries_expire(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    await store.write([Item("a", b"1", 60), Item("b", b"2", 61)])

    clock.now += 60

    assert await kept(store, "ab") == "b"


async def test_what_was_used_least_recently_makes_room(clock: Clock) -> None:
    store = MemoryStore(capacity=3500, clock=clock)
    await store.write([Item(name, bytes(800), 60) for name in "abcd"])
    assert await kept(store, "abcd") == "bcd"

    await store.read(["b"])
    await store.write([Item("e", bytes(800), 60)])

    assert await kept(store, "bcde") == "bde"


async def test_room_is_given_back_by_what_is_replaced_or_expires(clock: Clock) -> None:
    store = MemoryStore(capacity=2500, clock=clock)
    for _ in range(10):
        await store.write([Item("a", bytes(800), 60)])
    await store.write([Item("b", bytes(800), 1)])
    clock.now += 1
    assert await kept(store, "ab") == "a"

    await store.write([Item("c", bytes(800), 60)])

    assert await kept(store, "abc") == "ac"


async def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    store = MemoryStore(capacity=1000)
    await store.write([Item("a", bytes(2000), 60)])

    assert await kept(store, "a") == ""
