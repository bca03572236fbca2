"""LangGraph's long-term memory: PostgresStore with its pgvector index."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from langgraph.store.base import PutOp  # type: ignore[import-not-found]  # peers' environment
from langgraph.store.postgres import (  # type: ignore[import-not-found]  # peers' environment
    AsyncPostgresStore,
    PostgresStore,
)

from bench.measure import drive
from bench.peers.child import CLIENTS, USER
from bench.peers.embeddings import DIMENSIONS, LocalEmbeddings

_NAMESPACE = ("memories", USER)
_POOL = {"min_size": 1, "max_size": 16}  # connections, as many as a replica of ours


class LangGraph:
    """The blocking store; the asynchronous one, which batches by itself, where several add."""

    def __init__(self, store: Any, together: Any, runner: asyncio.Runner) -> None:
        self._store, self._together, self._run = store, together, runner.run

    def add(self, text: str) -> object:
        return self._store.put(_NAMESPACE, str(uuid4()), {"text": text})

    def add_together(self, texts: Sequence[str]) -> object:
        return self._run(drive(self._put, texts, CLIENTS))

    def add_batch(self, texts: Sequence[str]) -> object:
        return self._store.batch(
            [PutOp(_NAMESPACE, str(uuid4()), {"text": text}) for text in texts]
        )

    def search(self, query: str, limit: int) -> list[str]:
        found = self._store.search(_NAMESPACE, query=query, limit=limit)
        return [item.value["text"] for item in found]

    async def _put(self, text: str) -> None:
        await self._together.aput(_NAMESPACE, str(uuid4()), {"text": text})


@contextmanager
def open_side(dsn: str) -> Iterator[LangGraph]:
    """In an empty database."""
    index = {"dims": DIMENSIONS, "embed": LocalEmbeddings(), "fields": ["text"]}
    opening = AsyncPostgresStore.from_conn_string(dsn, index=index, pool_config=_POOL)
    with (
        asyncio.Runner() as runner,
        PostgresStore.from_conn_string(dsn, index=index) as store,
    ):
        store.setup()
        together = runner.run(opening.__aenter__())
        try:
            yield LangGraph(store, together, runner)
        finally:
            runner.run(opening.__aexit__(None, None, None))
