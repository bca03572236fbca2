"""What every `KeyStore` must do, the one in memory included."""

import asyncio
import os
from dataclasses import replace
from typing import cast
from uuid import uuid4

import asyncpg
import pytest

from libs.encryption.store import KeyStore, PostgresKeyStore, StoredSubjectKey, StoredTenantKey
from libs.encryption.store_memory import MemoryKeyStore
from libs.tenancy import Route, ShardId, TenantId


@pytest.fixture(params=["memory", "postgres"])
def place(request: pytest.FixtureRequest) -> tuple[KeyStore, Route]:
    """A store, and the route of a tenant in it that has no keys yet."""
    if request.param == "memory":
        pool = cast(asyncpg.Pool, None)
        return MemoryKeyStore(), Route(TenantId("acme"), ShardId("one"), 1, pool)
    try:
        return PostgresKeyStore(), request.getfixturevalue("route")
    except pytest.FixtureLookupError:
        pytest.skip("needs the fixture `route`: a provisioned tenant in a migrated database")


@pytest.fixture
def store(place: tuple[KeyStore, Route]) -> KeyStore:
    return place[0]


@pytest.fixture
def acme(place: tuple[KeyStore, Route]) -> Route:
    return place[1]


@pytest.fixture
async def keyed(store: KeyStore, acme: Route) -> Route:
    """The tenant, with a key that wraps subjects' keys."""
    await store.add_tenant_key(acme, tenant_key())
    return acme


def tenant_key(version: int = 1) -> StoredTenantKey:
    return StoredTenantKey(version, f"kms-{version}", os.urandom(60))


def subject_key(subject: str = "ada", version: int = 1) -> StoredSubjectKey:
    return StoredSubjectKey(subject, version, uuid4(), 1, os.urandom(40))


async def test_tenant_keys_come_oldest_first(store: KeyStore, acme: Route) -> None:
    assert list(await store.tenant_keys(acme)) == []

    keys = [tenant_key(version) for version in (2, 10, 1)]
    for key in keys:
        await store.add_tenant_key(acme, key)

    assert list(await store.tenant_keys(acme)) == [keys[2], keys[0], keys[1]]


async def test_the_first_tenant_key_of_a_version_stays(store: KeyStore, acme: Route) -> None:
    first = tenant_key()
    await store.add_tenant_key(acme, first)
    await store.add_tenant_key(acme, tenant_key())

    assert list(await store.tenant_keys(acme)) == [first]


async def test_the_newest_version_of_a_subject_is_found(store: KeyStore, keyed: Route) -> None:
    assert await store.newest_subject_key(keyed, "ada") is None

    keys = [subject_key(version=version) for version in (1, 10, 2)]
    for key in [*keys, subject_key("bob", 11)]:
        assert await store.add_subject_key(keyed, key, uses=0)

    assert await store.newest_subject_key(keyed, "ada") == keys[1]


async def test_the_tenant_itself_is_a_subject_too(store: KeyStore, keyed: Route) -> None:
    own = subject_key("")
    await store.add_subject_key(keyed, own, uses=0)

    assert await store.newest_subject_key(keyed, "") == own


async def test_of_two_that_add_a_version_one_wins(store: KeyStore, keyed: Route) -> None:
    keys = [subject_key() for _ in range(6)]
    won = await asyncio.gather(*(store.add_subject_key(keyed, key, uses=0) for key in keys))

    assert won.count(True) == 1
    assert await store.newest_subject_key(keyed, "ada") == keys[won.index(True)]


async def test_keys_are_found_by_id_where_they_exist(store: KeyStore, keyed: Route) -> None:
    keys = [subject_key("ada", 1), subject_key("ada", 2), subject_key("bob", 1)]
    for key in keys:
        await store.add_subject_key(keyed, key, uses=0)

    found = await store.subject_keys(keyed, [keys[0].id, uuid4(), keys[2].id])

    assert {key.id: key for key in found} == {keys[0].id: keys[0], keys[2].id: keys[2]}
    assert list(await store.subject_keys(keyed, [])) == []


async def test_uses_are_reserved_up_to_the_limit(store: KeyStore, keyed: Route) -> None:
    key = subject_key()
    await store.add_subject_key(keyed, key, uses=4)

    assert await store.reserve(keyed, key.id, 4, limit=10)
    assert not await store.reserve(keyed, key.id, 4, limit=10)
    assert await store.reserve(keyed, key.id, 2, limit=10)
    assert not await store.reserve(keyed, key.id, 1, limit=10)


async def test_reservations_at_the_same_time_add_up(store: KeyStore, keyed: Route) -> None:
    key = subject_key()
    await store.add_subject_key(keyed, key, uses=0)
    reserved = await asyncio.gather(
        *(store.reserve(keyed, key.id, 2**20, limit=5 * 2**20) for _ in range(8))
    )

    assert reserved.count(True) == 5


async def test_nothing_is_reserved_of_a_key_that_does_not_exist(
    store: KeyStore, acme: Route
) -> None:
    assert not await store.reserve(acme, uuid4(), 1, limit=10)


async def test_destroying_a_subject_takes_every_version(store: KeyStore, keyed: Route) -> None:
    doomed = [subject_key("ada", 1), subject_key("ada", 2)]
    other = subject_key("bob")
    for key in [*doomed, other]:
        await store.add_subject_key(keyed, key, uses=0)

    assert await store.destroy_subject_keys(keyed, "ada") == 2
    assert await store.destroy_subject_keys(keyed, "ada") == 0
    assert await store.newest_subject_key(keyed, "ada") is None
    assert list(await store.subject_keys(keyed, [doomed[0].id, other.id])) == [other]
    assert not await store.reserve(keyed, doomed[1].id, 1, limit=10)


async def test_another_tenant_finds_nothing(store: KeyStore, acme: Route) -> None:
    stranger, key = replace(acme, tenant=TenantId("stranger")), subject_key()
    await store.add_tenant_key(acme, tenant_key())
    await store.add_subject_key(acme, key, uses=0)

    assert list(await store.tenant_keys(stranger)) == []
    assert await store.newest_subject_key(stranger, "ada") is None
    assert list(await store.subject_keys(stranger, [key.id])) == []
