import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from aeterna.sync.v1 import live_pb2 as pb
from libs.auth import Identity
from libs.service.caller import Caller
from libs.service.checking import Malformed
from libs.service.settings import TlsSettings
from services.sync.live.api.messages import error_to
from services.sync.live.ports import Frame, Peer
from services.sync.live.settings import LiveSettings
from services.sync.web.files import read_files
from services.sync.web.server import WebServer
from services.sync.web.settings import WebSettings
from tests.certificates import make_certificates

_ANN = cast(Identity, "ann")
_LIMITS = LiveSettings(max_message_bytes=1 << 20)
_GRACE = timedelta(seconds=20)


@dataclass
class Echo:
    """A hub that answers each message with its id; `release` lets it go on where it waits."""

    peers: list[Peer] = field(default_factory=list)
    seen: list[pb.ConnectRequest] = field(default_factory=list)
    closed: int = 0
    heard: int = 0
    drains: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self, peer: Peer, admitted: Caller | None = None) -> "EchoSession":
        self.peers.append(peer)
        return EchoSession(self, peer)

    async def drained(self) -> None:
        """Sends nobody away."""


@dataclass
class EchoSession:
    """Of a stranger as long as nothing was heard."""

    hub: Echo
    peer: Peer
    identity: Identity | None = None

    async def receive(self, message: pb.ConnectRequest | Malformed) -> None:
        if isinstance(message, Malformed):
            error = error_to(message.error)
            self.peer.send(Frame(pb.ConnectResponse(reply_to=message.id, error=error)))
            return
        self.hub.seen.append(message)
        if not message.HasField("authenticate"):
            self.identity = _ANN
        if message.HasField("get_document"):  # takes as long as the test likes
            await self.hub.release.wait()
        if message.HasField("list_documents"):  # a bug
            raise KeyError("content that nobody may see")
        self.peer.send(
            Frame(pb.ConnectResponse(reply_to=message.id, pong=pb.ConnectResponse.Pong()))
        )

    def heard(self) -> None:
        self.hub.heard += 1

    def drained(self) -> None:
        self.hub.drains += 1

    def close(self) -> None:
        self.hub.closed += 1


@dataclass(frozen=True)
class Web:
    """A running web server and the hub behind it."""

    server: WebServer
    address: str
    hub: Echo


@asynccontextmanager
async def open_web(
    files: Path | None = None,
    tls: TlsSettings | None = None,
    limits: LiveSettings = _LIMITS,
    **settings: Any,
) -> AsyncIterator[Web]:
    """Serves until the block ends."""
    hub = Echo()
    chosen = WebSettings(**{"address": "127.0.0.1:0", **settings})
    given = read_files(files) if files else {}
    server = WebServer(chosen, tls, hub, limits, given)
    address = await server.open()
    try:
        yield Web(server, address, hub)
    finally:
        for peer in hub.peers:
            peer.abort()  # type: ignore[attr-defined]
        await server.close(_GRACE)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Everything here runs on the standard library's loop and on the one of production."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with open_web() as web:
        yield web


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("tls"))
