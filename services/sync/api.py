"""gRPC servicer of the change log: translates, nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial

from aeterna.sync.v1 import sync_pb2 as pb
from aeterna.sync.v1 import sync_pb2_grpc as pb_grpc
from libs.aip.paging import page_size
from libs.authorization.seeing import plain_sight
from libs.authorization.things import MEMORY
from libs.service.caller import Caller, caller
from libs.service.convert import change_to
from libs.service.pipeline import Context, SlowConsumer
from libs.spine.changes import LoggedChange
from services.sync.domain.sight import reading
from services.sync.operations import Checkpoint, Interest, Subscriptions
from services.sync.ports import ChangeLog

_PAGE = 100


class SyncServicer(pb_grpc.SyncServiceServicer):
    """`aeterna.sync.v1.SyncService` over the log and its subscriptions."""

    def __init__(self, log: ChangeLog, subscriptions: Subscriptions) -> None:
        self._log, self._subscriptions = log, subscriptions

    async def ListChanges(
        self, request: pb.ListChangesRequest, context: Context
    ) -> pb.ListChangesResponse:
        current, size = caller(), page_size(request.page_size, default=_PAGE)
        seen: list[LoggedChange] = []
        since, head = request.since, request.since + 1
        while since < head and len(seen) < size:
            changes, head = await self._log.after(current.tenant, since, size - len(seen))
            seen += [each for each in changes if _sees(current, each)]
            since = changes[-1].number if changes else head
        return pb.ListChangesResponse(changes=map(change_to, seen), head=head, checkpoint=since)

    async def Subscribe(
        self, request: pb.SubscribeRequest, context: Context
    ) -> AsyncIterator[pb.SubscribeResponse]:
        sent = 0
        async with aclosing(self._subscriptions.events(_interest(request))) as events:
            async for event in events:
                try:
                    yield _response(event)
                except SlowConsumer as exc:
                    raise SlowConsumer(lastNumber=str(sent)) from exc
                sent = event.number


def _interest(request: pb.SubscribeRequest) -> Interest:
    current = caller()
    return Interest(
        tenant=current.tenant,
        since=request.since if request.HasField("since") else None,
        collections=frozenset(request.collections),
        until=current.identity.expires_at,
        sees=partial(_sight, current),
    )


async def _sight(current: Caller) -> Callable[[LoggedChange], bool]:
    """What the caller may hear of by now.

    Raises:
        PermissionDenied: Nothing any more.
    """
    renewed = await current.now()
    renewed.admit("Subscribe")
    return partial(_sees, renewed)


def _sees(current: Caller, change: LoggedChange) -> bool:
    action, thing = reading(change, current.tenant, current.identity.subject)
    if thing.kind == MEMORY:  # of as many people as there are: one sight spares a decision each
        plain = plain_sight(current.asker, action, MEMORY, current.tenant)
        if plain is not None:
            return plain.shows(thing)
    return current.may(action, thing)


def _response(event: LoggedChange | Checkpoint) -> pb.SubscribeResponse:
    if isinstance(event, Checkpoint):
        return pb.SubscribeResponse(checkpoint=event.number)
    return pb.SubscribeResponse(change=change_to(event))
