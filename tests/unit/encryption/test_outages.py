"""What goes on while the key management service is away, for how long, and what is said of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from libs.encryption import DecryptionFailed, KeyDestroyed, Keyring, KmsKeyDisabled, KmsUnavailable
from libs.encryption.kms import Context, GeneratedKey, KmsDescription, WrappedKey
from libs.encryption.kms_guard import GuardedKms
from libs.encryption.kms_local import LocalKms
from libs.errors import AppError
from tests.unit.encryption.support import Clock, InterleavedStore, as_read, make_plain, make_route

ACME = make_route("acme")
TTL, GRACE, PATIENCE = 600.0, 1800.0, 15.0


@dataclass
class Flaky:
    """The local service, which fails when told; counts what it is asked."""

    kms: LocalKms
    error: AppError | None = None
    state: str = "enabled"
    calls: int = 0
    is_production_safe: bool = True
    log: list[str] = field(default_factory=list)

    def _called(self, name: str) -> None:
        self.calls += 1
        self.log.append(name)
        if self.error:
            raise self.error

    async def generate(self, context: Context) -> GeneratedKey:
        self._called("generate")
        return await self.kms.generate(context)

    async def wrap(self, plaintext: bytes, context: Context) -> WrappedKey:
        self._called("wrap")
        return await self.kms.wrap(plaintext, context)

    async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        self._called("unwrap")
        return await self.kms.unwrap(wrapped, context)

    async def rewrap(self, wrapped: WrappedKey, context: Context) -> WrappedKey:
        self._called("rewrap")
        return await self.kms.rewrap(wrapped, context)

    async def rotate(self) -> str:
        self._called("rotate")
        return await self.kms.rotate()

    async def describe(self) -> KmsDescription:
        self._called("describe")
        found = await self.kms.describe()
        return KmsDescription("flaky", found.key_id, found.created_at, 1, self.state)

    async def keys(self) -> Sequence[KmsDescription]:
        self._called("keys")
        return [await self.describe()]

    def owns(self, key_id: str) -> bool:
        return self.kms.owns(key_id)


@pytest.fixture
def flaky(tmp_path: Path) -> Flaky:
    return Flaky(LocalKms.open(tmp_path / "keyring.json"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> InterleavedStore:
    return InterleavedStore()


@pytest.fixture
async def keyring(flaky: Flaky, store: InterleavedStore, clock: Clock) -> Keyring:
    keyring = Keyring(flaky, store, clock, ttl_seconds=TTL, grace_seconds=GRACE)
    await keyring.create_tenant_key(ACME)
    return keyring


async def test_cached_keys_go_on_for_their_time_and_the_grace(
    keyring: Keyring, flaky: Flaky, clock: Clock
) -> None:
    plain, start = make_plain(), clock.now
    read = as_read([plain], await keyring.seal(ACME, [plain]))
    flaky.error = KmsUnavailable("flaky")

    for moment in (TTL - 1, TTL + 1, TTL + GRACE - 1):
        clock.now = start + moment
        keyring._data_keys.drop(ACME.tenant)  # so that the tenant's key is needed
        assert await keyring.open(ACME, read) == [plain.data]
        assert await keyring.seal(ACME, [make_plain("new person")])
    clock.now = start + TTL + GRACE + 1
    keyring._data_keys.drop(ACME.tenant)
    with pytest.raises(KmsUnavailable):
        await keyring.open(ACME, read)


async def test_after_the_grace_everything_is_closed_in_the_time_of_data_keys(
    keyring: Keyring, flaky: Flaky, clock: Clock
) -> None:
    plain, start = make_plain(), clock.now
    read = as_read([plain], await keyring.seal(ACME, [plain]))
    flaky.error = KmsUnavailable("flaky")
    clock.now = start + TTL + GRACE - 1
    assert await keyring.open(ACME, read) == [plain.data]
    clock.now += TTL - 1
    assert await keyring.open(ACME, read) == [plain.data]
    clock.now += 2

    with pytest.raises(KmsUnavailable):
        await keyring.open(ACME, read)
    with pytest.raises(KmsUnavailable):
        await keyring.seal(ACME, [plain])


async def test_while_it_is_away_it_is_asked_seldom(
    keyring: Keyring, flaky: Flaky, clock: Clock
) -> None:
    await keyring.seal(ACME, [make_plain()])
    flaky.error, flaky.calls = KmsUnavailable("flaky"), 0
    clock.now += TTL + 1

    for person in range(20):
        await keyring.seal(ACME, [make_plain(f"person {person}")])
    assert flaky.calls == 1
    clock.now += PATIENCE + 1
    await keyring.seal(ACME, [make_plain("one more")])
    assert flaky.calls == 2


async def test_once_it_is_back_keys_are_fetched_anew(
    keyring: Keyring, flaky: Flaky, clock: Clock
) -> None:
    await keyring.seal(ACME, [make_plain()])
    flaky.error = KmsUnavailable("flaky")
    clock.now += TTL + 1
    await keyring.seal(ACME, [make_plain("bob")])
    flaky.error, flaky.calls = None, 0
    clock.now += PATIENCE + 1
    await keyring.seal(ACME, [make_plain("eve")])
    await keyring.seal(ACME, [make_plain("kim")])

    assert flaky.calls == 1


@pytest.mark.parametrize("error", [KmsKeyDisabled("one"), DecryptionFailed()])
async def test_a_refusal_is_no_outage(
    keyring: Keyring, flaky: Flaky, clock: Clock, error: AppError
) -> None:
    """A key that was disabled on purpose stops with its time to live."""
    plain = make_plain()
    read = as_read([plain], await keyring.seal(ACME, [plain]))
    flaky.error = error
    clock.now += TTL + 1

    with pytest.raises(type(error)):
        await keyring.open(ACME, read)


async def test_the_grace_does_not_bring_a_destroyed_key_back(
    keyring: Keyring, flaky: Flaky, clock: Clock
) -> None:
    plain = make_plain()
    read = as_read([plain], await keyring.seal(ACME, [plain]))
    flaky.error = KmsUnavailable("flaky")
    clock.now += TTL + 1
    await keyring.destroy_subject(ACME, plain.subject)

    with pytest.raises(KeyDestroyed):
        await keyring.open(ACME, read)


async def test_an_erasure_during_an_outage_does_not_close_the_tenant(
    keyring: Keyring, flaky: Flaky, store: InterleavedStore, clock: Clock
) -> None:
    """Elsewhere, too: what is told of a change asks again, but need not be answered."""
    elsewhere = Keyring(flaky, store, clock, ttl_seconds=TTL, grace_seconds=GRACE)
    plains = [make_plain("ann"), make_plain("bob")]
    read = as_read(plains, await keyring.seal(ACME, plains))
    assert await elsewhere.open(ACME, read)
    flaky.error = KmsUnavailable("flaky")
    await keyring.destroy_subject(ACME, "ann")
    clock.now += 6

    for process in (keyring, elsewhere):
        assert await process.open(ACME, read[1:]) == [plains[1].data]
        with pytest.raises(KeyDestroyed):
            await process.open(ACME, read[:1])


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_an_outage_shows_and_ends(flaky: Flaky, clock: Clock) -> None:
    guard = GuardedKms(flaky, clock=clock)
    told: list[bool] = []

    async def listen() -> None:
        async for available in guard.availability():
            told.extend([available])

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)
    spared = metric("aeterna_kms_calls_total", call="describe", outcome="SPARED")
    flaky.error = KmsUnavailable("flaky")
    with pytest.raises(KmsUnavailable):
        await guard.describe()
    await asyncio.sleep(0)
    assert (guard.available, metric("aeterna_kms_available"), flaky.calls) == (False, 0, 1)
    with pytest.raises(KmsUnavailable):
        await guard.describe()  # is not even asked
    assert flaky.calls == 1
    assert metric("aeterna_kms_calls_total", call="describe", outcome="SPARED") == spared + 1

    flaky.error = None
    clock.now += 2.1
    await guard.describe()
    await asyncio.sleep(0)
    listener.cancel()
    assert (guard.available, metric("aeterna_kms_available")) == (True, 1)
    assert told == [True, False, True]


async def test_a_wrapped_key_that_was_altered_says_nothing_of_the_service(flaky: Flaky) -> None:
    guard = GuardedKms(flaky)
    wrapped = await guard.wrap(bytes(32), {})

    with pytest.raises(DecryptionFailed):
        await guard.unwrap(WrappedKey(wrapped.key_id, b"x" * 60), {})
    assert guard.available


async def test_a_key_that_is_to_be_deleted_shows_before_it_is_needed(
    flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.encryption.kms_guard._LOOK", 0.001)
    guard = GuardedKms(flaky)
    flaky.state = "PendingDeletion"
    looking = asyncio.create_task(guard.look())
    async with asyncio.timeout(10):
        async for available in guard.availability():
            if not available:
                break
    flaky.state = "enabled"
    async with asyncio.timeout(10):
        async for available in guard.availability():
            if available:
                break
    looking.cancel()


@pytest.fixture
def other(tmp_path: Path) -> Any:
    class Named(Flaky):
        """A service whose keys have another kind of name."""

        def owns(self, key_id: str) -> bool:
            return key_id.startswith("other:")

        async def wrap(self, plaintext: bytes, context: Context) -> WrappedKey:
            made = await self.kms.wrap(plaintext, context)
            return WrappedKey(f"other:{made.key_id}", made.ciphertext)

        async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
            key_id = wrapped.key_id.removeprefix("other:")
            return await self.kms.unwrap(WrappedKey(key_id, wrapped.ciphertext), context)

    return Named(LocalKms.open(tmp_path / "other.json"))


async def test_one_service_follows_another(flaky: Flaky, other: Any) -> None:
    """What the previous one wrapped opens, and is rewrapped by the current one."""
    context = {"tenant": "acme"}
    before = await flaky.wrap(bytes(32), context)
    both = GuardedKms(other, flaky)

    assert await both.unwrap(before, context) == bytes(32)
    after = await both.rewrap(before, context)
    assert after.key_id.startswith("other:")
    assert await both.unwrap(after, context) == bytes(32)
    assert await GuardedKms(other).unwrap(after, context) == bytes(32)
    assert both.owns(before.key_id)
    assert both.owns(after.key_id)
    assert len(await both.keys()) == 2


async def test_the_current_service_is_asked_though_the_previous_one_is_away(
    flaky: Flaky, other: Any
) -> None:
    context = {"tenant": "acme"}
    before = await flaky.wrap(bytes(32), context)
    both = GuardedKms(other, flaky)
    flaky.error = KmsUnavailable("flaky")

    for _ in range(2):
        with pytest.raises(KmsUnavailable):
            await both.unwrap(before, context)
        made = await both.wrap(bytes(32), context)
        assert await both.unwrap(made, context) == bytes(32)

    assert both.available
    assert flaky.log.count("unwrap") == 1  # it is left alone for a while
