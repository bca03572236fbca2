"""What a client does once its connection has ended."""

import grpc
import pytest

from libs.live.connection import is_final
from libs.live.endings import NO_CLOSE, Ending, Next, refused


@pytest.mark.parametrize(
    ("code", "next_"),
    [
        (1000, Next.RESUME),
        (1001, Next.RESUME),
        (1011, Next.RESUME),
        (NO_CLOSE, Next.RESUME),
        (4408, Next.RESUME),
        (4409, Next.RESUME),
        (4503, Next.RESUME),
        (4999, Next.RESUME),
        (4401, Next.RENEW),
        (4429, Next.WAIT),
        (1002, Next.STOP),
        (1003, Next.STOP),
        (1007, Next.STOP),
        (1009, Next.STOP),
        (4400, Next.STOP),
        (4403, Next.STOP),
    ],
)
def test_a_code_says_what_to_do(code: int, next_: Next) -> None:
    assert Ending(code).next is next_


def test_a_token_is_renewed_once_it_was_good() -> None:
    assert is_final(Ending(4401), welcomed=False)
    assert not is_final(Ending(4401), welcomed=True)
    assert not is_final(Ending(4409), welcomed=False)
    assert is_final(Ending(4403), welcomed=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SLOW_CONSUMER number=42", "SLOW_CONSUMER"),
        ("TOKEN_EXPIRED", "TOKEN_EXPIRED"),
        ("going away", ""),
        ("", ""),
    ],
)
def test_a_close_reason_is_that_of_the_contract(text: str, reason: str) -> None:
    assert Ending(4409, text).error.reason == reason


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (4401, grpc.StatusCode.UNAUTHENTICATED),
        (4403, grpc.StatusCode.PERMISSION_DENIED),
        (4429, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (4400, grpc.StatusCode.INVALID_ARGUMENT),
        (NO_CLOSE, grpc.StatusCode.UNAVAILABLE),
    ],
)
def test_an_ending_is_an_error_of_clients(code: int, status: grpc.StatusCode) -> None:
    assert Ending(code).error.code is status


@pytest.mark.parametrize(
    ("status", "next_"),
    [
        (401, Next.RENEW),
        (403, Next.STOP),
        (404, Next.STOP),
        (426, Next.STOP),
        (429, Next.WAIT),
        (500, Next.RESUME),
        (502, Next.RESUME),
        (503, Next.RESUME),
    ],
)
def test_a_refused_handshake_says_what_to_do(status: int, next_: Next) -> None:
    assert refused(status).next is next_
