"""The platform's signing key in the control database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.encryption.kms_local import LocalKms
from libs.postgres import CONTROL_ROLE, open_pool
from libs.signing.store import SigningKeyUnusable, open_signer, public_keys
from tests.databases import Database


@pytest.fixture
async def control(database: Database) -> AsyncIterator[asyncpg.Pool]:
    settings = database.settings().model_copy(update={"user": CONTROL_ROLE})
    async with open_pool(settings) as pool:
        yield pool


@pytest.fixture
def kms(tmp_path: Path) -> LocalKms:
    return LocalKms.open(tmp_path / "keyring.json")


def pem(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


async def test_processes_that_start_at_once_get_one_key(
    control: asyncpg.Pool, kms: LocalKms
) -> None:
    signers = await asyncio.gather(*(open_signer(control, kms) for _ in range(5)))

    assert len({each.public_key for each in signers}) == 1
    assert await public_keys(control) == {signers[0].key_id: signers[0].public_key}


async def test_the_key_survives_a_rotation_of_the_kms(control: asyncpg.Pool, kms: LocalKms) -> None:
    before = await open_signer(control, kms)
    newest = await kms.rotate()

    after = await open_signer(control, kms)

    assert after.public_key == before.public_key
    assert await control.fetchval("SELECT kms_key_id FROM control.signing_key") == newest
    assert (await open_signer(control, kms)).public_key == before.public_key


async def test_a_given_key_signs_and_older_ones_stay_known(
    control: asyncpg.Pool, kms: LocalKms, tmp_path: Path
) -> None:
    made = await open_signer(control, kms)
    own = Ed25519PrivateKey.generate()

    given = await open_signer(control, kms, pem(tmp_path, own))

    assert given.public_key == own.public_key().public_bytes_raw()
    assert set(await public_keys(control)) == {made.key_id, given.key_id}


async def test_a_file_without_such_a_key_is_refused(
    control: asyncpg.Pool, kms: LocalKms, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    key = generate_private_key(SECP256R1())
    other.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for path in (tmp_path / "missing.pem", tmp_path / "keyring.json", other):
        with pytest.raises(SigningKeyUnusable):
            await open_signer(control, kms, path)


async def test_the_role_of_the_services_sees_no_signing_key(pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.fetch("SELECT * FROM control.signing_key")
