"""A key management service in a file, for laptops and tests: production mode refuses it.

The keyring file is JSON, mode 0600, replaced atomically, one entry per version. Whoever reads it
reads everything, so a file that others may read is refused.
"""

import asyncio
import base64
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from uuid import uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.encryption.errors import KmsKeyMissing, KmsUnusable
from libs.encryption.kms import Context, GeneratedKey, KmsDescription, WrappedKey
from libs.encryption.primitives import (
    KEY_BYTES,
    NONCE_BYTES,
    length_prefixed,
    open_sealed,
    seal,
)


@dataclass(frozen=True, slots=True)
class _Version:
    id: str
    key: bytes = field(repr=False)
    created_at: datetime


def _new_version() -> _Version:
    return _Version(str(uuid4()), secrets.token_bytes(KEY_BYTES), datetime.now(UTC))


class LocalKms:
    """`Kms` under a keyring file; the newest version wraps, every version unwraps."""

    is_production_safe = False

    def __init__(self, path: Path, versions: list[_Version]) -> None:
        self._path = path
        self._versions = versions

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the keyring, or create it with one version. Processes may do so at the same time.

        Raises:
            KmsUnusable: the file is readable by others, or is not a keyring.
        """
        with suppress(FileExistsError):
            _write(path, [_new_version()], replace=False)
        return cls(path, _read(path))

    async def generate(self, context: Context) -> GeneratedKey:
        """See `Kms`."""
        plaintext = secrets.token_bytes(KEY_BYTES)
        return GeneratedKey(plaintext, await self.wrap(plaintext, context))

    async def wrap(self, plaintext: bytes, context: Context) -> WrappedKey:
        """See `Kms`."""
        newest = self._versions[-1]
        return WrappedKey(newest.id, seal(AESGCM(newest.key), plaintext, _aad(context)))

    async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """See `Kms`. A key id not known yet makes it read the file again: others may rotate."""
        version = self._find(wrapped.key_id)
        if version is None:
            self._versions = await asyncio.to_thread(_read, self._path)
            version = self._find(wrapped.key_id)
        if version is None:
            raise KmsKeyMissing(wrapped.key_id)
        nonce, sealed = wrapped.ciphertext[:NONCE_BYTES], wrapped.ciphertext[NONCE_BYTES:]
        return open_sealed(AESGCM(version.key), nonce, sealed, _aad(context))

    async def rewrap(self, wrapped: WrappedKey, context: Context) -> WrappedKey:
        """See `Kms`."""
        return await self.wrap(await self.unwrap(wrapped, context), context)

    async def rotate(self) -> str:
        """See `Kms`."""
        self._versions = await asyncio.to_thread(_append, self._path, _new_version())
        return self._versions[-1].id

    async def describe(self) -> KmsDescription:
        """See `Kms`."""
        newest = self._versions[-1]
        return KmsDescription("local", newest.id, newest.created_at, len(self._versions))

    async def keys(self) -> Sequence[KmsDescription]:
        """See `Kms`: every version, the newest first."""
        versions = enumerate(self._versions, start=1)
        found = [KmsDescription("local", each.id, each.created_at, n) for n, each in versions]
        return found[::-1]

    def owns(self, key_id: str) -> bool:
        """See `Kms`: the names of versions are bare UUIDs."""
        return ":" not in key_id

    def _find(self, key_id: str) -> _Version | None:
        return next((version for version in self._versions if version.id == key_id), None)


def _aad(context: Context) -> bytes:
    return length_prefixed(*(text.encode() for pair in sorted(context.items()) for text in pair))


def _append(path: Path, version: _Version) -> list[_Version]:
    with _locked(path):  # a rotation lost to another would lose the keys that it wrapped
        versions = [*_read(path), version]
        _write(path, versions, replace=True)
    return versions


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read(path: Path) -> list[_Version]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise KmsUnusable("the keyring file may be read by others; its mode must be 0600")
        try:
            versions = [_parse(entry) for entry in json.load(file)["versions"]]
        except (ValueError, KeyError, TypeError):
            versions = []
    if not versions:
        raise KmsUnusable("the keyring file is damaged")
    return versions


def _parse(entry: dict[str, str]) -> _Version:
    key = base64.b64decode(entry["key"], validate=True)
    if len(key) != KEY_BYTES:
        raise ValueError("not a 256-bit key")
    return _Version(entry["id"], key, datetime.fromisoformat(entry["created_at"]))


def _write(path: Path, versions: list[_Version], *, replace: bool) -> None:
    """Write beside, then rename (or link, which fails where a file is) into place."""
    draft = path.with_name(f"{path.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump({"versions": [_format(version) for version in versions]}, file)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            path.hardlink_to(draft)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _format(version: _Version) -> dict[str, str]:
    key = base64.b64encode(version.key).decode()
    return {"id": version.id, "key": key, "created_at": version.created_at.isoformat()}


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
