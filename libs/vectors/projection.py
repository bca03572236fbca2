"""Keeps a vector index equal to PostgreSQL's rows, however often either fails.

Every write queues its entities in the same transaction. Whoever put them into the index removes
them from the queue, unless the change log says that the entity changed since: then it is projected
again from its row. So the last one to touch a point always checks it against the truth, and what a
crash left is in the queue.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from libs.changes import Vector
from libs.errors import AppError
from libs.metrics import PROJECTION_FAILURES, PROJECTIONS
from libs.service.rounds import answering, tenants_of
from libs.spine import Write, read
from libs.tenancy import Route, TenantId
from libs.tenancy.directory import Directory
from libs.vectors import Collection, Point, VectorIndex

log = structlog.get_logger(__name__)

_BATCH = 256  # entities that one pass takes from the queue of one tenant
_PATIENCE = 2.0  # seconds that a request waits for the index before the worker takes over
_GRACE = timedelta(seconds=3)  # younger entries still belong to the request that made them

_WAITING = """
    SELECT entity_id, max(number) AS number FROM aeterna.projection_queue
    WHERE tenant_id = $1 AND collection = $2 AND created_at < now() - $3::interval
    GROUP BY entity_id ORDER BY max(number) LIMIT $4
"""
_QUEUED = """
    SELECT entity_id FROM aeterna.projection_queue
    WHERE tenant_id = $1 AND collection = $2 AND entity_id = ANY($3::uuid[])
"""
_TENANTS = "SELECT * FROM aeterna.tenants_to_project($1)"
# Under the tenant's lock no change can come between the check and the removal.
_FINISH = """
    WITH done AS (
        SELECT d.id, d.number, (
            SELECT max(c.number) FROM aeterna.change AS c
            WHERE c.tenant_id = $1 AND c.resource = $2 || '/' || d.id
        ) AS newest
        FROM unnest($3::uuid[], $4::bigint[]) AS d (id, number)
    ), removed AS (
        DELETE FROM aeterna.projection_queue AS q USING done AS d
        WHERE q.tenant_id = $1 AND q.collection = $2 AND q.entity_id = d.id
          AND q.number <= d.number AND coalesce(d.newest, 0) <= d.number
    )
    SELECT id, newest FROM done WHERE newest > number
