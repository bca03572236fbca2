"""Every Wycheproof vector of the algorithms in use, through our own functions."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.encryption import DecryptionFailed
from libs.encryption.primitives import (
    hkdf_sha256,
    open_sealed,
    unwrap_key,
    unwrap_secret,
    wrap_key,
    wrap_secret,
)

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("AETERNA_DATA_DIR", ROOT.parent / "shared" / "data"))
OPENSSL_NONCE_BITS = range(64, 1025)

Vector = dict[str, Any]


def vectors(algorithm: str) -> Iterator[Vector]:
    """Each vector with its group's sizes, and hexadecimal values decoded."""
    path = DATA / "wycheproof" / f"{algorithm}_test.json"
    if not path.exists():
        pytest.skip(f"no Wycheproof vectors at {path}; AETERNA_DATA_DIR names their folder")
    document = json.loads(path.read_text())
    assert sum(len(group["tests"]) for group in document["testGroups"]) == document["numberOfTests"]
    for group in document["testGroups"]:
        for test in group["tests"]:
            yield group | {name: _decoded(name, value) for name, value in test.items()}


def _decoded(name: str, value: Any) -> Any:
    return value if name in ("comment", "result") or not isinstance(value, str) else _hex(value)


def _hex(value: str) -> bytes:
    return bytes.fromhex(value)


def test_aes_gcm() -> None:
    failed = [v["tcId"] for v in vectors("aes_gcm") if _gcm_opens(v) != _gcm_should_open(v)]

    assert failed == []


def _gcm_should_open(vector: Vector) -> bool:
    """A valid vector opens; OpenSSL refuses a few valid ones for the length of their nonce."""
    return vector["result"] == "valid" and vector["ivSize"] in OPENSSL_NONCE_BITS


def _gcm_opens(vector: Vector) -> bool:
    sealed = vector["ct"] + vector["tag"]
    try:
        plain = open_sealed(AESGCM(vector["key"]), vector["iv"], sealed, vector["aad"])
    except DecryptionFailed:
        return False
    return bool(plain == vector["msg"])


@pytest.mark.parametrize(
    ("algorithm", "wrap", "unwrap"),
    [("aes_wrap", wrap_key, unwrap_key), ("aes_kwp", wrap_secret, unwrap_secret)],
)
def test_key_wrap(
    algorithm: str,
    wrap: Callable[[bytes, bytes], bytes],
    unwrap: Callable[[bytes, bytes], bytes],
) -> None:
    failed = []
    for vector in vectors(algorithm):  # "acceptable": keys of 8 bytes, which RFC 3394 leaves out
        valid = vector["result"] == "valid"
        unwrapped = _or_none(unwrap, vector["key"], vector["ct"]) == vector["msg"]
        wrapped = not valid or wrap(vector["key"], vector["msg"]) == vector["ct"]
        if unwrapped != valid or not wrapped:
            failed.append(vector["tcId"])

    assert failed == []


def _or_none(unwrap: Callable[[bytes, bytes], bytes], key: bytes, wrapped: bytes) -> bytes | None:
    try:
        return unwrap(key, wrapped)
    except DecryptionFailed:
        return None


def test_hkdf_sha256() -> None:
    failed = [v["tcId"] for v in vectors("hkdf_sha256") if _derived(v) != _expected(v)]

    assert failed == []


def _expected(vector: Vector) -> bytes | None:
    return vector["okm"] if vector["result"] == "valid" else None


def _derived(vector: Vector) -> bytes | None:
    salt, info, length = vector["salt"], vector["info"], vector["size"]
    try:
        return hkdf_sha256(vector["ikm"], salt=salt, info=info, length=length)
    except ValueError:
        return None
