"""Gathers a person's data: `libs.operations.Step` of ExportSubject.

The other services fill their files by operations of their own, governance fills the rest; the
manifest, with a checksum of each file, comes last.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from libs.changes import Asked, Change, Origin, Request
from libs.changes import Operation as Did
from libs.errors import AppError, Kind
from libs.exports import KINDS, Export, Gathering, Parts
from libs.operations import COLLECTION, Fields, OperationId, OperationUnderWay, Progress, State
from libs.operations.store import Operations
from libs.spine import writing
from libs.tenancy import Route

KIND = "ExportSubject"
MANIFEST = "manifest.json"
FORMAT = "aeterna.subject-export.v1"
_PAUSE, _LOOKS = 0.05, 60
_START = ("", -1)


class ExportStepFailed(AppError):
    """An operation that another service was to do has failed."""

    kind, reason = Kind.PRECONDITION, "EXPORT_STEP_FAILED"

    def __init__(self, operation: str) -> None:
        super().__init__(f"{operation} has failed; see its error.", operation=operation)


@dataclass(frozen=True)
class ExportOf:
    """Steps: `others` fill their files, `own` ones are filled, the `manifest` is made."""

    operations: Operations
    parts: Parts
    own: Gathering
    now: Callable[[], datetime]

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        match progress.cursor.get("step", "others"):
            case "others":
                return await self._others(route, parameters)
            case "own":
                return await self._own(route, parameters, progress)
        return await self._manifest(route, parameters)

    async def _others(self, route: Route, parameters: Fields) -> Progress:
        begun = [await self._begun(route, parameters, kind) for kind in KINDS]
        for _ in range(_LOOKS):
            found = [each and await self.operations.get(route, each) for each in begun]
            done = [each for each in found if each and each.state.final]
            for each in done:
                if each.state is not State.SUCCEEDED:
                    raise ExportStepFailed(f"{COLLECTION}/{each.id}")
            if len(done) == len(KINDS):
                return Progress(1, 3, cursor={"step": "own", "inner": {}})
            await asyncio.sleep(_PAUSE)
        return Progress(0, 3, cursor={"step": "others"})

    async def _begun(self, route: Route, parameters: Fields, kind: str) -> OperationId | None:
        """The operation of another service, begun once; None: it is still at one before."""
        identity = uuid5(UUID(parameters["export"]), kind)
        origin = Origin(parameters["actor"], parameters["trace_id"], str(identity))
        asked = Asked(origin, Request(identity, kind, b""))
        wanted = Export.of(parameters).parameters()
        try:
            return (await self.operations.begin(route, asked, kind, wanted)).id
        except OperationUnderWay:
            return None

    async def _own(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        inner = await self.own(route, parameters, Progress(cursor=progress.cursor["inner"]))
        step = "manifest" if inner.finished else "own"
        return Progress(2, 3, cursor={"step": step, "inner": dict(inner.cursor)})

    async def _manifest(self, route: Route, parameters: Fields) -> Progress:
        export = Export.of(parameters)
        files = await self._files(route, export)
        manifest = {
            "format": FORMAT,
            "export": f"subjectExports/{export.id}",
            "tenant": route.tenant,
            "subject": export.subject,
            "createTime": self.now().isoformat(),
            "expireTime": export.expires_at.isoformat(),
            "files": files,
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n"
        await self.parts.put(route, export, MANIFEST, 0, [text])
        origin = Origin(parameters["actor"], parameters["trace_id"])
        name = f"subjectExports/{export.id}"
        async with writing(route) as write:
            event = "export.completed"
            change = Change(name, Did.RECORDED, origin, export.subject, event=event)
            await write.append([change])
        result = {"export": name, "files": [_listed(each) for each in files]}
        return Progress(3, 3, finished=True, result=result)

    async def _files(self, route: Route, export: Export) -> list[dict[str, Any]]:
        """Each file with its length, its checksum and how many lines it has."""
        files: dict[str, dict[str, Any]] = {}
        digests: dict[str, Any] = {}
        at: tuple[str, int] = _START
        while piece := await self.parts.next(route, export.id, *at):
            at = piece.file, piece.place
            if piece.file == MANIFEST:
                continue
            file = files.setdefault(piece.file, {"name": piece.file, "sizeBytes": 0, "records": 0})
            file["sizeBytes"] += len(piece.data)
            file["records"] += piece.records
            digests.setdefault(piece.file, hashlib.sha256()).update(piece.data)
        return [{**file, "sha256": digests[name].hexdigest()} for name, file in files.items()]


def _listed(file: dict[str, Any]) -> dict[str, Any]:
    """As the response of the operation has it."""
    return {**file, "sizeBytes": str(file["sizeBytes"]), "records": str(file["records"])}
