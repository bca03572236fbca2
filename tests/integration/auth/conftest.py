"""A web server on 127.0.0.1 that publishes the keys of an issuer, well or, when told, badly."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from joserfc.jwk import OKPKey


def key_set(*keys: OKPKey) -> bytes:
    """The public halves, as an issuer publishes them."""
    published = [key.as_dict(private=False, kid=key.thumbprint()) for key in keys]
    return json.dumps({"keys": published}).encode()


@dataclass
class KeyServer:
    """Answers every request with `status` and `body`; `silent` never answers."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    requests: list[dict[str, str]] = field(default_factory=list)  # their headers

    def publish(self, *keys: OKPKey) -> None:
        self.status, self.body = 200, key_set(*keys)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        self.requests.append({name.lower(): value for name, _, value in pairs})
        if self.silent:
            await reader.read()  # until the client gives up
        else:
            writer.write(self._answer())
            await writer.drain()
        writer.close()

    def _answer(self) -> bytes:
        headers = {"Content-Length": str(len(self.body)), "Connection": "close", **self.headers}
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {headers[name]}" for name in headers)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@asynccontextmanager
async def serve(server: KeyServer, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Listen on a port of the system's choice until the end of the block."""
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=context)
    async with listener:
        scheme = "https" if context else "http"
        server.url = f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}/keys"
        yield


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    started = KeyServer()
    async with serve(started):
        yield started
