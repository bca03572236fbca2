"""What the server says, as messages of the contract."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from aeterna.common.v1.change_pb2 import Change
from aeterna.sync.v1 import live_pb2 as pb
from libs.auth import Identity
from libs.errors import AppError, InvalidRequest
from libs.service.convert import change_to, timestamp
from libs.service.errors import code_of
from libs.spine.changes import LoggedChange
from services.sync.live.domain.events import type_of
from services.sync.live.ports import Frame

Error = pb.ConnectResponse.Error
Snapshot = pb.ConnectResponse.Snapshot


class Speech:
    """`Frames` of the contract."""

    def __init__(self) -> None:
        self._last: tuple[LoggedChange | None, Change] = None, Change()

    def event(self, room: str, change: LoggedChange, edit: Any) -> Frame:
        """What happened, for one of the rooms that the change is in."""
        event = pb.ConnectResponse.Event(
            room=room, number=change.number, type=type_of(change), change=self._change(change)
        )
        if edit is not None:
            event.edit.CopyFrom(edit)
        return Frame(pb.ConnectResponse(event=event), change.number)

    def checkpoint(self, room: str, number: int) -> Frame:
        """From where to resume."""
        message = pb.ConnectResponse.Checkpoint(room=room, number=number)
        return Frame(pb.ConnectResponse(checkpoint=message))

    def snapshot(
        self, room: str, resources: Sequence[LoggedChange], number: int, *, complete: bool
    ) -> Frame:
        """A part of what there is."""
        rows = [Snapshot.Resource(name=row.resource, number=row.number) for row in resources]
        message = Snapshot(room=room, resources=rows, complete=complete, number=number)
        return Frame(pb.ConnectResponse(snapshot=message))

    def expelled(self, room: str, error: AppError) -> Frame:
        """A room was left that nobody asked to leave."""
        message = pb.ConnectResponse.Unsubscribed(room=room, error=error_to(error))
        return Frame(pb.ConnectResponse(unsubscribed=message))

    def draining(self, after: timedelta) -> Frame:
        """The server stops soon."""
        message = pb.ConnectResponse.Draining(reconnect_after=_duration(after))
        return Frame(pb.ConnectResponse(draining=message))

    def _change(self, change: LoggedChange) -> Change:
        """Made once for all rooms."""
        if self._last[0] is not change:
            self._last = change, change_to(change)
        return self._last[1]


def welcome(
    reply_to: str,
    connection: str,
    tenant: str,
    identity: Identity,
    heartbeat: timedelta,
    max_message_bytes: int,
) -> pb.ConnectResponse:
    """The client is known."""
    message = pb.ConnectResponse.Welcome(
        connection=connection,
        tenant=tenant,
        subject=identity.subject,
        expire_time=timestamp(identity.expires_at),
        heartbeat=_duration(heartbeat),
        max_message_bytes=max_message_bytes,
    )
    return pb.ConnectResponse(reply_to=reply_to, welcome=message)


def error_to(error: AppError) -> Error:
    """The message of an error."""
    violations = error.violations if isinstance(error, InvalidRequest) else ()
    fields: Mapping[str, str] = {each.field: each.description for each in violations}
    return Error(
        code=code_of(error).value[0],
        reason=error.reason,
        message=str(error),
        metadata=error.metadata,
        fields=fields,
    )


def _duration(time: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(time)
    return message
