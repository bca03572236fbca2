import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from libs.encryption import (
    ENCRYPTED_FIELDS,
    DecryptionFailed,
    Field,
    KeyDestroyed,
    Keyring,
    Plain,
    Sealed,
    TenantKeyMissing,
)
from libs.encryption.envelope import key_id_of
from libs.encryption.kms_local import LocalKms
from libs.encryption.registry import MEMORY_CONTENT
from libs.encryption.store import StoredSubjectKey, StoredTenantKey
from libs.encryption.store_memory import MemoryKeyStore
from libs.tenancy import Route
from tests.unit.encryption.support import Clock, InterleavedStore, as_read, make_plain, make_route

ACME = make_route("acme")
GLOBEX = make_route("globex")
TTL, REFRESH = 600.0, 5.0


@pytest.fixture
def kms(tmp_path: Path) -> LocalKms:
    return LocalKms.open(tmp_path / "keyring.json")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(kms: LocalKms) -> InterleavedStore:
    """Holds the keys of two provisioned tenants."""
    store = InterleavedStore()
    for route in (ACME, GLOBEX):
        await Keyring(kms, store).create_tenant_key(route)
    store.calls.clear()
    return store


@pytest.fixture
def keyring(kms: LocalKms, store: InterleavedStore, clock: Clock) -> Keyring:
    return Keyring(kms, store, clock, ttl_seconds=TTL)


@pytest.fixture
def elsewhere(kms: LocalKms, store: InterleavedStore, clock: Clock) -> Keyring:
    """Another process on the same store."""
    return Keyring(kms, store, clock, ttl_seconds=TTL)


async def add_tenant_key_version(kms: LocalKms, store: MemoryKeyStore, route: Route) -> None:
    version = len(await store.tenant_keys(route)) + 1
    wrapped = (await kms.generate({"tenant": route.tenant, "version": str(version)})).wrapped
    await store.add_tenant_key(route, StoredTenantKey(version, wrapped.key_id, wrapped.ciphertext))


async def test_values_come_back_in_order(keyring: Keyring, elsewhere: Keyring) -> None:
    plains = [
        make_plain(subject, f"{subject} {field}".encode(), field)
        for subject in ("ada", "", "bob", "ada")
        for field in sorted(ENCRYPTED_FIELDS)
    ]
    read = as_read(plains, await keyring.seal(ACME, plains))

    for process in (keyring, elsewhere):
        assert await process.open(ACME, read) == [plain.data for plain in plains]


async def test_what_is_sealed_without_waiting_opens_as_any(
    keyring: Keyring, elsewhere: Keyring
) -> None:
    plains = [make_plain("", f"value {number}".encode()) for number in range(3)]

    sealer = await keyring.sealer(ACME, "", 3)
    blobs = [sealer(each.field, each.row_id, each.data) for each in plains]

    assert await elsewhere.open(ACME, as_read(plains, blobs)) == [each.data for each in plains]
    with pytest.raises(ValueError, match="more values"):
        sealer(plains[0].field, plains[0].row_id, b"")


async def test_a_sealer_takes_its_uses_from_those_of_the_key(
    kms: LocalKms, store: InterleavedStore
) -> None:
    """Ten of a block, and another key once fewer are left than it needs."""
    keyring = Keyring(kms, store, uses_block=10, uses_limit=10)
    plain = make_plain("", b"x")
    keys = set()
    for _ in range(3):
        sealer = await keyring.sealer(ACME, "", 6)
        keys |= {key_id_of(sealer(plain.field, plain.row_id, b"x")) for _ in range(6)}

    assert len(keys) == 3
    (blob,) = await keyring.seal(ACME, [plain])
    assert key_id_of(blob) in keys


async def test_empty_batches_are_fine(keyring: Keyring) -> None:
    assert await keyring.seal(ACME, []) == []
    assert await keyring.open(ACME, []) == []


async def test_each_subject_of_each_tenant_has_its_own_key(keyring: Keyring) -> None:
    blobs = [
        *await keyring.seal(ACME, [make_plain("ada"), make_plain("bob"), make_plain("")]),
        *await keyring.seal(GLOBEX, [make_plain("ada")]),
    ]

    assert len({key_id_of(blob) for blob in blobs}) == 4


async def test_a_value_does_not_open_for_another_tenant(keyring: Keyring) -> None:
    plain = make_plain()
    read = as_read([plain], await keyring.seal(ACME, [plain]))

    with pytest.raises(KeyDestroyed):
        await keyring.open(GLOBEX, read)


