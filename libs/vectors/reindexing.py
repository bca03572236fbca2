"""Moves a tenant's index from one length of vectors to another while it is written and searched.

The new length is filled while every write goes to both, then searches change over, then the old
one is given up. Where it stands is in the tenant's layout: whoever goes on after a crash does so
from there. Knows nothing of who wants it, or of how progress is shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import structlog

from libs.errors import AppError, Kind
from libs.spine import read, writing
from libs.tenancy import Route
from libs.vectors import Collection
from libs.vectors.layouts import TRUSTED
from libs.vectors.projection import Projector

log = structlog.get_logger(__name__)

_BATCH = 64  # entities of a step: each may hold the tenant's lock for as long as it takes to index
_PURGED = 1000  # points that a step gives up

_GET = """
    SELECT searched, other, switched_at IS NOT NULL AS switched, filled, done, total,
        coalesce(switched_at > now() - $4::interval, false) AS trusted
    FROM aeterna.vector_layout WHERE tenant_id = $1 AND collection = $2 AND space = $3
"""
_BEGIN = """
    INSERT INTO aeterna.vector_layout (tenant_id, collection, space, searched, other, total)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (tenant_id, collection, space) DO UPDATE
    SET other = excluded.other, switched_at = NULL, filled = NULL, done = 0, total = excluded.total
"""
_OF = " WHERE tenant_id = $1 AND collection = $2 AND space = $3"
_FILLED = (
    "UPDATE aeterna.vector_layout SET filled = $5, done = done + $6"
    + _OF
    + " AND other = $4 AND switched_at IS NULL"
)
_SWITCH = (
    "UPDATE aeterna.vector_layout SET searched = other, other = searched, switched_at = now()"
    + _OF
    + " AND other = $4 AND switched_at IS NULL"
)
_GIVE_UP = "UPDATE aeterna.vector_layout SET other = NULL, switched_at = NULL" + _OF


class LengthUntrained(AppError):
    """The embedding model was not trained for vectors of this length."""

    kind, reason = Kind.PRECONDITION, "EMBEDDING_LENGTH_UNTRAINED"

    def __init__(self, length: int, collection: Collection) -> None:
        lengths = ", ".join(map(str, collection.lengths))
        super().__init__(
            f"The embedding model was trained for vectors of {lengths}, not of {length}.",
            length=str(length),
            lengths=lengths,
        )


class Progress(NamedTuple):
    """Entities that are in the new index, of about how many; `waits` when there is nothing to do
    for a while, `refused` are those of the step that the embedder gives no vector."""

    done: int
    total: int
    complete: bool = False
    waits: bool = False
    refused: int = 0


class _State(NamedTuple):
    """A tenant's layout in a move: `other` is filled, or no longer searched once `switched`."""

    searched: int
    other: int | None = None
    switched: bool = False
    filled: UUID | None = None
    done: int = 0
    total: int = 0
    trusted: bool = False  # searches may still use `other`


@dataclass(frozen=True)
class Reindexing:
    """Moves the index of one collection, tenant by tenant.

    Attributes:
        ids: Ids of a tenant's entities before the one that is given, newest first, so many.
        count: How many there are.
        grace: How long after the change searches may still use what was searched before.
    """

    projector: Projector
    ids: Callable[[Route, UUID | None, int], Awaitable[Sequence[UUID]]]
    count: Callable[[Route], Awaitable[int]]
    grace: timedelta = timedelta(seconds=4 * TRUSTED)

    @property
    def collection(self) -> Collection:
        """Whose index it is."""
        return self.projector.collection

    def demand(self, length: int) -> None:
        """Raises LengthUntrained for what the model cannot be searched by."""
        if length not in self.collection.lengths:
            raise LengthUntrained(length, self.collection)

    async def run(
        self, route: Route, length: int, report: Callable[[Progress], Awaitable[None]]
    ) -> Progress:
        """Steps until searches use the length and nothing else is held.

        Raises:
            LengthUntrained, IndexUnavailable, StoreUnavailable: As they say; another run goes on.
        """
        while not (progress := await self.step(route, length)).complete:
            await report(progress)
            if progress.waits:
                await asyncio.sleep(1)
        return progress

    async def step(self, route: Route, length: int) -> Progress:
        """One step towards a length; harmless to repeat."""
        self.demand(length)
        state = await self._state(route)
        match state:
            case _State(other=None):
                return await self._begin(route, state, length)
            case _State(switched=True, trusted=True):
                return Progress(state.done, state.total, waits=True)
            case _State(switched=False) if state.other == length:
                return await self._fill(route, state, length)
        await self._write(route, _GIVE_UP)  # no longer searched, or no longer wanted
        return Progress(state.done, state.total)

    async def _begin(self, route: Route, state: _State, length: int) -> Progress:
        """With nothing left of what is not held: it would be out of date."""
        if await self.projector.index.purge(route, self.collection, _PURGED):
            return Progress(state.done, state.total)
        if state.searched == length:
            return Progress(state.done, state.total, complete=True)
        total = await self.count(route)
        await self._write(route, _BEGIN, state.searched, length, total)
        log.info("reindexing.began", length=length, before=state.searched)
        return Progress(0, total)

    async def _fill(self, route: Route, state: _State, length: int) -> Progress:
        ids = await self.ids(route, state.filled, _BATCH)
        if not ids:
            await self._write(route, _SWITCH, length)
            log.info("reindexing.switched", length=length, before=state.searched)
            return Progress(state.done, state.total)
        refused = await self.projector.refresh(route, ids, state.searched)
        await self._write(route, _FILLED, length, ids[-1], len(ids))
        return Progress(state.done + len(ids), state.total, refused=refused)

    async def _state(self, route: Route) -> _State:
        rows = await read(route, _GET, self.collection.name, self.collection.space, self.grace)
        return _State(**rows[0]) if rows else _State(self.collection.dimensions)

    async def _write(self, route: Route, sql: str, *values: object) -> None:
        async with writing(route) as write:
            write.add(sql, self.collection.name, self.collection.space, *values)
