"""What all connections of a web server have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aeterna.sync.v1 import live_pb2 as pb
from libs.auth import Identity
from libs.service.caller import Caller
from libs.service.checking import Malformed
from services.sync.live.ports import Peer
from services.sync.live.settings import LiveSettings
from services.sync.web.files import File
from services.sync.web.frames import Parsers
from services.sync.web.guests import Guests
from services.sync.web.settings import WebSettings
from services.sync.web.turns import Doorway, Turns


class Session(Protocol):
    """A connection, as the hub knows it; it has an identity once it is known whose it is."""

    @property
    def identity(self) -> Identity | None: ...

    async def receive(self, message: pb.ConnectRequest | Malformed) -> None:
        """The next message; one at a time."""

    def heard(self) -> None:
        """A sign of life that is no message."""

    def drained(self) -> None:
        """The client has taken what waited."""

    def close(self) -> None:
        """The connection is gone."""


class Live(Protocol):
    """The hub."""

    async def connect(self, peer: Peer, admitted: Caller | None = None) -> Session:
        """A session for the connection of `peer`; without a caller it waits to be told."""

    async def drained(self) -> None:
        """Once it was told to stop: returns when all have left."""


@dataclass(slots=True)
class Shared:
    """One for all connections.

    Attributes:
        turns: Of those who are known.
        doorway: Of those who are not.
        stopping: Refuses new ones.
    """

    settings: WebSettings
    limits: LiveSettings
    live: Live
    files: Mapping[str, File]
    parsers: Parsers
    guests: Guests
    turns: Turns
    doorway: Doorway
    stopping: bool = False
