"""The suite's offline embedder in the form that the peers' plug points take."""

import asyncio
import threading

from langchain_core.embeddings import (  # type: ignore[import-not-found]  # the peers' environment
    Embeddings,
)

from libs.embedding.local import LocalEmbedder

DIMENSIONS = 256


class LocalEmbeddings(Embeddings):  # type: ignore[misc]  # unknown outside the peers' environment
    """LangChain's interface over `LocalEmbedder`; threads may share it."""

    def __init__(self) -> None:
        self._embedder = LocalEmbedder(DIMENSIONS)
        self._own = threading.local()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if not hasattr(self._own, "loop"):
            self._own.loop = asyncio.new_event_loop()
        vectors: list[list[float]] = self._own.loop.run_until_complete(self.aembed_documents(texts))
        return vectors

    async def aembed_query(self, text: str) -> list[float]:
        return (await self.aembed_documents([text]))[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = (await self._embedder.embed(texts)).tolist()
        return vectors
