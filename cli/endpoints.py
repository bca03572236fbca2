"""Where the services listen: named by the caller, or published by the server of a data folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from libs.errors import AppError, Kind, invalid

_FILE = "endpoints.json"  # in the data folder, while a server runs on it
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Addresses:
    """host:port of each service."""

    memory: str
    knowledge: str
    governance: str
    sync: str

    @classmethod
    def from_port(cls, host: str, port: int) -> Self:
        """The services on consecutive ports, or each on a free one when `port` is 0."""
        names = fields(cls)
        if port and port + len(names) - 1 > _LAST_PORT:
            raise invalid("port", f"must be at most {_LAST_PORT - len(names) + 1}")
        return cls(*[f"{host}:{port and port + place}" for place in range(len(names))])

    @classmethod
    def parse(cls, text: str) -> Self:
        """`host:port` of the first service, or `memory=host:port,knowledge=...` in any order.

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
        wanted = [field.name for field in fields(cls)]
        if sorted(given) != sorted(wanted) or not all(given.values()):
            raise invalid("server", f"must name {', '.join(wanted)}, each once")
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
    path = folder / _FILE
    draft = path.with_name(f"{_FILE}.new")
    draft.write_text(json.dumps(asdict(addresses)) + "\n")
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(folder: Path) -> Addresses:
    """The addresses of the server on this folder; a killed one leaves its own behind.

    Raises:
        NotRunning: There is none.
    """
    try:
        return Addresses(**json.loads((folder / _FILE).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise NotRunning(folder) from error
