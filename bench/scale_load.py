"""Very many memories, put into the tables directly: through the RPCs it would take hours.

Contents are sealed, terms hashed and texts embedded by the code of the services, so that these can
open and find them; rows go in by COPY. The graph of vectors is built once: for another number of
tenants the vectors are only given to others, by updates that leave the graph alone.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import numpy as np

from bench.corpus import Corpus
from bench.measure import chunks
from bench.stack import Stack
from cli.session import KEYRING
from libs.embedding import Vectors
from libs.embedding.local import LocalEmbedder
from libs.encryption.keyring import Keyring, Plain
from libs.encryption.kms_local import LocalKms
from libs.encryption.registry import MEMORY_CONTENT, MEMORY_METADATA
from libs.encryption.store import PostgresKeyStore
from libs.lexical import blinded
from libs.lexical.analysis import terms
from libs.postgres import SERVICE_ROLE, DatabaseSettings, binary_vectors, open_pool
from libs.scope import Scope
from libs.tenancy import Route, ShardId, TenantId
from libs.vectors.pgvector import packed
from services.memory.domain.memory import Layer, Stored
from services.memory.store.rows import COLLECTION, MEMORIES

_DISTINCT = 50_000  # texts; beyond them they repeat, in other tenants
_AT_ONCE = 8  # tenants that are prepared at the same time
_PART = 20_000  # rows of one COPY
_PAYLOAD = json.dumps({"layer": Layer.COMPANY.value})
_FIRST_ID = 0x0198_0000_0000_7000_8000_0000_0000_0000
_NOW = datetime(2026, 1, 31, tzinfo=UTC)
_EMPTY = "TRUNCATE aeterna.memory, aeterna.document, aeterna.posting, aeterna.lexicon"
# Half of each page stays free, so that a row can be changed without its index entries.
_PREPARE = """
    DROP INDEX IF EXISTS aeterna.vector_{d}_graph;
    ALTER TABLE aeterna.vector_{d} SET (fillfactor = 45);
    ALTER TABLE aeterna.vector_{d} DROP CONSTRAINT vector_{d}_pkey;
"""
_KEY = """
    ALTER TABLE aeterna.vector_{d} ADD CONSTRAINT vector_{d}_pkey
        PRIMARY KEY (tenant_id, collection, entity_id)
"""
_GRAPH = """
    SET maintenance_work_mem = '3GB';
    SET max_parallel_maintenance_workers = 2;
    CREATE INDEX vector_{d}_graph ON aeterna.vector_{d}
        USING hnsw (embedding halfvec_ip_ops) WITH (m = 16, ef_construction = 64);
"""
_GIVE = """
    UPDATE aeterna.vector_{d} AS v SET tenant_id = o.tenant
    FROM unnest($1::uuid[], $2::text[]) AS o (id, tenant)
    WHERE v.entity_id = o.id AND v.tenant_id <> o.tenant
"""
_POSTINGS = """
    INSERT INTO aeterna.posting (tenant_id, collection, term, entity_id, frequency, length)
    SELECT d.tenant_id, d.collection, t.term, d.entity_id, 1, d.length
    FROM aeterna.document AS d, unnest(d.terms) AS t (term) ORDER BY 1, 2, 3, 4
"""
_LEXICON = """
    INSERT INTO aeterna.lexicon (tenant_id, collection, documents, length)
    SELECT tenant_id, collection, count(*), sum(length) FROM aeterna.document GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Owned:
    """Which memories a tenant has, by number."""

    tenant: str
    numbers: Sequence[int]


def shared_out(
    memories: int, probes: Sequence[str], each: int, others: Sequence[str]
) -> list[Owned]:
    """The first numbers for the probes, `each` of them; the rest in turn for the others."""
    owned = [
        Owned(tenant, range(place * each, (place + 1) * each))
        for place, tenant in enumerate(probes)
    ]
    first = len(probes) * each
    owned += [
        Owned(tenant, range(first + place, memories, len(others)))
        for place, tenant in enumerate(others)
    ]
    return owned


def entity(number: int) -> UUID:
    """The id of a memory."""
    return UUID(int=_FIRST_ID + number)


