"""Exit codes, and errors as one line on standard error: never a traceback."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import grpc
import typer

from libs.clients import ClientError
from libs.errors import AppError, InvalidRequest, Kind


class Exit(IntEnum):
    """What a script may branch on."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    CONFLICT = 5
    UNAVAILABLE = 6
    FOLDER_IN_USE = 7
    INTERRUPTED = 130


EXIT_CODES_HELP = (
    "[bold]Exit codes:[/bold] 0 ok, 1 unexpected, 2 usage, 3 not found, 4 refused (not allowed, or"
    " no valid token), 5 conflict or precondition, 6 unavailable, 7 data folder in use,"
    " 130 interrupted. A server that is asked to stop ends with 0."
)

_BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: Exit.USAGE,
    grpc.StatusCode.OUT_OF_RANGE: Exit.USAGE,
    grpc.StatusCode.NOT_FOUND: Exit.NOT_FOUND,
    grpc.StatusCode.UNAUTHENTICATED: Exit.REFUSED,
    grpc.StatusCode.PERMISSION_DENIED: Exit.REFUSED,
    grpc.StatusCode.ALREADY_EXISTS: Exit.CONFLICT,
    grpc.StatusCode.ABORTED: Exit.CONFLICT,
    grpc.StatusCode.CANCELLED: Exit.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: Exit.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Exit.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Exit.UNAVAILABLE,
    grpc.StatusCode.UNAVAILABLE: Exit.UNAVAILABLE,
}
_BY_KIND = {
    Kind.INVALID: Exit.USAGE,
    Kind.UNAUTHENTICATED: Exit.REFUSED,
    Kind.DENIED: Exit.REFUSED,
    Kind.NOT_FOUND: Exit.NOT_FOUND,
    Kind.ALREADY_EXISTS: Exit.CONFLICT,
    Kind.CONFLICT: Exit.CONFLICT,
    Kind.PRECONDITION: Exit.CONFLICT,
    Kind.EXHAUSTED: Exit.UNAVAILABLE,
    Kind.TIMEOUT: Exit.UNAVAILABLE,
    Kind.CANCELLED: Exit.CONFLICT,
    Kind.UNAVAILABLE: Exit.UNAVAILABLE,
}
_HINT = "No server answers there: start one with `aeterna serve all`, or name it with --server."


@contextmanager
def exits() -> Iterator[None]:
    """Ends the command with the code and the line of whatever is raised in the block."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise  # Typer's own business
    except Exception as error:
        print(f"error: {_line(error)}", file=sys.stderr)
        raise typer.Exit(exit_code(error)) from error


def exit_code(error: Exception) -> Exit:
    """The code of an error."""
    if isinstance(error, ClientError):
        return _BY_CODE.get(error.code, Exit.UNEXPECTED)
    if isinstance(error, AppError):
        in_use = error.reason == "DATA_FOLDER_IN_USE"
        return Exit.FOLDER_IN_USE if in_use else _BY_KIND[error.kind]
    return Exit.UNEXPECTED


def _line(error: Exception) -> str:
    """What happened, on one line: reason, message, the values or the wrong fields."""
    if isinstance(error, InvalidRequest) or (isinstance(error, ClientError) and error.violations):
        fields = "; ".join(f"{each.field}: {each.description}" for each in error.violations)
        return f"{error.reason}: {fields}"
    if isinstance(error, ClientError) and not error.reason:
        return f"{error.code.name}: {_unanswered(error)}"
    if isinstance(error, ClientError | AppError):
        return f"{error.reason}: {error}"
    return f"UNEXPECTED: {type(error).__name__} at {_place(error)}"


def _unanswered(error: ClientError) -> str:
    return _HINT if error.code is grpc.StatusCode.UNAVAILABLE else " ".join(str(error).split())


def _place(error: Exception) -> str:
    """The innermost line of code: says more than nothing, and holds no values."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"
