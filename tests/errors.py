"""Asserting how a call fails: code, reason, fields; and that every failure is well formed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

_CLEAN = ("Traceback", "asyncpg", 'File "', "SELECT ", "aeterna_app")


@contextmanager
def fails_with(reason: str, *fields: str, code: grpc.StatusCode | None = None) -> Iterator[None]:
    """The block fails with this reason; `fields` are those that the error names."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        yield
    assert reason_of(raised.value) == reason
    assert fields_of(raised.value) == sorted(fields)
    if code:
        assert raised.value.code() is code


def status_of(error: Any) -> Any:
    """The google.rpc.Status of an error, None if it has none."""
    return rpc_status.from_call(error)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason in ErrorInfo; the error is checked to have one and to leak nothing."""
    return str(info_of(error).reason)


def info_of(error: grpc.aio.AioRpcError) -> Any:
    """The ErrorInfo of an error, which is checked to have one and to leak nothing."""
    status = status_of(error)
    assert status is not None, error
    infos = [
        detail for detail in status.details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
    ]
    info = error_details_pb2.ErrorInfo()
    assert len(infos) == 1
    infos[0].Unpack(info)
    assert info.domain == "aeterna.io"
    assert not any(word in str(status) for word in _CLEAN), status
    return info


def fields_of(error: grpc.aio.AioRpcError) -> list[str]:
    """The fields that BadRequest names, in order."""
    status = status_of(error)
    bad = error_details_pb2.BadRequest()
    for detail in status.details if status else ():
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            detail.Unpack(bad)
    return sorted(each.field for each in bad.field_violations)