class Loader:
    """Fills the tables of a stack."""

    def __init__(self, pool: asyncpg.Pool, keyring: Keyring, corpus: Corpus, memories: int) -> None:
        self._pool, self._keyring = pool, keyring
        self._memories = memories
        self._texts = corpus.texts(min(memories, _DISTINCT))
        self._terms = [terms(text) for text in self._texts]
        self._embedder = LocalEmbedder()

    async def vectors(self, superuser: asyncpg.Connection, owned: Sequence[Owned]) -> None:
        """Vectors and their graph; each differs a little from all others."""
        d = self._embedder.dimensions
        await superuser.execute(_PREPARE.format(d=d))
        await binary_vectors(superuser)
        owners = _owners(owned)
        known = await self._embedder.embed(self._texts)
        noise = np.random.default_rng(7)
        for part in chunks(range(self._memories), _PART):
            rows = self._vector_rows(part, owners, _blurred(known, part, noise))
            await superuser.copy_records_to_table(
                f"vector_{d}",
                schema_name="aeterna",
                columns=["tenant_id", "collection", "entity_id", "space", "payload", "embedding"],
                records=rows,
            )
        await superuser.execute(_GRAPH.format(d=d), timeout=7200)
        await superuser.execute(_KEY.format(d=d), timeout=7200)

    async def give(self, superuser: asyncpg.Connection, owned: Sequence[Owned]) -> None:
        """The same vectors for other owners."""
        d = self._embedder.dimensions
        await superuser.execute(f"ALTER TABLE aeterna.vector_{d} DROP CONSTRAINT vector_{d}_pkey")
        owners = sorted(_owners(owned).items())
        ids, tenants = [entity(number) for number, _ in owners], [each for _, each in owners]
        await superuser.execute(_GIVE.format(d=d), ids, tenants, timeout=7200)
        await superuser.execute(_KEY.format(d=d), timeout=7200)

    async def memories(self, superuser: asyncpg.Connection, owned: Sequence[Owned]) -> None:
        """Rows and lexical entries."""
        await superuser.execute(_EMPTY)
        for part in chunks(owned, _AT_ONCE):
            await asyncio.gather(
                *(self._keyring.macs(self._route(each.tenant), "terms", []) for each in part)
            )
            for each in part:
                for numbers in chunks(each.numbers, _PART):
                    await self._copy(superuser, each.tenant, numbers)
        await superuser.execute(_POSTINGS, timeout=7200)
        await superuser.execute(_LEXICON, timeout=7200)

    async def _copy(
        self, superuser: asyncpg.Connection, tenant: str, numbers: Sequence[int]
    ) -> None:
        route = self._route(tenant)
        texts = [self._texts[number % len(self._texts)].encode() for number in numbers]
        plain = [
            each
            for number, text in zip(numbers, texts, strict=True)
            for each in (
                Plain("", MEMORY_CONTENT, entity(number), text),
                Plain("", MEMORY_METADATA, entity(number), b"{}"),
            )
        ]
        sealed = iter(await self._keyring.seal(route, plain))
        await superuser.copy_records_to_table(
            "memory",
            schema_name="aeterna",
            columns=["tenant_id", *MEMORIES.columns],
            records=[
                (tenant, *MEMORIES.to_row(_stored(number, next(sealed), next(sealed))))
                for number in numbers
            ],
        )
        hashed = await blinded(
            self._keyring, route, [self._terms[number % len(self._terms)] for number in numbers]
        )
        await superuser.copy_records_to_table(
            "document",
            schema_name="aeterna",
            columns=["tenant_id", "collection", "entity_id", "length", "payload", "terms"],
            records=[
                (tenant, COLLECTION, entity(number), len(each), _PAYLOAD, list(each))
                for number, each in zip(numbers, hashed, strict=True)
            ],
        )

    def _route(self, tenant: str) -> Route:
        return Route(TenantId(tenant), ShardId("main"), 1, self._pool)

    def _vector_rows(
        self, numbers: Sequence[int], owners: dict[int, str], vectors: Vectors
    ) -> Iterator[tuple[object, ...]]:
        space = self._embedder.identity
        for number, vector in zip(numbers, vectors, strict=True):
            owner = owners[number]
            yield owner, COLLECTION, entity(number), space, _PAYLOAD, packed(vector)


@asynccontextmanager
async def open_loader(stack: Stack, corpus: Corpus, memories: int) -> AsyncIterator[Loader]:
    """A loader with the keys of the stack."""
    settings = DatabaseSettings(dsn=stack.dsn().replace("postgres@", "", 1), user=SERVICE_ROLE)
    async with AsyncExitStack() as exits:
        pool = await exits.enter_async_context(open_pool(settings))
        keyring = Keyring(LocalKms.open(stack.folder / KEYRING), PostgresKeyStore())
        yield Loader(pool, keyring, corpus, memories)


def _stored(number: int, content: bytes, metadata: bytes) -> Stored:
    """A memory of the whole tenant."""
    return Stored(
        id=entity(number),
        layer=Layer.COMPANY,
        scope=Scope(),
        importance=0.5,
        version=1,
        number=1,
        content=content,
        metadata=metadata,
        created_at=_NOW,
        updated_at=_NOW,
        author=b"",
        event_at=_NOW,
        confirmed_at=_NOW,
    )


def _owners(owned: Sequence[Owned]) -> dict[int, str]:
    return {number: each.tenant for each in owned for number in each.numbers}


def _blurred(known: Vectors, numbers: Sequence[int], noise: np.random.Generator) -> Vectors:
    """The vectors of the texts, each moved by a tenth of its length: no two are the same."""
    rows = known[np.asarray(numbers) % len(known)]
    moved = rows + noise.normal(0, 0.1 / np.sqrt(rows.shape[1]), rows.shape).astype(np.float32)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.maximum(length, 1e-9), np.float32)
