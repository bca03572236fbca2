"""The one module of clients that turns gRPC's errors into the suite's own (AIP-193)."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.rpc import error_details_pb2, status_pb2

from libs.errors import FieldViolation

_DETAILS = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ClientError(Exception):
    """A call that failed.

    Attributes:
        code: What the caller should do next.
        reason: UPPER_SNAKE_CASE, part of the contract; empty when the server did not answer itself.
        metadata: The values in the message.
        violations: The wrong fields of the request.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        metadata: dict[str, str] | None = None,
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason
        self.metadata, self.violations = metadata or {}, violations


@contextmanager
def client_errors() -> Iterator[None]:
    """Turns what gRPC raises, also while a stream is read, into `ClientError`."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_call(error) from error


def from_call(error: grpc.aio.AioRpcError) -> ClientError:
    """The error of a call."""
    details = dict(error.trailing_metadata() or ()).get(_DETAILS)
    if not isinstance(details, bytes):
        return ClientError(error.code(), error.details() or "")
    return from_status(status_pb2.Status.FromString(details))


def from_status(status: status_pb2.Status) -> ClientError:
    """The error that a status describes; streams answer single requests with one."""
    info, wrong = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        _ = detail.Unpack(info) or detail.Unpack(wrong)
    violations = tuple(
        FieldViolation(each.field, each.description) for each in wrong.field_violations
    )
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    return ClientError(code, status.message, info.reason, dict(info.metadata), violations)
