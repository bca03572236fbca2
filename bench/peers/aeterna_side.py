"""The suite's memory service, through its gRPC client."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvloop

from bench.client import Client, open_clients
from bench.measure import drive
from bench.peers.child import CLIENTS, USER

_CONNECTIONS = 4


class Aeterna:
    """Blocking calls over the asynchronous client."""

    def __init__(self, run: asyncio.Runner, client: Client) -> None:
        self._run, self._client = run.run, client

    def add(self, text: str) -> None:
        self._run(self._client.add(text))

    def add_together(self, texts: Sequence[str]) -> None:
        self._run(drive(self._client.add, texts, CLIENTS))

    def add_batch(self, texts: Sequence[str]) -> None:
        self._run(self._client.add_batch(texts))

    def search(self, query: str, limit: int) -> list[str]:
        found = self._run(self._client.search(query, limit, user=USER))
        return [content for _, content in found]


@contextmanager
def open_side(address: str, token: str) -> Iterator[Aeterna]:
    """A client of the service."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        clients = open_clients(address, [token], connections=_CONNECTIONS)
        (client,) = runner.run(clients.__aenter__())
        try:
            yield Aeterna(runner, client)
        finally:
            runner.run(clients.__aexit__(None, None, None))
