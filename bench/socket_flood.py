"""A client that means no good: `python -m bench.socket_flood KIND ADDRESS TOKEN`.

Goes on until it is killed; who throws it out sees it come again.
"""

import os
import socket
import sys
import time

from bench.socket_crowd import client_frame, handshake

_SOCKETS = 20
_AT_ONCE = 200  # messages
_BREATH = 0.005  # seconds: 800,000 messages a second are offered, and the cores left to the server
_PATH = "/v1/live"


def main() -> None:
    """Does what KIND says, again and again."""
    kind, address, token = sys.argv[1:4]
    # Whoever floods does so from elsewhere: it should not take our cores.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    host, _, port = address.rpartition(":")
    place = (host, int(port))
    while True:
        try:
            _KINDS[kind](place, token)
        except OSError:  # thrown out
            time.sleep(0.01)


def _messages(place: tuple[str, int], token: str) -> None:
    """Twenty connections that ask as fast as they can, and read nothing of the answers."""
    _send(place, token, client_frame('{"id":"f","subscribe":{"room":"memories/guess"}}'))


def _garbage(place: tuple[str, int], token: str) -> None:
    _send(place, token, client_frame("{]"))


def _pings(place: tuple[str, int], token: str) -> None:
    _send(place, token, b"\x89\x80" + bytes(4))


def _large(place: tuple[str, int], token: str) -> None:
    """Messages of half a megabyte."""
    room = "x" * (1 << 19)
    _send(place, token, client_frame(f'{{"id":"f","subscribe":{{"room":"{room}"}}}}'), 1)


def _visits(place: tuple[str, int], token: str) -> None:
    """Comes, is known, says as much as may be said at once, and goes."""
    with socket.create_connection(place, 5) as client:
        client.sendall(handshake(_PATH, token))
        client.recv(1 << 16)
        client.sendall(client_frame('{"id":"f","subscribe":{"room":"memories/guess"}}') * 40)
        client.recv(1 << 16)


def _handshakes(place: tuple[str, int], token: str) -> None:
    """A new connection each time, with a token that is none."""
    with socket.create_connection(place, 5) as client:
        client.sendall(handshake(_PATH, "x.y.z"))
        client.recv(1 << 16)


def _silence(place: tuple[str, int], token: str) -> None:
    """Connections that never say what they want."""
    clients = [socket.create_connection(place, 5) for _ in range(100)]
    for client in clients:
        client.send(b"GET /v1/live HTTP/1.1\r\n")
    time.sleep(0.1)
    for client in clients:
        client.close()


def _send(place: tuple[str, int], token: str, frame: bytes, at_once: int = _AT_ONCE) -> None:
    clients: dict[socket.socket, memoryview] = {}  # and what is left of their bursts
    burst = memoryview(frame * at_once)
    for _ in range(_SOCKETS):
        client = socket.create_connection(place, 5)
        client.sendall(handshake(_PATH, token))
        client.recv(1 << 16)
        client.setblocking(False)
        clients[client] = burst
    while clients:
        for client, left in list(clients.items()):
            try:
                clients[client] = left[client.send(left) :] or burst
            except BlockingIOError:
                continue
            except OSError:
                client.close()
                del clients[client]
        time.sleep(_BREATH)


def _nothing(place: tuple[str, int], token: str) -> None:
    """What the machine does by itself."""
    time.sleep(1)


_KINDS = {
    "nothing": _nothing,
    "messages": _messages,
    "garbage": _garbage,
    "pings": _pings,
    "large": _large,
    "handshakes": _handshakes,
    "visits": _visits,
    "silence": _silence,
}
KINDS = tuple(_KINDS)


if __name__ == "__main__":
    main()
