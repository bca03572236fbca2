"""Destroys keys that nothing names any more, once a scan of all values has proved it.

First every key that has a successor is marked. From then on the database takes the mark off a key
that any write names, and the scan takes it off those that it finds: a value is either older than
the marking, and where it was then when the scan comes by, or it was written later. So what is
marked in the end is named by nothing, whoever wrote meanwhile; and a write that comes later is
refused.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from libs.operations import Fields, Progress
from libs.operations.asking import origin_of
from libs.tenancy import Route
from services.governance.keys import rows
from services.governance.keys.ports import Keys

KIND = "RetireKeys"
_BATCH = 2_000  # rows of a step of the scan
_DESTROYED = 200  # keys of a step
_NAP = 0.5  # seconds
_COUNTS = ("candidates", "rows", "values", "named", "subject_keys", "tenant_keys")


@dataclass(frozen=True)
class Retire:
    """`libs.operations.Step` of RetireKeys.

    Attributes:
        grace: From marking to destroying: for readers that hold what was sealed anew since.
    """

    keys: Keys
    now: Callable[[], datetime]
    grace: timedelta

    async def __call__(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        if not progress.cursor:
            return await self._mark(route)
        if "scan" in progress.cursor:
            return await self._scan(route, progress)
        ends = datetime.fromisoformat(progress.cursor["marked"]) + self.grace
        if self.now() < ends and not parameters["validate_only"]:
            await asyncio.sleep(min(_NAP, (ends - self.now()).total_seconds()))
            return progress
        return await self._destroy(route, parameters, progress)

    async def _mark(self, route: Route) -> Progress:
        mark = uuid4()
        candidates = await self.keys.mark(route, mark)
        cursor = {"mark": str(mark), "marked": self.now().isoformat(), "scan": {}}
        result = {**dict.fromkeys(_COUNTS, 0), "candidates": candidates}
        return Progress(0, await rows.count(route), cursor=cursor, result=result)

    async def _scan(self, route: Route, progress: Progress) -> Progress:
        batch = await rows.batch(route, progress.cursor["scan"], _BATCH)
        known = await self.keys.succession(route, batch.named())
        old = {key for key, (_, newest) in known.items() if not newest}
        if old:
            await self.keys.unmark(route, old)
        cursor = {name: value for name, value in progress.cursor.items() if name != "scan"}
        if batch.next is not None:
            cursor["scan"] = batch.next
        done = progress.done + len(batch.rows)
        counts = {
            "rows": len(batch.rows),
            "values": batch.count(),
            "named": sum(key in old for row in batch.rows for key in row.keys),
        }
        result = {name: progress.result[name] + counts.get(name, 0) for name in _COUNTS}
        return Progress(done, max(progress.total, done), cursor=cursor, result=result)

    async def _destroy(self, route: Route, parameters: Fields, progress: Progress) -> Progress:
        mark, result = UUID(progress.cursor["mark"]), dict(progress.result)
        if parameters["validate_only"]:
            finished = "counted" in progress.cursor
            if finished:
                await self.keys.unmark_all(route, mark)
            else:
                result["subject_keys"] = await self.keys.count_marked(route, mark)
        else:
            origin = origin_of(parameters)
            destroyed = await self.keys.destroy_marked(route, origin, mark, _DESTROYED)
            result["subject_keys"] += destroyed
            finished = destroyed < _DESTROYED
            if finished:
                result["tenant_keys"] = await self.keys.destroy_unused(route, origin)
        cursor = {**progress.cursor, "counted": True}
        return Progress(progress.done, progress.total, finished, cursor=cursor, result=result)
