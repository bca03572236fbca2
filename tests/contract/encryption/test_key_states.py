"""What AWS says of keys that may not be used, of outages and of us: of a double, not of moto."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from libs.encryption import (
    DecryptionFailed,
    KmsAccessDenied,
    KmsKeyDisabled,
    KmsKeyMissing,
    KmsUnavailable,
    KmsUnusable,
)
from libs.encryption.kms import Kms
from libs.encryption.settings import AwsKeySettings, KmsSettings, open_kms
from tests.contract.encryption.conftest import aws_settings
from tests.fakes.aws_kms import Key, Server, aws_kms

ACME = {"tenant": "acme", "version": "1"}
KEY = bytes(range(32))
BRIEF = timedelta(seconds=0.2)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with aws_kms() as server:
        yield server


@pytest.fixture
def key(server: Server) -> Key:
    return server.create("aeterna")


@pytest.fixture
async def kms(server: Server, key: Key) -> AsyncIterator[Kms]:
    async with open_kms(aws_settings(server.url, "alias/aeterna")) as kms:
        yield kms


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "Unavailable"])
async def test_a_key_that_may_not_be_used_says_so(kms: Kms, key: Key, state: str) -> None:
    wrapped = await kms.wrap(KEY, ACME)
    key.state, key.deletion = state, key.created + 7 * 86_400

    for call in (
        kms.generate(ACME),
        kms.wrap(KEY, ACME),
        kms.unwrap(wrapped, ACME),
        kms.rewrap(wrapped, ACME),
        kms.rotate(),
    ):
        with pytest.raises(KmsKeyDisabled):
            await call
    described = await kms.describe()
    assert (described.state, described.key_id) == (state, key.arn)
    assert described.deletion_at
    assert described.deletion_at - described.created_at == timedelta(days=7)


async def test_a_key_that_is_used_again_unwraps_again(kms: Kms, key: Key) -> None:
    wrapped = await kms.wrap(KEY, ACME)
    key.state = "PendingDeletion"
    with pytest.raises(KmsKeyDisabled):
        await kms.unwrap(wrapped, ACME)
    key.state = "Enabled"

    assert await kms.unwrap(wrapped, ACME) == KEY


async def test_a_key_that_was_deleted_is_missing(kms: Kms, server: Server, key: Key) -> None:
    wrapped = await kms.wrap(KEY, ACME)
    server.keys.clear()

    with pytest.raises(KmsKeyMissing):
        await kms.unwrap(wrapped, ACME)
    with pytest.raises(KmsKeyMissing):
        await kms.generate(ACME)


async def test_an_alias_that_moves_wraps_with_another_key(kms: Kms, server: Server) -> None:
    before = await kms.wrap(KEY, ACME)
    other = server.create("aeterna")
    after = await kms.wrap(KEY, ACME)

    assert after.key_id == other.arn != before.key_id
    assert await kms.unwrap(before, ACME) == await kms.unwrap(after, ACME) == KEY
    assert (await kms.rewrap(before, ACME)).key_id == other.arn


async def test_a_wrapped_key_opens_under_the_key_it_names_only(kms: Kms, server: Server) -> None:
    wrapped = await kms.wrap(KEY, ACME)
    other = server.create()

    with pytest.raises(DecryptionFailed):
        await kms.unwrap(type(wrapped)(other.arn, wrapped.ciphertext), ACME)


@pytest.mark.parametrize("code", ["ThrottlingException", "KMSInternalException"])
async def test_a_fault_that_passes_is_not_noticed(kms: Kms, server: Server, code: str) -> None:
    server.faults.extend([code] * 2)

    assert (await kms.wrap(KEY, ACME)).ciphertext
    assert server.calls == ["Encrypt"] * 3


async def test_one_that_stays_is_an_outage(kms: Kms, server: Server) -> None:
    server.faults.extend(["ThrottlingException"] * 10)

    with pytest.raises(KmsUnavailable):
        await kms.wrap(KEY, ACME)
    assert len(server.calls) == 3


async def test_silence_is_an_outage(server: Server, key: Key) -> None:
    server.down = True

    async with open_kms(aws_settings(server.url, key.arn, timeout=BRIEF)) as impatient:
        with pytest.raises(KmsUnavailable):
            await impatient.wrap(KEY, ACME)


async def test_a_service_that_is_not_there_is_an_outage(key: Key) -> None:
    settings = aws_settings("http://127.0.0.1:1", key.arn, timeout=BRIEF)
    async with open_kms(settings) as kms:
        with pytest.raises(KmsUnavailable):
            await kms.describe()


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException"])
async def test_refused_credentials_are_no_outage(kms: Kms, server: Server, code: str) -> None:
    server.faults.append(code)

    with pytest.raises(KmsAccessDenied):
        await kms.wrap(KEY, ACME)
    assert len(server.calls) == 1


async def test_without_credentials_access_is_denied(
    server: Server, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    async with open_kms(aws_settings(server.url, key.arn)) as kms:
        with pytest.raises(KmsAccessDenied):
            await kms.describe()
    assert server.calls == []


async def test_a_region_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    settings = KmsSettings(provider="aws", aws=AwsKeySettings(key="alias/aeterna"))

    with pytest.raises(KmsUnusable, match="region"):
        async with open_kms(settings):
            pass
