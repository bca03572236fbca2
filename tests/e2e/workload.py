"""W: a pod that writes integers while a test breaks things, and what became of them."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from subprocess import CalledProcessError
from typing import Any

from tests.e2e.cluster import ROOT, Cluster, wait_until
from tests.e2e.pods import pod

_LABELS = {"aeterna.io/client": "true", "app.kubernetes.io/part-of": "aeterna"}
_TOKEN = {"serviceAccountToken": {"path": "token", "audience": "aeterna"}}
ACCOUNT = "recorder"  # the service account that it calls with; has to be a platform_admin


@dataclass(frozen=True)
class Outcome:
    """What a recorder did; times in seconds.

    `lost` were acknowledged, within `lost_seconds`, and are not there, `unexpected` are there and
    nobody wrote them, `doubled` are there twice; `stale` counts acknowledgements of an earlier
    timeline after one of a later. `gap` is the longest time between two rows by the database's
    clock, `acknowledgement_gap` between two answers by the client's. `failures` are the calls that
    failed, counted by what they said; each was made again.
    """

    acknowledged: int
    lost: list[int]
    lost_seconds: float
    unexpected: list[int]
    doubled: list[int]
    stale: int
    failures: dict[str, int]
    slowest: float
    gap: float
    acknowledgement_gap: float

    @property
    def is_exact(self) -> bool:
        """Everything that was acknowledged is there once, nothing else is, and one server wrote."""
        wrong = (self.lost, self.unexpected, self.doubled, self.stale)
        return self.acknowledged > 0 and not any(wrong)


class Recorder:
    """A running one."""

    def __init__(self, namespace: Cluster, name: str) -> None:
        self._namespace, self.name = namespace, name
        self._outcome: Outcome | None = None

    def write_for(self, seconds: float) -> None:
        """Lets it go on for so long."""
        time.sleep(seconds)

    def stop(self) -> Outcome:
        """Ends the writing and waits until everything was read back; a repeat changes nothing."""
        if self._outcome is None:
            self._namespace("exec", self.name, "--", "sh", "-c", "kill -TERM 1")
            ended = "--for=jsonpath={.status.phase}=Succeeded"
            self._namespace("wait", ended, "--timeout=110s", f"pod/{self.name}")
            report = self._namespace("logs", self.name).splitlines()[-1]
            self._outcome = Outcome(**json.loads(report))
            print(f"{self.name}: {self._outcome}")
        return self._outcome


OutcomeOf = Callable[[Recorder], Outcome]


@contextmanager
def recording(
    namespace: Cluster,
    name: str,
    store: str,
    *addresses: str,
    writers: int = 4,
    pause: float = 0.05,
    secret: tuple[str, str] | None = None,
) -> Iterator[Recorder]:
    """Yields once it writes; the pod goes with the block.

    Args:
        store: `sql` (`host:port` of every PostgreSQL member), `memories` (gRPC targets of
            memory, sync, governance) or `keys` (`host:port` of every Sentinel).
        pause: Seconds between a writer's writes.
        secret: Name and key of the Secret with the password, where the store takes one.
    """
    script = (ROOT / "tests" / "e2e" / "recorder.py").read_text()
    command = ["python3", "-c", script, store, str(writers), str(pause), *addresses]
    namespace.apply(_pod(name, command, secret))
    try:
        namespace("wait", "--for=condition=Ready", "--timeout=90s", f"pod/{name}")
        wait_until(lambda: "writing" in namespace("logs", name), f"{name} writes", 90)
        yield Recorder(namespace, name)
    except BaseException:
        with suppress(CalledProcessError):
            print(namespace("logs", name))  # the pod is gone when the others' logs are kept
        raise
    finally:
        namespace("delete", "pod", name, "--now")


def _pod(name: str, command: list[str], secret: tuple[str, str] | None) -> dict[str, Any]:
    volumes = [
        {"name": "data", "emptyDir": {}},
        {"name": "token", "projected": {"sources": [_TOKEN]}},
    ]
    made = pod(name, command, volumes=volumes, restartPolicy="Never", serviceAccountName=ACCOUNT)
    made["metadata"]["labels"] |= _LABELS
    (container,) = made["spec"]["containers"]
    container["volumeMounts"].append({"name": "token", "mountPath": "/run/token"})
    if secret:
        reference = dict(zip(("name", "key"), secret, strict=True))
        container["env"] = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": reference}}]
    return made
