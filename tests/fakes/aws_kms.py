"""A server on 127.0.0.1 that speaks the part of AWS KMS in use, with the states of its keys.

moto decrypts under keys that are disabled or to be deleted; AWS does not, nor does this one. States
and errors are those of AWS's page "Key states of AWS KMS keys".
"""

import asyncio
import base64
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.fakes.provider_http import Reply, Request, answer, listening, read

ACCOUNT = "arn:aws:kms:eu-central-1:111122223333:"
_TAG = b"kms0"


class Refused(Exception):
    """One of AWS's errors, by its code."""


@dataclass
class Key:
    """A key and its backing material, one for each rotation; the last one encrypts."""

    id: UUID = field(default_factory=uuid4)
    state: str = "Enabled"
    material: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    created: float = field(default_factory=time.time)
    deletion: float | None = None

    @property
    def arn(self) -> str:
        return f"{ACCOUNT}key/{self.id}"

    def usable(self) -> "Key":
        """Raises what AWS says of a key that is not."""
        if self.state == "Disabled":
            raise Refused("DisabledException")
        if self.state != "Enabled":
            raise Refused("KMSInvalidStateException")
        return self


@dataclass
class Server:
    """Keys by ARN, and aliases; `faults` are the errors of the next calls."""

    url: str = ""
    keys: dict[str, Key] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)
    down: bool = False
    calls: list[str] = field(default_factory=list)

    def create(self, alias: str = "") -> Key:
        key = Key()
        self.keys[key.arn] = key
        if alias:
            self.aliases[f"alias/{alias}"] = key.arn
        return key

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read(reader)
        target = request.headers["x-amz-target"].removeprefix("TrentService.")
        self.calls.append(target)
        await answer(reader, writer, self._reply(target, request))

    def _reply(self, target: str, request: Request) -> Reply:
        if self.down:
            return Reply(silent=True)
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        try:
            if self.faults:
                raise Refused(self.faults.popleft())
            body = _TARGETS[target](self, request.body)
        except Refused as exc:
            said = {"__type": str(exc), "message": "refused"}
            status = 500 if str(exc) == "KMSInternalException" else 400
            return Reply(status, json.dumps(said).encode(), headers)
        return Reply(200, json.dumps(body).encode(), headers)

    def find(self, key_id: str) -> Key:
        arn = self.aliases.get(key_id, key_id)
        found = self.keys.get(arn) or self.keys.get(f"{ACCOUNT}key/{key_id}")
        if found is None:
            raise Refused("NotFoundException")
        return found

    def encrypt(self, key_id: str, plaintext: bytes, context: dict[str, str]) -> dict[str, str]:
        key = self.find(key_id).usable()
        nonce = os.urandom(12)
        sealed = AESGCM(key.material[-1]).encrypt(nonce, plaintext, _aad(context))
        blob = _TAG + key.id.bytes + bytes([len(key.material)]) + nonce + sealed
        return {"KeyId": key.arn, "CiphertextBlob": base64.b64encode(blob).decode()}

    def decrypt(self, text: str, context: dict[str, str], key_id: str) -> tuple[Key, bytes]:
        blob = base64.b64decode(text)
        if blob[:4] != _TAG or len(blob) < 49:
            raise Refused("InvalidCiphertextException")
        key = self.find(f"{ACCOUNT}key/{UUID(bytes=blob[4:20])}")
        if self.find(key_id) is not key:
            raise Refused("IncorrectKeyException")
        key.usable()
        try:
            material = key.material[blob[20] - 1]
            return key, AESGCM(material).decrypt(blob[21:33], blob[33:], _aad(context))
        except (InvalidTag, IndexError):
            raise Refused("InvalidCiphertextException") from None


def _aad(context: dict[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True).encode()


def _generate(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    plaintext = os.urandom(32)
    made = server.encrypt(asked["KeyId"], plaintext, asked.get("EncryptionContext", {}))
    return {**made, "Plaintext": base64.b64encode(plaintext).decode()}


def _encrypt(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    plaintext = base64.b64decode(asked["Plaintext"])
    return server.encrypt(asked["KeyId"], plaintext, asked.get("EncryptionContext", {}))


def _decrypt(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    context = asked.get("EncryptionContext", {})
    key, plaintext = server.decrypt(asked["CiphertextBlob"], context, asked["KeyId"])
    return {"KeyId": key.arn, "Plaintext": base64.b64encode(plaintext).decode()}


def _re_encrypt(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    source = asked.get("SourceEncryptionContext", {})
    key, plaintext = server.decrypt(asked["CiphertextBlob"], source, asked["SourceKeyId"])
    context = asked.get("DestinationEncryptionContext", {})
    made = server.encrypt(asked["DestinationKeyId"], plaintext, context)
    return {**made, "SourceKeyId": key.arn}


def _describe(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    key = server.find(asked["KeyId"])
    about: dict[str, Any] = {
        "KeyId": str(key.id),
        "Arn": key.arn,
        "KeyState": key.state,
        "CreationDate": key.created,
    }
    if key.deletion:
        about["DeletionDate"] = key.deletion
    return {"KeyMetadata": about}


def _rotate(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    key = server.find(asked["KeyId"]).usable()
    key.material.append(os.urandom(32))
    return {"KeyId": str(key.id)}


def _rotations(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    key = server.find(asked["KeyId"]).usable()
    made = [{"KeyId": str(key.id), "RotationType": "ON_DEMAND"} for _ in key.material[1:]]
    return {"Rotations": made, "Truncated": False}


def _rotation_status(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    server.find(asked["KeyId"]).usable()
    return {"KeyRotationEnabled": False}


def _list(server: Server, asked: dict[str, Any]) -> dict[str, Any]:
    keys = [{"KeyId": str(key.id), "KeyArn": key.arn} for key in server.keys.values()]
    return {"Keys": keys, "Truncated": False}


_TARGETS: dict[str, Callable[[Server, dict[str, Any]], dict[str, Any]]] = {
    "GenerateDataKey": _generate,
    "Encrypt": _encrypt,
    "Decrypt": _decrypt,
    "ReEncrypt": _re_encrypt,
    "DescribeKey": _describe,
    "RotateKeyOnDemand": _rotate,
    "ListKeyRotations": _rotations,
    "GetKeyRotationStatus": _rotation_status,
    "ListKeys": _list,
}


@asynccontextmanager
async def aws_kms() -> AsyncIterator[Server]:
    """Listens on a free port while the block runs."""
    fake = Server()
    async with listening(fake.handle) as fake.url:
        yield fake
