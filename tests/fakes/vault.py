"""A server on 127.0.0.1 that speaks the part of Vault's and OpenBao's HTTP API in use: the transit
engine with derived keys, and two ways to log in. Its words are those of the engine."""

import asyncio
import base64
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.encryption.primitives import hkdf_sha256
from tests.fakes.provider_http import Reply, Request, answer, listening, read

ROOT = "root"


class Refused(Exception):
    """A status and the engine's words."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status, self.said = status, said


@dataclass
class Key:
    """A transit key; versions count from 1."""

    derived: bool = True
    material: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    times: list[int] = field(default_factory=lambda: [int(time.time())])
    oldest: int = 1  # min_decryption_version

    def rotate(self) -> None:
        self.material.append(os.urandom(32))
        self.times.append(int(time.time()))

    def cipher(self, version: int, context: str | None) -> AESGCM:
        if self.derived and not context:
            raise Refused(400, "missing 'context' for key derivation")
        derivation = base64.b64decode(context or "") if self.derived else b""
        secret = self.material[version - 1]
        return AESGCM(hkdf_sha256(secret, salt=b"", info=derivation, length=32))


@dataclass
class Server:
    """Transit keys by name; tokens that are good, of the namespace if one is set."""

    url: str = ""
    keys: dict[str, Key] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {ROOT})
    namespace: str = ""
    lease: int = 3600  # seconds that a token given at a login is said to last
    logins: list[Any] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    failing: int = 0  # so many answers say that it is sealed
    down: bool = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read(reader)
        self.requests.append(request)
        await answer(reader, writer, self._reply(request))

    def _reply(self, request: Request) -> Reply:
        if self.down:
            return Reply(silent=True)
        if self.failing:
            self.failing -= 1
            return Reply(503, b'{"errors":["Vault is sealed"]}')
        method, target, _ = request.line.split(" ")
        path, _, query = target.removeprefix("/v1/").partition("?")
        try:
            body = self._answer("LIST" if "list=true" in query else method, path, request)
        except Refused as exc:
            return Reply(exc.status, json.dumps({"errors": [exc.said]}).encode())
        return Reply(200, json.dumps(body).encode()) if body is not None else Reply(204)

    def _answer(self, method: str, path: str, request: Request) -> Any:
        if path.startswith("auth/"):
            return self._login(path, request.body)
        good = request.headers.get("x-vault-token") in self.tokens
        if not good or request.headers.get("x-vault-namespace", "") != self.namespace:
            raise Refused(403, "permission denied")
        engine, _, rest = path.partition("/")
        if engine != "transit":
            raise Refused(404, f"no handler for route {path!r}")
        verb, *names = rest.split("/")
        if (method, verb, names) == ("LIST", "keys", []):
            return {"data": {"keys": sorted(self.keys)}}
        key = self.keys.get(names[1] if verb == "datakey" else names[0])
        if key is None:
            raise Refused(404 if method == "GET" else 400, "encryption key not found")
        return self._of_key(method, verb, names, key, request.body)

    def _login(self, path: str, body: Any) -> Any:
        self.logins.append((path, body))
        if "denied" in body.values():
            raise Refused(400, "invalid role or secret")
        token = f"hvs.{len(self.logins)}"
        self.tokens.add(token)
        return {"auth": {"client_token": token, "lease_duration": self.lease}}

    def _of_key(self, method: str, verb: str, names: list[str], key: Key, body: Any) -> Any:
        match verb, method, names[1:]:
            case "keys", "GET", []:
                return {"data": _about(key)}
            case "keys", "POST", ["rotate"]:
                key.rotate()
                return {"data": _about(key)}
            case "encrypt", _, _:
                return {"data": _sealed(key, base64.b64decode(body["plaintext"]), body)}
            case "decrypt", _, _:
                return {"data": {"plaintext": _text(_opened(key, body))}}
            case "rewrap", _, _:
                return {"data": _sealed(key, _opened(key, body), body)}
            case "datakey", _, _:
                plaintext = os.urandom(body["bits"] // 8)
                return {"data": {"plaintext": _text(plaintext), **_sealed(key, plaintext, body)}}
        raise Refused(404, "unsupported path")


def _about(key: Key) -> dict[str, Any]:
    return {
        "derived": key.derived,
        "keys": {str(number): made for number, made in enumerate(key.times, start=1)},
        "latest_version": len(key.material),
        "min_decryption_version": key.oldest,
        "auto_rotate_period": 0,
    }


def _sealed(key: Key, plaintext: bytes, body: Any) -> dict[str, str]:
    nonce, version = os.urandom(12), len(key.material)
    sealed = nonce + key.cipher(version, body.get("context")).encrypt(nonce, plaintext, None)
    return {"ciphertext": f"vault:v{version}:{_text(sealed)}"}


def _opened(key: Key, body: Any) -> bytes:
    prefix, _, rest = body["ciphertext"].partition(":v")
    number, _, text = rest.partition(":")
    if prefix != "vault" or not number.isdecimal():
        raise Refused(400, "invalid ciphertext: no prefix")
    version = int(number)
    if version > len(key.material):
        raise Refused(400, "invalid ciphertext: version is too new")
    if version < key.oldest:
        raise Refused(400, "ciphertext or signature version is disallowed by policy (too old)")
    try:
        sealed = base64.b64decode(text, validate=True)
        return key.cipher(version, body.get("context")).decrypt(sealed[:12], sealed[12:], None)
    except (ValueError, InvalidTag):
        raise Refused(400, "cipher: message authentication failed") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@asynccontextmanager
async def vault() -> AsyncIterator[Server]:
    """Listens on a free port while the block runs."""
    fake = Server()
    async with listening(fake.handle) as base:
        fake.url = base.removesuffix("/v1")
        yield fake
