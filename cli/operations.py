"""`aeterna operations`: work that goes on when its call is over."""

from typing import Annotated, Any

import typer
from google.longrunning import operations_pb2 as pb
from google.protobuf.message import Message

# For printing what operations answer.
from aeterna.governance.v1 import erasure_pb2, export_pb2, keys_pb2  # noqa: F401
from aeterna.memory.v1 import maintenance_pb2  # noqa: F401
from cli.arguments import name
from cli.command import command
from cli.paging import Limit, collect
from cli.progress import progress
from cli.session import Session
from cli.show import Shown
from cli.views.common import operation_metadata
from libs.clients.errors import from_status

app = typer.Typer(help="List, follow and cancel long-running operations.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="operations/{uuid}, or the uuid alone.")]
_LIST = "aeterna operations list --filter 'state = \"running\"'"
_SECONDS = 1  # between looks at the progress


@command(app, "list", example=_LIST)
async def list_(
    session: Session,
    filter: Annotated[
        str, typer.Option(help="Comparisons of kind, state, actor, create_time (AIP-160).")
    ] = "",
    limit: Limit = 50,
) -> Shown:
    """List operations, newest first; those that ended are kept for 30 days."""
    request = pb.ListOperationsRequest(name="operations", filter=filter)
    return await collect(session.operations.ListOperations, request, "operations", limit)


@command(app, "get")
async def get(session: Session, operation: Name) -> Shown:
    """Show one operation."""
    return await _get(session, operation)


@command(app, "wait")
async def wait(session: Session, operation: Name) -> Shown:
    """Follow an operation to its end; fails as it does."""
    return await finished(session, await _get(session, operation))


@command(app, "cancel")
async def cancel(session: Session, operation: Name) -> Shown:
    """Ask an operation to stop; what it has done remains."""
    request = pb.CancelOperationRequest(name=name("operations", operation))
    await session.operations.CancelOperation(request)
    return f"{request.name} was asked to stop."


@command(app, "delete")
async def delete(session: Session, operation: Name) -> Shown:
    """Forget an operation that has ended."""
    request = pb.DeleteOperationRequest(name=name("operations", operation))
    await session.operations.DeleteOperation(request)
    return f"{request.name} is deleted."


async def finished(session: Session, operation: Any, service: Any = None) -> Message:
    """The operation once it has ended; shows its progress until then.

    Args:
        service: The operations of the service that has it; those of memory when None.
    Raises:
        ClientError: It failed, or was cancelled.
    """
    service = service or session.operations
    request = pb.WaitOperationRequest(name=operation.name)
    request.timeout.seconds = _SECONDS
    with progress(operation_metadata(operation).kind) as advance:
        while not operation.done:
            operation = await service.WaitOperation(request)
            now = operation_metadata(operation)
            advance(now.done, now.total)
    if operation.HasField("error"):
        raise from_status(operation.error)
    ended: Message = operation
    return ended


async def _get(session: Session, operation: str) -> Message:
    request = pb.GetOperationRequest(name=name("operations", operation))
    found: Message = await session.operations.GetOperation(request)
    return found
