"""mem0's open-source library without extraction by a model (`infer=False`)."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from mem0 import Memory  # type: ignore[import-not-found]  # in the peers' environment

from bench.peers.child import USER
from bench.peers.embeddings import DIMENSIONS, LocalEmbeddings

_THREADS = 16  # as many as connections; 64 threads, or AsyncMemory, are not faster


class Mem0:
    """`Memory` as its documentation shows it; threads, where several add at once."""

    def __init__(self, memory: Any, threads: int) -> None:
        self._memory = memory
        self._threads = ThreadPoolExecutor(threads)

    def add(self, text: str) -> object:
        return self._memory.add(text, user_id=USER, infer=False)

    def add_together(self, texts: Sequence[str]) -> object:
        return list(self._threads.map(self.add, texts))

    def add_batch(self, texts: Sequence[str]) -> object:
        messages = [{"role": "user", "content": text} for text in texts]
        return self._memory.add(messages, user_id=USER, infer=False)

    def search(self, query: str, limit: int) -> list[str]:
        found = self._memory.search(query, top_k=limit, filters={"user_id": USER}, threshold=0.0)
        return [each["memory"] for each in found["results"]]


@contextmanager
def open_side(provider: str, store: dict[str, Any], history: str) -> Iterator[Mem0]:
    """With the vector store `provider`, configured by `store`; `history` is its SQLite file."""
    threads = 1 if provider == "qdrant" else _THREADS  # Qdrant in a folder fails with more
    place = {"collection_name": "memories", "embedding_model_dims": DIMENSIONS}
    config = {
        "vector_store": {"provider": provider, "config": {**place, **store}},
        "embedder": {"provider": "langchain", "config": {"model": LocalEmbeddings()}},
        "llm": {"provider": "openai", "config": {"api_key": "never used"}},
        "history_db_path": history,
    }
    yield Mem0(Memory.from_config(config), threads)
