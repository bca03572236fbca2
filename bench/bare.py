"""The limit that the service is held against: the same PostgreSQL, asked directly.

A superuser's connection, so without row-level security; vectors in pgvector's own binary form.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from bench.client import USER
from libs.aip.ids import Uuid7
from libs.embedding import Vectors
from libs.postgres import binary_vectors
from libs.vectors import pgvector

DIMENSIONS = 256
_SEARCH = f"SELECT entity_id FROM aeterna.vector_{DIMENSIONS} ORDER BY embedding <#> $1 LIMIT $2"
# Columns and indexes as the service has them, the graph included; content is plain text.
_TABLES = """
    CREATE SCHEMA {schema};
    CREATE TABLE {schema}.memory (LIKE aeterna.memory INCLUDING ALL);
    ALTER TABLE {schema}.memory
        ALTER content TYPE text USING '', ALTER metadata TYPE text USING '';
    CREATE TABLE {schema}.vector (LIKE aeterna.vector_{dimensions} INCLUDING ALL);
"""
_INSERT = """
    WITH added AS (
        INSERT INTO {schema}.memory (tenant_id, id, layer, org_id, team_id, project_id, session_id,
            user_id, agent_id, importance, version, number, content, metadata, created_at,
            updated_at)
        SELECT m.tenant, m.id, 'user', '', '', '', '', $5, '', 0.5, 1, 1, m.content, '', $6, $6
        FROM unnest($1::text[], $2::uuid[], $3::text[]) AS m (tenant, id, content)
    )
    INSERT INTO {schema}.vector (tenant_id, collection, entity_id, space, payload, embedding)
    SELECT v.tenant, 'memories', v.id, 'bench', jsonb_build_object('layer', 'user', 'user_id', $5),
        v.embedding
    FROM unnest($1::text[], $2::uuid[], $4::halfvec[]) AS v (tenant, id, embedding)
"""
_new_id = Uuid7()


async def make_tables(superuser: asyncpg.Connection, schema: str) -> None:
    """Empty tables for `insert`."""
    await superuser.execute(_TABLES.format(schema=schema, dimensions=DIMENSIONS))


@asynccontextmanager
async def open_bare(dsn: str, connections: int, effort: int = 40) -> AsyncIterator[asyncpg.Pool]:
    """A pool of so many open connections; `effort` is hnsw.ef_search, which pgvector sets to 40."""
    settings = {"hnsw.ef_search": str(effort)}
    async with asyncpg.create_pool(
        dsn,
        min_size=connections,
        max_size=connections,
        init=binary_vectors,
        reset=_keep,
        server_settings=settings,
    ) as pool:
        yield pool


async def search(pool: asyncpg.Pool | asyncpg.Connection, vector: bytes, limit: int) -> list[UUID]:
    """The nearest ids, best first."""
    return [row[0] for row in await pool.fetch(_SEARCH, vector, limit)]


async def insert(
    pool: asyncpg.Pool,
    schema: str,
    tenants: Sequence[str],
    texts: Sequence[str],
    vectors: Sequence[bytes],
) -> None:
    """One batch: row and vector of each text, in one statement and so one commit."""
    ids = [_new_id() for _ in texts]
    now = datetime.now(UTC)
    await pool.execute(_INSERT.format(schema=schema), tenants, ids, texts, vectors, USER, now)


def packed(vectors: Vectors) -> list[bytes]:
    """Rows as pgvector sends and receives a halfvec."""
    return [pgvector.packed(row) for row in vectors]


async def _keep(_: object) -> None:
    """Nothing to reset between uses."""
