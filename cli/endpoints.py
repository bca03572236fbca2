"""Where the services listen: named by the caller, or published by the server of a data folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from libs.errors import AppError, Kind, invalid

SERVICES = ("memory", "knowledge", "governance", "sync")
WEB_PORT = 8080
# In the data folder, while a server runs on it. Clients of earlier releases know the first file,
# and nothing but the services in it.
_FILE, _WEB_FILE = "endpoints.json", "web.json"
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Addresses:
    """host:port of each service, and of the WebSockets and the console; the last may be unknown."""

    memory: str
    knowledge: str
    governance: str
    sync: str
    web: str = ""

    @classmethod
    def from_port(cls, host: str, port: int, web_port: int | None = None) -> Self:
        """The services on consecutive ports, or each on a free one when `port` is 0; the web on
        its own, without `web_port` on the usual one, or likewise on a free one."""
        last = _LAST_PORT - len(SERVICES) + 1
        if port > last:
            raise invalid("port", f"must be at most {last}")
        web = (port and WEB_PORT) if web_port is None else web_port
        ports = [port and port + place for place in range(len(SERVICES))]
        return cls(*[f"{host}:{each}" for each in (*ports, web)])

    @classmethod
    def parse(cls, text: str) -> Self:
        """`host:port` of the first service, or `memory=host:port,knowledge=...` in any order;
        `web` may be left out.

        Raises:
            InvalidRequest: Neither.
        """
        if "=" not in text:
            host, _, port = text.rpartition(":")
            if not host or not port.isdecimal():
                raise invalid("server", "must be HOST:PORT")
            return cls.from_port(host, int(port))
        return cls._named(dict(pair.strip().partition("=")[::2] for pair in text.split(",")))

    @classmethod
    def _named(cls, given: dict[str, str]) -> Self:
        if {*given, "web"} != {*SERVICES, "web"} or not all(given.values()):
            raise invalid("server", f"must name {', '.join(SERVICES)}, each once")
        return cls(**given)


class NotRunning(AppError):
    """There is no server to call."""

    kind, reason = Kind.UNAVAILABLE, "NOT_RUNNING"

    def __init__(self, folder: Path) -> None:
        message = (
            f"No server runs on {folder}: start one with `aeterna serve all`, or name one with"
            " --server."
        )
        super().__init__(message, folder=str(folder))


@contextmanager
def published(folder: Path, addresses: Addresses) -> Iterator[None]:
    """Lets client commands find the server, until the end of the block."""
    named = asdict(addresses)
    paths = {folder / _WEB_FILE: ["web"], folder / _FILE: SERVICES}
    for path, names in paths.items():
        draft = path.with_name(f"{path.name}.new")
        draft.write_text(json.dumps({name: named[name] for name in names}) + "\n")
        draft.replace(path)
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def find(folder: Path) -> Addresses:
    """The addresses of the server on this folder; a killed one leaves its own behind.

    Raises:
        NotRunning: There is none.
    """
    try:
        services = json.loads((folder / _FILE).read_text())
        return Addresses(**{name: services[name] for name in SERVICES}, web=_web(folder))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NotRunning(folder) from error


def _web(folder: Path) -> str:
    """Where the web is; empty when an earlier release serves, which has none."""
    try:
        return str(json.loads((folder / _WEB_FILE).read_text())["web"])
    except FileNotFoundError:
        return ""
