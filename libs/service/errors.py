"""The one module that turns errors into gRPC statuses (AIP-193). Knows no service."""

from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from libs.errors import AppError, InvalidRequest, Kind

log = structlog.get_logger(__name__)

DOMAIN = "aeterna.io"
_DETAILS = "grpc-status-details-bin"

STATUS_CODES = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.CANCELLED: grpc.StatusCode.CANCELLED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}


class InternalError(AppError):
    """Something that nobody foresaw. Says nothing of what it was: that is in the log."""

    kind, reason = Kind.UNAVAILABLE, "INTERNAL"

    def __init__(self) -> None:
        super().__init__("Internal error.")


def expected(exc: BaseException) -> AppError:
    """The error to tell the caller: an AppError, unwrapped; anything else is logged."""
    while isinstance(exc, BaseExceptionGroup):
        exc = next(
            (each for each in exc.exceptions if isinstance(each, AppError)), exc.exceptions[0]
        )
    if isinstance(exc, AppError):
        return exc
    log.error("call.failed", exc_info=exc)
    return InternalError()


def code_of(error: AppError) -> grpc.StatusCode:
    """The status code of an error."""
    return (
        grpc.StatusCode.INTERNAL if isinstance(error, InternalError) else STATUS_CODES[error.kind]
    )


def to_status(error: AppError) -> status_pb2.Status:
    """google.rpc.Status with ErrorInfo, and BadRequest or RetryInfo where they apply."""
    code = code_of(error)
    status = status_pb2.Status(code=code.value[0], message=str(error))
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    status.details.add().Pack(info)
    if isinstance(error, InvalidRequest):
        status.details.add().Pack(_bad_request(error))
    if error.kind in (Kind.UNAVAILABLE, Kind.EXHAUSTED):
        delay = duration_pb2.Duration()
        delay.FromTimedelta(error.retry_after)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def _bad_request(error: InvalidRequest) -> error_details_pb2.BadRequest:
    violations = [
        error_details_pb2.BadRequest.FieldViolation(field=each.field, description=each.description)
        for each in error.violations
    ]
    return error_details_pb2.BadRequest(field_violations=violations)


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: AppError) -> NoReturn:
    """Ends the call with the status of `error`."""
    trailer = (_DETAILS, to_status(error).SerializeToString())
    await context.abort(code_of(error), str(error), trailing_metadata=(trailer,))
    raise AssertionError("abort always raises")
