"""A way to a real server that a test can shut or freeze."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from tests.servers import free_ports

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Gate:
    """Forwards connections to the server of `url`, a Redis URL or a PostgreSQL DSN."""

    def __init__(self, url: str) -> None:
        self.arrivals = asyncio.Semaphore(0)  # released by each new connection
        self._parts = urlsplit(url)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._port = free_ports(1)[0]

    @property
    def url(self) -> str:
        """The same server, reached through the gate."""
        user, at, _ = self._parts.netloc.rpartition("@")
        netloc = f"{user}{at}127.0.0.1:{self._port}"
        return self._parts._replace(netloc=netloc, query="").geturl()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def stop(self) -> None:
        """Cut every connection; new ones are refused."""
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    def freeze(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrivals.release()
        far_reader, far_writer = await self._connect()
        ends = {writer, far_writer}
        self._open |= ends
        with suppress(OSError):
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        self._open -= ends

    async def _connect(self) -> Streams:
        options = parse_qs(self._parts.query)
        if "host" in options:
            path = f"{options['host'][0]}/.s.PGSQL.{options['port'][0]}"
            return await asyncio.open_unix_connection(path)
        return await asyncio.open_connection(self._parts.hostname, self._parts.port)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def gate_to(url: str) -> AsyncIterator[Gate]:
    gate = Gate(url)
    await gate.start()
    try:
        yield gate
    finally:
        gate.thaw()
        await gate.stop()
