"""A server of one document, and lines to it that a test cuts: nothing moves unasked."""

from __future__ import annotations  # the stubs know more classes than the code

from collections import deque
from typing import Any

import grpc

from aeterna.sync.v1 import documents_pb2 as pb
from aeterna.sync.v1 import live_pb2
from libs.live import Pauses, Room, SharedDocument
from libs.live.asking import Asking
from libs.live.texts import fields_from, fields_to, operation_from, operation_to
from libs.ot import apply
from libs.ot.clocks import Fields, latest, merge, values
from libs.ot.ordering import place

NAME = "documents/1"
Response = live_pb2.ConnectResponse


class Refused(Exception):
    """What a request is answered with."""


class Desk:
    """Orders edits as the sync service does; their versions are the numbers of changes, too."""

    def __init__(self) -> None:
        self.text = ""
        self.fields: Fields = {}
        self.edits: list[pb.DocumentEdit] = []
        self.oldest = 0
        self.lines: list[Line] = []
        self.refuses = ""  # edits, for this reason
        self._answers: dict[str, pb.DocumentEdit] = {}

    @property
    def version(self) -> int:
        return len(self.edits)

    def compact(self) -> None:
        """Forgets every edit up to now, but not which requests were answered."""
        self.oldest = self.version

    def answer(self, message: live_pb2.ConnectRequest) -> Response:
        kind = message.WhichOneof("message")
        try:
            values: dict[str, Any] = getattr(self, f"_{kind}")(getattr(message, kind or ""))
            return Response(reply_to=message.id, **values)
        except Refused as refused:
            code = grpc.StatusCode.FAILED_PRECONDITION.value[0]
            error = Response.Error(code=code, reason=str(refused), message="no")
            return Response(reply_to=message.id, error=error)

    def snapshot(self) -> Response:
        document = self.document()
        part = Response.Snapshot(room=NAME, number=self.version, document=document, complete=True)
        return Response(snapshot=part)

    def document(self) -> pb.Document:
        written = latest(self.fields)
        return pb.Document(
            name=NAME,
            text=self.text,
            version=self.version,
            fields=values(self.fields),
            fields_time=written.milliseconds,
            fields_counter=written.counter,
        )

    def event(self, edit: pb.DocumentEdit) -> Response:
        """With what was typed, as long as that is kept."""
        kept = edit if edit.version > self.oldest else None
        return Response(event=Response.Event(room=NAME, number=edit.version, edit=kept))

    def _edit_document(self, request: pb.EditDocumentRequest) -> dict[str, Any]:
        if known := self._answers.get(request.request_id):
            return {"edit": known}
        if request.base_version < self.oldest and request.operation.parts:
            raise Refused("HISTORY_COMPACTED")
        if self.refuses:
            raise Refused(self.refuses)
        since = [operation_from(each.operation) for each in self.edits[request.base_version :]]
        operation = place(operation_from(request.operation), since, len(self.text))
        self.text = apply(self.text, operation)
        self.fields, changed = merge(self.fields, fields_from(request.fields))
        edit = pb.DocumentEdit(
            version=self.version + 1,
            operation=operation_to(operation),
            request_id=request.request_id,
            fields=fields_to(changed),
        )
        self.edits.append(edit)
        self._answers[request.request_id] = edit
        for line in self.lines:
            line.tell(self.event(edit))
        return {"edit": edit}

    def _list_document_edits(self, request: pb.ListDocumentEditsRequest) -> dict[str, Any]:
        if request.since_version < self.oldest:
            raise Refused("HISTORY_COMPACTED")
        edits = self.edits[request.since_version :][: request.page_size]
        return {"edits": pb.ListDocumentEditsResponse(edits=edits, version=self.version)}

    def _get_document(self, request: pb.GetDocumentRequest) -> dict[str, Any]:
        return {"document": self.document()}


class Line:
    """A client of the document. What it sends and what it is sent waits to be moved on."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._is_up = desk, False
        self.up: deque[live_pb2.ConnectRequest] = deque()
        self.down: deque[Response] = deque()
        self._asking = Asking(self.send, Pauses())
        subscribe = live_pb2.ConnectRequest.Subscribe(room=NAME, snapshot=True)
        self._room = Room(subscribe, self.send, lambda _: None)
        self.document = SharedDocument(self._room, self._asking.ask)
        desk.lines.append(self)

    def send(self, message: live_pb2.ConnectRequest) -> bool:
        if self._is_up:
            self.up.append(message)
        return self._is_up

    def tell(self, message: Response) -> None:
        if self._is_up:
            self.down.append(message)

    def cut(self) -> None:
        """What is on its way is lost."""
        self._is_up = False
        self.up.clear()
        self.down.clear()

    def connect(self) -> None:
        """As `Live` does: enters the room where it was left, and sends what waits."""
        if self._is_up:
            return
        self._is_up = True
        subscription = self._room.subscription()
        if subscription.snapshot:
            self.down.append(self._desk.snapshot())
        else:
            missed = self._desk.edits[subscription.since :]
            self.down.extend(map(self._desk.event, missed))
        self._asking.resume(0)

    def serve(self) -> bool:
        """The server takes the next message; False for none."""
        if self.up:
            message = self.up.popleft()
            if message.id:
                self.tell(self._desk.answer(message))
            return True
        return False

    def hear(self) -> bool:
        """The client takes the next message; False for none."""
        if self.down:
            message = self.down.popleft()
            if not self._asking.hear(message):
                self._room.hear(message)
            return True
        return False
