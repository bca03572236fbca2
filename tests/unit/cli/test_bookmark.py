"""Whose a transfer is, however often the token for it was renewed."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from cli.bulk.bookmark import whose
from cli.options import Options


def token(**claims: Any) -> str:
    parts = [{"alg": "EdDSA"}, claims]
    encoded = [urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts]
    return ".".join([*encoded, "signature"])


def of(token: str) -> str:
    return whose(Options(server="memory:50051", token=token, data=Path("/data")))


def test_a_renewed_token_is_for_the_same_transfer() -> None:
    first = token(tenant="acme", sub="ann", iat=1, exp=2, nbf=1, jti="a")

    assert of(token(tenant="acme", sub="ann", iat=7, exp=9, nbf=7, jti="b")) == of(first)


@pytest.mark.parametrize(
    "other", [token(tenant="bolt", sub="ann"), "opaque", "a.b", "a.!.c", "a.MQ.c", ""]
)
def test_another_token_is_for_another_transfer(other: str) -> None:
    assert of(other) != of(token(tenant="acme", sub="ann"))


def test_no_token_is_written_down() -> None:
    secret = token(tenant="acme")

    assert secret not in of(secret)
    assert "signature" not in of(secret)
