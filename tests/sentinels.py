"""Two Redis servers, a master and its replica, watched by three Sentinels; always local ones.

Failovers take two or three seconds: everything is told to be impatient, unless servers are to stay
what they are on a busy machine.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import redis

from libs.embedded.processes import spawn
from tests.servers import answering, free_ports, redis_program

MASTER, PASSWORD = "mymaster", "redis-test"
_SENTINELS, _QUORUM = 3, 2
_LOOKS, _PAUSE = 600, 0.05  # seconds
_REDIS = f"""
bind 127.0.0.1
port {{port}}
requirepass {PASSWORD}
masterauth {PASSWORD}
save ""
repl-diskless-sync-delay 0
"""
_SENTINEL = f"""
bind 127.0.0.1
port {{port}}
requirepass {PASSWORD}
sentinel sentinel-pass {PASSWORD}
sentinel monitor {MASTER} 127.0.0.1 {{master}} {_QUORUM}
sentinel auth-pass {MASTER} {PASSWORD}
sentinel down-after-milliseconds {MASTER} {{silence}}
sentinel failover-timeout {MASTER} 2000
"""


@dataclass
class Group:
    """The processes by port; `redises` are the servers, whichever is the master."""

    folder: Path
    redises: dict[int, subprocess.Popen[bytes]]
    sentinels: dict[int, subprocess.Popen[bytes]]

    @property
    def addresses(self) -> str:
        """Of the Sentinels, as settings have it."""
        return ",".join(f"127.0.0.1:{port}" for port in self.sentinels)

    def master(self) -> int:
        """The port of the master, as the first Sentinel that answers has it."""
        for port in self.sentinels:
            try:
                return _named(port)
            except redis.ConnectionError:
                continue
        raise RuntimeError("no Sentinel answers")

    @contextmanager
    def frozen(self, port: int) -> Iterator[None]:
        """That server does nothing for the length of the block, and then goes on."""
        self.redises[port].send_signal(SIGSTOP)
        try:
            yield
        finally:
            self.redises[port].send_signal(SIGCONT)

    def until_another_than(self, port: int) -> None:
        """Until every Sentinel names another master."""
        end = time.monotonic() + _LOOKS * _PAUSE
        while any(_named(sentinel) == port for sentinel in self.sentinels):
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(_PAUSE)

    def kill_master(self) -> None:
        """And the Sentinel that everyone asks first."""
        for process in (self.redises[self.master()], next(iter(self.sentinels.values()))):
            process.kill()
            process.wait()


@contextmanager
def sentinel_group(silence: int = 500) -> Iterator[Group]:
    """Yields a group that is ready for a failover: after so many milliseconds without an answer."""
    with tempfile.TemporaryDirectory() as name:
        group = Group(Path(name), {}, {})
        try:
            _start(group, silence)
            yield group
        finally:
            for process in (*group.sentinels.values(), *group.redises.values()):
                process.kill()
                process.wait()


def _start(group: Group, silence: int) -> None:
    master, replica, *sentinels = free_ports(2 + _SENTINELS)
    for port, more in ((master, ""), (replica, f"replicaof 127.0.0.1 {master}")):
        group.redises[port] = _run(group.folder, port, _REDIS.format(port=port) + more)
    for port in sentinels:
        text = _SENTINEL.format(port=port, master=master, silence=silence)
        group.sentinels[port] = _run(group.folder, port, text, "--sentinel")
    for port in sentinels:
        _until_complete(port)


def _run(folder: Path, port: int, text: str, *options: str) -> subprocess.Popen[bytes]:
    config = folder / f"{port}.conf"
    config.write_text(text)
    command: Sequence[str | Path] = [redis_program(), config, *options]
    with (folder / f"{port}.log").open("ab") as log:
        process = spawn(command, output=log, folder=folder)
    answering(f"redis://:{PASSWORD}@127.0.0.1:{port}")
    return process


def _until_complete(port: int) -> None:
    """The Sentinel knows the replica and its fellows, who announce themselves every two seconds."""
    expected = {"num-slaves": 1, "num-other-sentinels": _SENTINELS - 1}
    with _client(port) as sentinel:
        for _ in range(_LOOKS):
            if expected.items() <= sentinel.sentinel_master(MASTER).items():
                return
            time.sleep(_PAUSE)
    raise TimeoutError


def _named(port: int) -> int:
    """The port of the master, as this Sentinel has it."""
    with _client(port) as sentinel:
        return int(sentinel.sentinel_get_master_addr_by_name(MASTER)[1])


def _client(port: int) -> redis.Redis:
    return redis.Redis(port=port, password=PASSWORD, decode_responses=True)
