"""The whole of Aeterna in one namespace, as a platform team installs it, and W against it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Cluster
from tests.e2e.faults import Faults
from tests.e2e.helm import Release, Values
from tests.e2e.workload import ACCOUNT, Recorder, recording

SERVICES = ("memory", "knowledge", "governance", "sync")
CONNECTION_AGE = 20  # seconds
_MEMBERS = [f"postgres-{place}.postgres-members:5432" for place in range(3)]
_OWNER = ("postgres-credentials", "owner")
_REDIS = ("redis-credentials", "password")
# Who may call, in place of an identity provider: all that a profile needs to be told.
CALLERS: Values = {
    "aeterna": {
        "auth": {
            "kubernetes": {
                "enabled": True,
                "subjects": {ACCOUNT: {"tenant": "platform", "roles": ["platform_admin"]}},
            }
        }
    }
}
# One node of two processors has to do, and nothing shall start by itself while a test measures.
_SMALL = {"requests": {"cpu": "20m", "memory": "128Mi"}}
_SERVICE = {"autoscaling": {"maxReplicas": 1}, "resources": _SMALL}
HERE: Values = {
    "aeterna": {
        "spreadAcrossNodes": "ScheduleAnyway",
        "connectionAgeSeconds": CONNECTION_AGE,
        "services": dict.fromkeys(SERVICES, _SERVICE),
    },
    "postgres-ha": {"spreadAcrossNodes": "ScheduleAnyway", "resources": _SMALL},
    "redis-sentinel": {"spreadAcrossNodes": "ScheduleAnyway"},
}


@dataclass(frozen=True)
class Stack:
    """An installation, and the ways to break it."""

    namespace: Cluster
    release: Release
    faults: Faults

    def sql(self, name: str = "w-sql", **options: Any) -> Any:
        """W through SQL, on whichever member takes writes; as `recording`."""
        return recording(self.namespace, name, "sql", *_MEMBERS, secret=_OWNER, **options)

    def memories(self, name: str = "w-memories", **options: Any) -> Any:
        """W through the front door: memory writes, beside a subscription; as `recording`."""
        addresses = (
            "dns:///memory-headless:50051",
            "dns:///sync-headless:50054",
            "governance:50053",
        )
        return recording(self.namespace, name, "memories", *addresses, **options)

    def keys(self, name: str = "w-keys", sentinel: str = "redis-sentinel", **options: Any) -> Any:
        """W through the Redis that a Sentinel, or a Service of them, names; as `recording`."""
        address = f"{sentinel}:26379"
        return recording(self.namespace, name, "keys", address, secret=_REDIS, **options)

    def others(self, name: str) -> list[str]:
        """Every other pod that has an address."""
        running = self.namespace.get("pods", "--field-selector=status.phase=Running")["items"]
        return [pod for each in running if (pod := each["metadata"]["name"]) != name]

    @contextmanager
    def both(self) -> Iterator[tuple[Recorder, Recorder]]:
        """W through SQL and through the front door at once."""
        with self.sql() as sql, self.memories() as memories:
            yield sql, memories


def of_profile(namespace: Cluster, cluster: Cluster, profile: str, *more: Values) -> Stack:
    """Not yet installed: `release.install()` does that."""
    namespace("create", "serviceaccount", ACCOUNT)
    values: list[Path | Values] = [
        Path("profiles") / f"{profile}.yaml",
        CALLERS,
        HERE,
        *more,
    ]
    return Stack(namespace, Release(namespace, "aeterna-stack", values), Faults(cluster, namespace))