"""


@dataclass(frozen=True, slots=True)
class Projection:
    """What one entity looks like in the index as of a change number."""

    number: int
    point: Point


# Vectors of entities that need not be embedded again, asked for once their rows are read.
Known = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Vector]]]


class Source(Protocol):
    """Reads entities from PostgreSQL as points."""

    async def __call__(
        self, route: Route, ids: Sequence[UUID], known: Known | None = None
    ) -> Mapping[UUID, Projection]:
        """The entities that exist, with their newest change number; embeds again those whose
        vectors are not known. Those whose texts are refused have none."""


@dataclass(frozen=True)
class Projector:
    """Moves one collection's entities into the index."""

    index: VectorIndex
    collection: Collection
    source: Source

    def join(self, write: Write, projections: Sequence[Projection]) -> bool:
        """Projects as part of a write, where the index is in its database; else they are queued."""
        points = [projection.point for projection in projections]
        joined = self.index.join(write, self.collection, points)
        if joined:
            PROJECTIONS.labels(self.collection.name, "write").inc(len(points))
        return joined

    async def settle(
        self, route: Route, known: Sequence[Projection], unknown: Mapping[UUID, int]
    ) -> None:
        """Projects what was just committed. Gives up quietly: the queue still holds it.

        Args:
            known: Points at hand.
            unknown: Entities whose points must be made from their rows, with their change numbers.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.project(route, known)
                await self._from_rows(route, unknown)
            PROJECTIONS.labels(self.collection.name, "request").inc(len(known) + len(unknown))
        except (AppError, TimeoutError) as exc:
            PROJECTION_FAILURES.labels(self.collection.name).inc()
            log.warning("projection.left_to_worker", error=type(exc).__name__)

    async def repair(self, route: Route) -> int:
        """Projects what is waiting for one tenant; returns how many entities were."""
        rows = await read(route, _WAITING, self.collection.name, _GRACE, _BATCH)
        if rows:
            await self._from_rows(route, {row["entity_id"]: row["number"] for row in rows})
            PROJECTIONS.labels(self.collection.name, "worker").inc(len(rows))
        return len(rows)

    async def refresh(self, route: Route, ids: Sequence[UUID], length: int) -> int:
        """Projects entities anew, as their rows are now, with the vectors that the index has for
        searches by `length`; how many are left without one because their texts are refused.
        Raises what their rows, the embedder or the index do."""

        async def known(found: Sequence[UUID]) -> Mapping[UUID, Vector]:
            # Read after the rows: what no longer waits then is in the index as they say, or newer.
            rows = await read(route, _QUEUED, self.collection.name, list(found))
            waiting = {row["entity_id"] for row in rows}
            fresh = [each for each in found if each not in waiting]
            return await self.index.vectors(route, self.collection, fresh, length)

        refused = await self._from_rows(route, dict.fromkeys(ids, 0), known)
        PROJECTIONS.labels(self.collection.name, "refresh").inc(len(ids))
        return refused

    async def project(self, route: Route, projections: Sequence[Projection]) -> None:
        """Puts points into the index; those that the log says are out of date, from their rows.

        Raises:
            IndexUnavailable, EmbedderUnavailable, StoreUnavailable: As they say; what is in the
                queue stays there.
        """
        if not projections:
            return
        stale: dict[UUID, int] = {}

        async def finish(write: Write) -> None:
            stale.update(await self._finish(write, projections))

        points = [each.point for each in projections]
        await self.index.apply(route, self.collection, points, finish)
        await self._from_rows(route, stale)

    async def _from_rows(
        self, route: Route, numbers: Mapping[UUID, int], known: Known | None = None
    ) -> int:
        """Projects entities as their rows are now; a missing row, or a text that is refused,
        removes the point. How many are refused."""
        if not numbers:
            return 0
        current = await self.source(route, list(numbers), known)
        gone = [
            Projection(number, Point(entity, None, {}))
            for entity, number in numbers.items()
            if entity not in current
        ]
        await self.project(route, [*current.values(), *gone])
        return sum(each.point.vector is None for each in current.values())

    async def _finish(self, write: Write, projections: Sequence[Projection]) -> dict[UUID, int]:
        """Empties the queue of what is up to date; the newest change of what is not."""
        ids = [each.point.id for each in projections]
        numbers = [each.number for each in projections]
        tenant, collection = write.route.tenant, self.collection.name
        rows = await write.conn.fetch(_FINISH, tenant, collection, ids, numbers)
        return {row["id"]: row["newest"] for row in rows}


@dataclass(frozen=True)
class ProjectionWorker:
    """Repairs the index of every tenant on every shard, again and again."""

    projector: Projector
    directory: Directory
    interval: timedelta = timedelta(seconds=1)

    async def run(self) -> None:
        """Works until cancelled; a failure is tried again at the next pass."""
        while True:
            await self.pass_once()
            await asyncio.sleep(self.interval.total_seconds())

    async def pass_once(self) -> int:
        """One look at every queue; returns how many entities were projected."""
        whom = answering(_TENANTS, self.projector.collection.name)
        tenants = await tenants_of(self.directory, whom, "projection")
        return sum([await self._repair(tenant) for tenant in tenants])

    async def _repair(self, tenant: TenantId) -> int:
        try:
            return await self.projector.repair(await self.directory.route(tenant))
        except AppError as exc:
            PROJECTION_FAILURES.labels(self.projector.collection.name).inc()
            log.warning("projection.failed", tenant=tenant, error=exc.reason)
            return 0
