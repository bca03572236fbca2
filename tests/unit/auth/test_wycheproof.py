"""Every Wycheproof vector of signed tokens: ours are decided right, other algorithms refused."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.auth import TokenInvalid
from libs.auth.signatures import parse_keys, parse_token
from tests.unit.auth.support import key_set

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("AETERNA_DATA_DIR", ROOT.parent / "shared" / "data"))
ALLOWED = ("RS256", "ES256", "EdDSA")

Vector = dict[str, Any]


def vectors() -> Iterator[Vector]:
    """Each vector with the key that an issuer would publish (for HMAC: the secret)."""
    path = DATA / "wycheproof" / "json_web_signature_test.json"
    if not path.exists():
        pytest.skip(f"no Wycheproof vectors at {path}; AETERNA_DATA_DIR names their folder")
    document = json.loads(path.read_text())
    assert sum(len(group["tests"]) for group in document["testGroups"]) == document["numberOfTests"]
    for group in document["testGroups"]:
        key = group.get("public") or group["private"]
        yield from ({**test, "key": key} for test in group["tests"])


def accepted(vector: Vector) -> bool:
    try:
        token = parse_token(vector["jws"])
    except TokenInvalid:
        return False
    key = parse_keys(key_set(vector["key"])).get(token.key)
    return key is not None and key.verifies(token)


def test_a_vector_is_accepted_if_valid_and_of_an_algorithm_of_ours() -> None:
    wrong = [
        vector["tcId"]
        for vector in vectors()
        if accepted(vector) != (vector["result"] == "valid" and vector["key"]["alg"] in ALLOWED)
    ]

    assert wrong == []


def test_the_vectors_hold_both_outcomes() -> None:
    outcomes = [accepted(vector) for vector in vectors()]

    assert (outcomes.count(True), len(outcomes)) == (10, 401)
