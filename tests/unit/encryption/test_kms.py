"""The self-test at boot, against services that are broken in one way each."""

from pathlib import Path

import pytest

from libs.encryption import KmsUnusable
from libs.encryption.kms import Context, GeneratedKey, Kms, WrappedKey, self_test
from libs.encryption.kms_local import LocalKms


class IgnoresContext(LocalKms):
    async def wrap(self, plaintext: bytes, context: Context) -> WrappedKey:
        return await super().wrap(plaintext, {})

    async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        return await super().unwrap(wrapped, {})


class Garbles(LocalKms):
    async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        return (await super().unwrap(wrapped, context))[::-1]


class ShortKeys(LocalKms):
    async def generate(self, context: Context) -> GeneratedKey:
        return GeneratedKey(bytes(16), await self.wrap(bytes(16), context))


@pytest.mark.parametrize("broken", [IgnoresContext, Garbles, ShortKeys])
async def test_a_broken_service_is_found_at_boot(broken: type[LocalKms], tmp_path: Path) -> None:
    kms: Kms = broken.open(tmp_path / "keyring.json")

    with pytest.raises(KmsUnusable):
        await self_test(kms)
