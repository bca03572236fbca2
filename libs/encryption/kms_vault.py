"""The transit engine of Vault or OpenBao, over HTTP.

The transit key is made with `derived=true`: each wrapped key is sealed under a key that the engine
derives from its context, so it opens under no other. A wrapped key is the engine's own text.
"""

import asyncio
import base64
import json
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx

from libs.encryption.errors import (
    DecryptionFailed,
    KmsAccessDenied,
    KmsKeyDisabled,
    KmsKeyMissing,
    KmsUnavailable,
    KmsUnusable,
)
from libs.encryption.kms import Context, GeneratedKey, KmsDescription, WrappedKey
from libs.encryption.primitives import length_prefixed
from libs.encryption.vault_login import Login
from libs.errors import AppError

_PROVIDER = "vault"
_ATTEMPTS = 3
_PAUSE = 0.1  # seconds before the second attempt; twice that before the third
_LISTED = 100
_OLD = ("too old", "version is disallowed")
_NEW = ("too new", "not found", "unsupported path")


class VaultKms:
    """`Kms` under a transit key; a wrapped key names the version that wrapped it."""

    is_production_safe = True

    def __init__(self, client: httpx.AsyncClient, login: Login, mount: str, key: str) -> None:
        self._client, self._login = client, login
        self._mount, self._key = mount, key
        self._prefix = f"vault:{mount}/{key}:"

    async def generate(self, context: Context) -> GeneratedKey:
        """See `Kms`."""
        asked = {"context": _derivation(context), "bits": 256}
        data = await self._post(f"datakey/plaintext/{self._key}", asked)
        return GeneratedKey(base64.b64decode(data["plaintext"]), self._wrapped(data["ciphertext"]))

    async def wrap(self, plaintext: bytes, context: Context) -> WrappedKey:
        """See `Kms`."""
        asked = {"context": _derivation(context), "plaintext": _text(plaintext)}
        return self._wrapped((await self._post(f"encrypt/{self._key}", asked))["ciphertext"])

    async def unwrap(self, wrapped: WrappedKey, context: Context) -> bytes:
        """See `Kms`."""
        data = await self._post(f"decrypt/{self._key}", self._asked(wrapped, context), wrapped)
        return base64.b64decode(data["plaintext"])

    async def rewrap(self, wrapped: WrappedKey, context: Context) -> WrappedKey:
        """See `Kms`: the key does not leave the engine."""
        data = await self._post(f"rewrap/{self._key}", self._asked(wrapped, context), wrapped)
        return self._wrapped(data["ciphertext"])

    async def rotate(self) -> str:
        """See `Kms`."""
        await self._post(f"keys/{self._key}/rotate", {})
        return (await self.describe()).key_id

    async def describe(self) -> KmsDescription:
        """See `Kms`.

        Raises:
            KmsUnusable: The key was not made with `derived=true`, so contexts would not count.
        """
        data = await self._call("GET", f"keys/{self._key}")
        if not data.get("derived"):
            raise KmsUnusable("the transit key was not made with derived=true")
        return self._described(self._key, data)

    async def keys(self) -> Sequence[KmsDescription]:
        """See `Kms`: those of the engine that we may read."""
        names = (await self._call("GET", "keys", {"list": "true"}))["keys"]
        found = []
        for name in names[:_LISTED]:
            with suppress(KmsAccessDenied):
                found.append(self._described(name, await self._call("GET", f"keys/{name}")))
        return found

    def owns(self, key_id: str) -> bool:
        """See `Kms`."""
        return key_id.startswith(self._prefix)

    def _described(self, name: str, data: Mapping[str, Any]) -> KmsDescription:
        latest, oldest = data["latest_version"], data["min_decryption_version"]
        return KmsDescription(
            provider=_PROVIDER,
            key_id=f"vault:{self._mount}/{name}:v{latest}",
            created_at=_moment(data["keys"][str(latest)]),
            versions=latest - max(oldest, 1) + 1,
            automatic=data.get("auto_rotate_period", 0) not in (0, "0s"),
        )

    def _wrapped(self, ciphertext: str) -> WrappedKey:
        """`vault:v3:...`: the version is in the text."""
        return WrappedKey(f"{self._prefix}{ciphertext.split(':')[1]}", ciphertext.encode())

    def _asked(self, wrapped: WrappedKey, context: Context) -> dict[str, str]:
        if not self.owns(wrapped.key_id):
            raise KmsKeyMissing(wrapped.key_id)
        try:
            ciphertext = wrapped.ciphertext.decode()
        except UnicodeDecodeError:
            raise DecryptionFailed from None
        if wrapped.key_id.removeprefix(self._prefix) not in ciphertext.split(":"):
            raise DecryptionFailed
        return {"context": _derivation(context), "ciphertext": ciphertext}

    async def _post(
        self, path: str, body: Mapping[str, Any], wrapped: WrappedKey | None = None
    ) -> dict[str, Any]:
        return await self._call("POST", path, body=body, wrapped=wrapped)

    async def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        wrapped: WrappedKey | None = None,
    ) -> dict[str, Any]:
        """`data` of the answer. Outages are tried again; a refused token is renewed once."""
        url, content = f"/v1/{self._mount}/{path}", None if body is None else json.dumps(body)
        renewed = False
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE * 2**attempt * random.uniform(0.5, 1))
            try:
                token = await self._login.token(self._client)
                headers = {"X-Vault-Token": token}
                answer = await self._client.request(
                    method, url, params=params, content=content, headers=headers
                )
            except httpx.HTTPError:
                continue
            denied = answer.status_code == httpx.codes.FORBIDDEN
            if denied and not renewed and self._login.forget(token):
                renewed = True
                continue
            if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR and not _busy(answer):
                return self._data(answer, wrapped)
        raise KmsUnavailable(_PROVIDER)

    def _data(self, answer: httpx.Response, wrapped: WrappedKey | None) -> dict[str, Any]:
        if answer.is_success:
            data: dict[str, Any] = answer.json()["data"] if answer.content else {}
            return data
        raise self._refusal(answer, wrapped)

    def _refusal(self, answer: httpx.Response, wrapped: WrappedKey | None) -> AppError:
        said = answer.text.lower()
        key_id = wrapped.key_id if wrapped else f"{self._prefix}latest"
        if answer.status_code == httpx.codes.FORBIDDEN:
            return KmsAccessDenied(_PROVIDER)
        if any(words in said for words in _OLD):
            return KmsKeyDisabled(key_id)
        if answer.status_code == httpx.codes.NOT_FOUND or any(words in said for words in _NEW):
            return KmsKeyMissing(key_id)
        return DecryptionFailed()


def _busy(answer: httpx.Response) -> bool:
    return answer.status_code in (httpx.codes.TOO_MANY_REQUESTS, 472, 473)  # or a standby


def _derivation(context: Context) -> str:
    return _text(
        length_prefixed(*(text.encode() for pair in sorted(context.items()) for text in pair))
        or b"\0"  # the engine wants one
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _moment(version: Any) -> datetime:
    """Of a version: seconds since 1970, or an object with its time, by the kind of key."""
    if isinstance(version, Mapping):
        return datetime.fromisoformat(version["creation_time"])
    return datetime.fromtimestamp(version, UTC)
