"""Points, vectors and tenants for tests of the vector index."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import numpy as np

from libs.changes import Vector
from libs.tenancy import Route, ShardId, TenantId
from libs.vectors import Point, VectorIndex

DIMENSIONS = 64
RUN = f"contract-{uuid4()}"  # begins the names of all collections that are made


@dataclass(frozen=True)
class Store:
    """An index and a way to make tenants in it; what other tests wrote belongs to theirs."""

    index: VectorIndex
    new_tenant: Callable[[], Awaitable[Route]]


def make_route(pool: asyncpg.Pool | None = None) -> Route:
    """Of a tenant of its own; without a pool, for an index that needs none."""
    return Route(TenantId(f"t-{uuid4()}"), ShardId("main"), 1, cast(asyncpg.Pool, pool))


def vector(*head: float) -> Vector:
    """The head's direction; of length 1 unless all is zero."""
    row = np.zeros(DIMENSIONS, np.float32)
    row[: len(head)] = head
    return row / (np.linalg.norm(row) or np.float32(1))


EAST, NORTH = vector(1, 0), vector(0, 1)


def make_point(direction: Vector = EAST, entity: UUID | None = None, /, **payload: str) -> Point:
    return Point(entity or uuid4(), direction, payload)
