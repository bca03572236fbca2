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
    os.nice(5)  # whoever floods does so from elsewhere: it should not take our cores
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


def _send(place: tuple[str, int], token: str, frame: bytes) -> None:
    clients = []
    for _ in range(_SOCKETS):
        client = socket.create_connection(place, 5)
        client.sendall(handshake(_PATH, token))
        client.recv(1 << 16)
        client.setblocking(False)
        clients.append(client)
    burst = frame * _AT_ONCE
    while clients:
        for client in list(clients):
            try:
                client.send(burst)
            except BlockingIOError:
                continue
            except OSError:
                client.close()
                clients.remove(client)
        time.sleep(_BREATH)


_KINDS = {
    "messages": _messages,
    "garbage": _garbage,
    "pings": _pings,
    "handshakes": _handshakes,
    "silence": _silence,
}
KINDS = tuple(_KINDS)


if __name__ == "__main__":
    main()