async def test_values_of_a_subject_cannot_be_swapped_between_rows(keyring: Keyring) -> None:
    one, other = make_plain(), make_plain()
    blobs = await keyring.seal(ACME, [one, other])

    with pytest.raises(DecryptionFailed):
        await keyring.open(ACME, as_read([one, other], blobs[::-1]))


@pytest.mark.parametrize("blob", [b"", b"plain text", b"\xa1" + bytes(20), b"x" * 100])
async def test_what_was_never_sealed_is_refused(keyring: Keyring, blob: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        await keyring.open(ACME, [Sealed(MEMORY_CONTENT, uuid4(), blob)])


async def test_a_field_that_is_not_registered_is_refused(keyring: Keyring) -> None:
    with pytest.raises(ValueError, match="not registered"):
        await keyring.seal(ACME, [make_plain(field=Field("memory", "layer"))])


async def test_a_tenant_without_a_key_is_refused(keyring: Keyring) -> None:
    with pytest.raises(TenantKeyMissing):
        await keyring.seal(make_route("stranger"), [make_plain()])
    with pytest.raises(TenantKeyMissing):
        await keyring.mac(make_route("stranger"), "terms", b"tea")


async def test_provisioning_twice_keeps_the_first_key(
    keyring: Keyring, elsewhere: Keyring, store: InterleavedStore
) -> None:
    route = make_route("initech")
    await asyncio.gather(keyring.create_tenant_key(route), elsewhere.create_tenant_key(route))
    first = await store.tenant_keys(route)
    await keyring.create_tenant_key(route)

    assert await store.tenant_keys(route) == first
    assert len(first) == 1


async def test_the_first_uses_at_the_same_time_make_one_key(
    keyring: Keyring, elsewhere: Keyring, store: InterleavedStore
) -> None:
    plains = [make_plain() for _ in range(40)]
    sealing = [
        process.seal(ACME, [plain])
        for plain, process in zip(plains, [keyring, elsewhere] * 20, strict=True)
    ]
    blobs = [blob for (blob,) in await asyncio.gather(*sealing)]

    assert len({key_id_of(blob) for blob in blobs}) == 1
    assert store.calls["add_subject_key"] == 2  # one for each process
    assert await elsewhere.open(ACME, as_read(plains, blobs)) == [plain.data for plain in plains]


async def test_cached_keys_are_used_without_suspending(keyring: Keyring) -> None:
    plains = [make_plain("ada"), make_plain("bob")]
    read = as_read(plains, await keyring.seal(ACME, plains))
    await keyring.mac(ACME, "terms", b"tea")

    for call in (
        keyring.seal(ACME, plains),
        keyring.open(ACME, read),
        keyring.mac(ACME, "terms", b"milk"),
    ):
        with pytest.raises(StopIteration):
            call.send(None)


async def test_keys_that_are_not_cached_are_read_with_one_call(
    keyring: Keyring, elsewhere: Keyring, store: InterleavedStore
) -> None:
    plains = [make_plain(f"user-{n}") for n in range(10)]
    read = as_read(plains, await elsewhere.seal(ACME, plains))
    await keyring.open(ACME, read[3:5])
    store.calls.clear()

    assert await keyring.open(ACME, read) == [plain.data for plain in plains]
    assert store.calls == {"subject_keys": 1}


async def test_a_destroyed_key_opens_nothing_and_is_not_used_again(keyring: Keyring) -> None:
    plain = make_plain()
    blobs = await keyring.seal(ACME, [plain])

    assert await keyring.destroy_subject(ACME, plain.subject) == 1
    with pytest.raises(KeyDestroyed) as refusal:
        await keyring.open(ACME, as_read([plain], blobs))
    again = await keyring.seal(ACME, [plain])

    assert refusal.value.metadata == {"keyIds": str(UUID(bytes=key_id_of(blobs[0])))}
    assert key_id_of(again[0]) != key_id_of(blobs[0])
    assert await keyring.open(ACME, as_read([plain], again)) == [plain.data]


async def test_erasing_one_subject_leaves_the_others(keyring: Keyring) -> None:
    ada, bob = make_plain("ada"), make_plain("bob")
    blobs = await keyring.seal(ACME, [ada, bob])
    await keyring.destroy_subject(ACME, "ada")

    assert await keyring.open(ACME, as_read([bob], blobs[1:])) == [bob.data]


async def test_a_key_destroyed_elsewhere_stops_working_in_time(
    keyring: Keyring, elsewhere: Keyring, clock: Clock
) -> None:
    plain = make_plain()
    blobs = await keyring.seal(ACME, [plain])
    read = as_read([plain], blobs)
    await elsewhere.destroy_subject(ACME, plain.subject)
    clock.now += REFRESH - 1
    assert await keyring.open(ACME, read) == [plain.data]
    clock.now += 1

    with pytest.raises(KeyDestroyed):
        await keyring.open(ACME, read)
    assert key_id_of((await keyring.seal(ACME, [plain]))[0]) != key_id_of(blobs[0])


async def test_a_key_destroyed_elsewhere_stops_at_once_when_told(
    keyring: Keyring, elsewhere: Keyring
) -> None:
    plain = make_plain()
    read = as_read([plain], await keyring.seal(ACME, [plain]))
    await elsewhere.destroy_subject(ACME, plain.subject)
    keyring.invalidate(ACME.tenant)

    with pytest.raises(KeyDestroyed):
        await keyring.open(ACME, read)


class GatedStore(InterleavedStore):
    """Holds a reader up between its reading and its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.has_read, self.may_answer = asyncio.Event(), asyncio.Event()

    async def subject_keys(self, route: Route, ids: Sequence[UUID]) -> Sequence[StoredSubjectKey]:
        stored = await super().subject_keys(route, ids)
        self.has_read.set()
        await self.may_answer.wait()
        return stored


async def test_a_key_destroyed_while_it_is_read_is_not_cached(kms: LocalKms) -> None:
    store = GatedStore()
    keyring, plain = Keyring(kms, store), make_plain()
    await keyring.create_tenant_key(ACME)
    read = as_read([plain], await keyring.seal(ACME, [plain]))
    keyring.invalidate(ACME.tenant)
    reader = asyncio.create_task(keyring.open(ACME, read))
    await store.has_read.wait()
    await keyring.destroy_subject(ACME, plain.subject)
    store.may_answer.set()
    await reader

    with pytest.raises(KeyDestroyed):
        await keyring.open(ACME, read)


async def test_an_aged_key_is_confirmed_without_a_write(
    keyring: Keyring, store: InterleavedStore, clock: Clock
) -> None:
    first = await keyring.seal(ACME, [make_plain()])
    store.calls.clear()
    clock.now += TTL
    second = await keyring.seal(ACME, [make_plain()])

    assert key_id_of(first[0]) == key_id_of(second[0])
    assert store.calls == {"newest_subject_key": 1, "tenant_keys": 1}


async def test_a_full_cache_forgets_what_was_not_used_longest(
    kms: LocalKms, store: InterleavedStore
) -> None:
    keyring = Keyring(kms, store, capacity=2)
    plains = {name: make_plain(name) for name in ("ada", "bob", "eve")}
    for name in ("ada", "bob", "ada", "eve"):
        await keyring.seal(ACME, [plains[name]])
    store.calls.clear()
    await keyring.seal(ACME, [plains["ada"], plains["eve"]])
    assert store.calls == {}

    await keyring.seal(ACME, [plains["bob"]])
    assert store.calls == {"newest_subject_key": 1, "reserve": 1}


async def test_no_key_is_used_beyond_its_limit(kms: LocalKms, store: InterleavedStore) -> None:
    """Three processes, one of which restarts half-way, share keys good for 8 uses."""
    limit, plains = 8, [make_plain() for _ in range(60)]

    def start() -> Keyring:
        return Keyring(kms, store, uses_block=3, uses_limit=limit)

    processes = [start(), start(), start()]
    blobs: list[bytes] = []
    for first in range(0, 60, 12):
        batches = [plains[first + at : first + at + 4] for at in (0, 4, 8)]
        sealing = [p.seal(ACME, batch) for p, batch in zip(processes, batches, strict=True)]
        blobs += [blob for batch in await asyncio.gather(*sealing) for blob in batch]
        processes[0] = start()

    uses = Counter(key_id_of(blob) for blob in blobs)
    assert max(uses.values()) <= limit
    assert len(uses) >= 60 / limit
    assert await start().open(ACME, as_read(plains, blobs)) == [plain.data for plain in plains]


async def test_concurrent_batches_in_one_process_keep_the_limit(
    kms: LocalKms, store: InterleavedStore
) -> None:
    keyring = Keyring(kms, store, uses_block=4, uses_limit=4)
    sealing = [keyring.seal(ACME, [make_plain() for _ in range(5)]) for _ in range(8)]
    blobs = [blob for batch in await asyncio.gather(*sealing) for blob in batch]

    assert Counter(Counter(map(key_id_of, blobs)).values()) == {4: 10}


@pytest.mark.parametrize(("block", "limit"), [(0, 4), (5, 4), (1, 2**32)])
def test_limits_that_cannot_hold_are_refused(
    kms: LocalKms, store: InterleavedStore, block: int, limit: int
) -> None:
    with pytest.raises(ValueError, match="uses_block"):
        Keyring(kms, store, uses_block=block, uses_limit=limit)


async def test_a_new_tenant_key_wraps_new_subjects_and_old_ones_stay_readable(
    keyring: Keyring, elsewhere: Keyring, kms: LocalKms, store: InterleavedStore
) -> None:
    ada, bob = make_plain("ada"), make_plain("bob")
    old = await keyring.seal(ACME, [ada])
    await add_tenant_key_version(kms, store, ACME)
    new = await elsewhere.seal(ACME, [bob])
    wrapped_by = {
        key.id.bytes: key.tenant_key_version
        for key in await store.subject_keys(ACME, [UUID(bytes=key_id_of(b)) for b in old + new])
    }

    assert wrapped_by == {key_id_of(old[0]): 1, key_id_of(new[0]): 2}
    read = as_read([ada, bob], old + new)  # `keyring` has not heard of version 2 yet
    assert await keyring.open(ACME, read) == [ada.data, bob.data]


async def test_without_its_tenant_key_a_subject_key_counts_as_destroyed(
    keyring: Keyring, kms: LocalKms, store: InterleavedStore
) -> None:
    plain = make_plain()
    read = as_read([plain], await keyring.seal(ACME, [plain]))
    bare = MemoryKeyStore()
    stored = await store.newest_subject_key(ACME, plain.subject)
    assert stored is not None
    await bare.add_subject_key(ACME, stored, uses=0)

    with pytest.raises(KeyDestroyed):
        await Keyring(kms, bare).open(ACME, read)


async def test_an_altered_wrapped_key_is_refused(
    keyring: Keyring, kms: LocalKms, store: InterleavedStore
) -> None:
    plain = make_plain()
    read = as_read([plain], await keyring.seal(ACME, [plain]))
    damaged = MemoryKeyStore()
    for tenant_key in await store.tenant_keys(ACME):
        await damaged.add_tenant_key(ACME, tenant_key)
    stored = await store.newest_subject_key(ACME, plain.subject)
    assert stored is not None
    await damaged.add_subject_key(ACME, replace(stored, wrapped=stored.wrapped[::-1]), uses=0)

    with pytest.raises(DecryptionFailed):
        await Keyring(kms, damaged).open(ACME, read)


async def test_a_mac_depends_on_tenant_purpose_and_data_alone(
    keyring: Keyring, elsewhere: Keyring
) -> None:
    macs = await asyncio.gather(
        keyring.mac(ACME, "terms", b"tea"),
        elsewhere.mac(ACME, "terms", b"tea"),
        keyring.mac(ACME, "terms", b"milk"),
        keyring.mac(ACME, "names", b"tea"),
        keyring.mac(GLOBEX, "terms", b"tea"),
    )

    assert macs[0] == macs[1]
    assert len(set(macs)) == 4
    assert {len(mac) for mac in macs} == {32}


async def test_a_mac_outlives_rotation_and_restart(
    keyring: Keyring, elsewhere: Keyring, kms: LocalKms, store: InterleavedStore
) -> None:
    before = await keyring.mac(ACME, "terms", b"tea")
    await kms.rotate()
    await add_tenant_key_version(kms, store, ACME)
    keyring.invalidate(ACME.tenant)

    assert await keyring.mac(ACME, "terms", b"tea") == before
    assert await elsewhere.mac(ACME, "terms", b"tea") == before


async def test_the_subject_behind_macs_is_out_of_reach(keyring: Keyring) -> None:
    await keyring.mac(ACME, "terms", b"tea")

    with pytest.raises(ValueError, match="reserved"):
        await keyring.seal(ACME, [make_plain("\x01mac")])
    with pytest.raises(ValueError, match="reserved"):
        await keyring.destroy_subject(ACME, "\x01mac")


def test_a_plain_value_does_not_show_its_content() -> None:
    plain = Plain("ada", MEMORY_CONTENT, uuid4(), b"likes tea")

    assert "tea" not in repr(plain)
