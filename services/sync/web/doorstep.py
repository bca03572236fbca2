"""Connections that have said nothing yet, or not all of it.

The event loop gives each connection a transport, and takes in whatever has happened to all of
them at once. Those who are nobody yet have a place in an epoll of our own instead, of which one
is looked at in a turn: thousands that come, say half a request and go hold nobody up.
"""

import asyncio
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass

from libs.metrics import SOCKET_OPENINGS
from services.sync.web.turns import Doorway

_NEWS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET


@dataclass(frozen=True, slots=True)
class _Waiting:
    connection: socket.socket
    until: float  # then it is too late


class Doorstep:
    """Looks at what has come without taking it. `enter` gets each connection that is `ready`, by
    the bytes that wait; the others are closed: after `patience` seconds, when they go, or when
    there are more than `most`, the oldest first."""

    def __init__(
        self,
        enter: Callable[[socket.socket], None],
        ready: Callable[[bytes], bool],
        doorway: Doorway,
        most: int,
        patience: float,
        longest: int,
    ) -> None:
        """`longest`: bytes that may wait of one that is not ready."""
        self._enter, self._ready, self._doorway = enter, ready, doorway
        self._most, self._patience, self._longest = most, patience, longest
        self._waiting: dict[int, _Waiting] = {}  # by file, in the order in which they came
        self._epoll = select.epoll()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        doorway.when_readable(self._epoll, self._look)

    def put(self, connection: socket.socket) -> None:
        """One more."""
        waiting = _Waiting(connection, self._loop.time() + self._patience)
        self._waiting[connection.fileno()] = waiting
        self._epoll.register(connection, _NEWS)
        if len(self._waiting) > self._most:
            self._refuse(next(iter(self._waiting)))
        if not self._timer:
            self._timer = self._loop.call_at(waiting.until, self._refuse_late)

    def close(self) -> None:
        """All who are here are sent away."""
        for file in list(self._waiting):
            self._refuse(file)
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self._epoll)
        self._epoll.close()

    def _look(self) -> None:
        if self._epoll.closed:
            return
        news = self._epoll.poll(0, 1)
        if not news:
            self._doorway.when_readable(self._epoll, self._look)
            return
        self._doorway.call(self._look)  # whatever becomes of this one
        self._look_at(news[0][0])

    def _look_at(self, file: int) -> None:
        try:
            said = self._waiting[file].connection.recv(self._longest + 1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said or len(said) > self._longest:
            self._refuse(file)
        elif self._ready(said):
            self._enter(self._take(file))

    def _take(self, file: int) -> socket.socket:
        connection = self._waiting.pop(file).connection
        self._epoll.unregister(connection)
        return connection

    def _refuse(self, file: int) -> None:
        self._take(file).close()
        SOCKET_OPENINGS.labels("0").inc()
        self._doorway.was(somebody=False)

    def _refuse_late(self) -> None:
        now = self._loop.time()
        for file, waiting in list(self._waiting.items()):
            if waiting.until > now:
                self._timer = self._loop.call_at(waiting.until, self._refuse_late)
                return
            self._refuse(file)
        self._timer = None
