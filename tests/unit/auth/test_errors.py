"""What clients and operators are told."""

from pathlib import Path

import pytest

from libs.auth import (
    InsecureKeysInProduction,
    IssuerUnknown,
    KeysUnavailable,
    LocalIssuerInProduction,
    LocalIssuerUnusable,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
)
from libs.errors import AppError, Kind


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (TokenMissing(), Kind.UNAUTHENTICATED, "TOKEN_MISSING"),
        (TokenInvalid(), Kind.UNAUTHENTICATED, "TOKEN_INVALID"),
        (TokenExpired(), Kind.UNAUTHENTICATED, "TOKEN_EXPIRED"),
        (IssuerUnknown(), Kind.UNAUTHENTICATED, "ISSUER_UNKNOWN"),
        (KeysUnavailable(), Kind.UNAVAILABLE, "KEYS_UNAVAILABLE"),
        (LocalIssuerInProduction(), Kind.PRECONDITION, "LOCAL_ISSUER_IN_PRODUCTION"),
        (InsecureKeysInProduction("a"), Kind.PRECONDITION, "INSECURE_KEYS_IN_PRODUCTION"),
        (LocalIssuerUnusable(Path("a"), "b"), Kind.PRECONDITION, "LOCAL_ISSUER_UNUSABLE"),
    ],
)
def test_each_failure_has_a_kind_and_a_reason(error: AppError, kind: Kind, reason: str) -> None:
    assert (error.kind, error.reason) == (kind, reason)
    assert all(value in str(error) for value in error.metadata.values())
