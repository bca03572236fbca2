import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from libs.encryption import KmsUnusable
from libs.encryption.kms_local import LocalKms

CONTEXT = {"tenant": "acme"}
KEY = bytes(32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


def test_production_refuses_it(path: Path) -> None:
    assert not LocalKms.open(path).is_production_safe


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    kms = LocalKms.open(path)
    created = path.stat().st_mode & 0o777
    asyncio.run(kms.rotate())

    assert created == path.stat().st_mode & 0o777 == 0o600


async def test_keys_survive_a_restart(path: Path) -> None:
    wrapped = await LocalKms.open(path).wrap(KEY, CONTEXT)

    assert await LocalKms.open(path).unwrap(wrapped, CONTEXT) == KEY


async def test_processes_that_start_together_share_one_keyring(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(LocalKms.open, [path] * 16))

    assert len({(await kms.describe()).key_id for kms in started}) == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_rotations_at_the_same_time_are_both_kept(path: Path) -> None:
    one, other = LocalKms.open(path), LocalKms.open(path)
    ids = await asyncio.gather(one.rotate(), other.rotate(), one.rotate(), other.rotate())

    assert len(set(ids)) == 4
    assert (await LocalKms.open(path).describe()).versions == 5


async def test_a_rotation_elsewhere_is_noticed(path: Path) -> None:
    here, elsewhere = LocalKms.open(path), LocalKms.open(path)
    await elsewhere.rotate()

    assert await here.unwrap(await elsewhere.wrap(KEY, CONTEXT), CONTEXT) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    LocalKms.open(path)
    path.chmod(mode)

    with pytest.raises(KmsUnusable, match="0600"):
        LocalKms.open(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"versions": []}',
        '{"versions": [{"id": "a"}]}',
        json.dumps({"versions": [{"id": "a", "key": "c2hvcnQ=", "created_at": "2026-01-01"}]}),
    ],
)
def test_a_damaged_file_is_refused(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content)

    with pytest.raises(KmsUnusable, match="damaged"):
        LocalKms.open(path)
