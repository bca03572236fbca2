"""What every `Kms` must do; the fixture is in the conftest."""

import pytest

from libs.encryption import DecryptionFailed, KmsKeyMissing
from libs.encryption.kms import Kms, WrappedKey, self_test

ACME = {"tenant": "acme", "version": "1"}
KEY = bytes(range(32))


async def test_the_boot_test_passes(kms: Kms) -> None:
    await self_test(kms)


async def test_a_generated_key_is_fresh_and_unwraps(kms: Kms) -> None:
    one, other = await kms.generate(ACME), await kms.generate(ACME)

    assert one.plaintext != other.plaintext
    assert await kms.unwrap(one.wrapped, ACME) == one.plaintext


async def test_a_given_key_comes_back_under_its_context_only(kms: Kms) -> None:
    wrapped = await kms.wrap(KEY, ACME)

    assert await kms.unwrap(wrapped, dict(reversed(ACME.items()))) == KEY
    for other in ({"tenant": "acme", "version": "2"}, {"tenant": "acme"}, {}):
        with pytest.raises(DecryptionFailed):
            await kms.unwrap(wrapped, other)


async def test_an_altered_key_is_refused(kms: Kms) -> None:
    wrapped = await kms.wrap(KEY, ACME)

    for ciphertext in (b"", wrapped.ciphertext[:-1], wrapped.ciphertext[:-1] + b"\x00\x00"):
        with pytest.raises(DecryptionFailed):
            await kms.unwrap(WrappedKey(wrapped.key_id, ciphertext), ACME)


async def test_rotation_changes_what_wraps_and_keeps_what_unwraps(kms: Kms) -> None:
    before, described = await kms.wrap(KEY, ACME), await kms.describe()
    key_id = await kms.rotate()
    after = await kms.wrap(KEY, ACME)

    assert after.key_id == key_id == (await kms.describe()).key_id
    if described.provider != "aws":  # which names no versions
        assert key_id != before.key_id
    assert await kms.unwrap(before, ACME) == await kms.unwrap(after, ACME) == KEY


async def test_rewrapping_brings_a_key_under_what_wraps_now(kms: Kms) -> None:
    before = await kms.wrap(KEY, ACME)
    key_id = await kms.rotate()
    after = await kms.rewrap(before, ACME)

    assert after.key_id == key_id
    assert after.ciphertext != before.ciphertext
    assert await kms.unwrap(after, ACME) == KEY
    for wrong in ({"tenant": "globex"}, {}):
        with pytest.raises(DecryptionFailed):
            await kms.rewrap(before, wrong)


async def test_the_description_follows_rotation(kms: Kms) -> None:
    before = await kms.describe()
    key_id = await kms.rotate()
    after = await kms.describe()

    assert (after.key_id, after.versions) == (key_id, before.versions + 1)
    assert after.created_at >= before.created_at
    assert (after.state, after.deletion_at) == ("enabled", None)
    assert key_id in [each.key_id for each in await kms.keys()]
    assert kms.owns(key_id)
    assert not kms.owns("elsewhere:1")


async def test_a_key_of_another_service_is_missing(kms: Kms) -> None:
    wrapped = await kms.wrap(KEY, ACME)

    with pytest.raises(KmsKeyMissing):
        await kms.unwrap(WrappedKey("elsewhere", wrapped.ciphertext), ACME)


async def test_a_generated_key_does_not_show_itself(kms: Kms) -> None:
    generated = await kms.generate(ACME)

    assert repr(generated.plaintext) not in repr(generated)
