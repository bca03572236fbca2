"""The PostgreSQL members of a stack, as Patroni and the servers themselves know them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from subprocess import CalledProcessError
from typing import Any

from tests.e2e.cluster import Cluster, wait_until

NAMES = [f"postgres-{place}" for place in range(3)]
ETCD = [f"postgres-etcd-{place}" for place in range(3)]
POSTMASTER = r"^\S*/postgres -D"  # command lines, for signals
WALRECEIVER = "^postgres: .*walreceiver"
PATRONI = "/etc/patroni/patroni.yml"
LEASE = 20  # seconds: the ttl of the profile ha
LEASE_GAP = LEASE + 5  # and some to promote and to reconnect
_ROLES = ["leader", "replica", "sync_standby"]
_ASK = """
import base64, os, sys, urllib.request
method, path, body = sys.argv[1:]
login = base64.b64encode(f"patroni:{os.environ['PATRONI_RESTAPI_PASSWORD']}".encode()).decode()
request = urllib.request.Request("http://localhost:8008/" + path, method=method,
    data=body.encode() or None, headers={"Authorization": "Basic " + login})
print(urllib.request.urlopen(request, timeout=3).read().decode())
"""
_PSQL = 'PGPASSWORD="$SUPERUSER_PASSWORD" psql -h /run/postgresql -U postgres -d aeterna -Atc "$0"'


@dataclass(frozen=True)
class Member:
    """One of them as Patroni's store has it."""

    name: str
    role: str
    state: str
    timeline: int | None


class Postgres:
    """The three of them; everything is asked from inside their pods, whatever their network."""

    def __init__(self, namespace: Cluster) -> None:
        self._namespace = namespace

    def members(self) -> list[Member]:
        """As the first sees them that answers; none if nobody does."""
        for name in NAMES:
            with suppress(CalledProcessError):
                found = self._ask(name, "GET", "cluster")["members"]
                return [_member(each) for each in found]
        return []

    def with_role(self, role: str) -> str:
        """Who is `leader`, `sync_standby` or `replica` (nothing waits for it); empty if nobody."""
        return next((each.name for each in self.members() if each.role == role), "")

    @property
    def leader(self) -> str:
        """Who holds the lease."""
        return self.with_role("leader")

    def takes_writes(self, name: str) -> bool:
        """Whether its server believes that it is the primary."""
        try:
            return self.sql(name, "SELECT pg_is_in_recovery()") == "f"
        except CalledProcessError:
            return False

    def sql(self, name: str, statement: str) -> str:
        """What the member answers, as the superuser."""
        return self._inside(name, "sh", "-c", _PSQL, statement).strip()

    @contextmanager
    def setting(self, name: str, value: bool) -> Iterator[None]:
        """Patroni's setting, for the length of the block."""
        before = self._ask(self.leader, "GET", "config")[name]
        self._set(name, value)
        try:
            yield
        finally:
            self._set(name, before)

    def wait_until_another_leads(self, than: str, seconds: float = 60) -> str:
        """The name of whoever has the lease and takes writes."""
        leaders: list[str] = []

        def another_leads() -> bool:
            leaders[:] = [
                each.name
                for each in self.members()
                if each.role == "leader" and each.name != than and self.takes_writes(each.name)
            ]
            return bool(leaders)

        wait_until(another_leads, f"another primary than {than}", seconds)
        return leaders[0]

    def wait_until_whole(self, seconds: float = 60) -> None:
        """All stream on one timeline, and one of them is the named synchronous standby."""
        wait_until(self._is_whole, "three members that stream on one timeline", seconds)

    def _is_whole(self) -> bool:
        members = self.members()
        states = {each.state for each in members}
        timelines = {each.timeline for each in members}
        return (
            sorted(each.role for each in members) == _ROLES
            and states == {"running", "streaming"}
            and len(timelines) == 1
            and self._leader_waits_for_one()
        )

    def _leader_waits_for_one(self) -> bool:
        """Asks after a write: a member that was rewound streams only once there was one."""
        statement = (
            "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"
        )
        self.sql(self.leader, "SELECT pg_log_standby_snapshot()")
        return self.sql(self.leader, statement) == "1"

    def _set(self, name: str, value: bool) -> None:
        self._ask(self.leader, "PATCH", "config", json.dumps({name: value}))

    def _ask(self, name: str, method: str, path: str, body: str = "") -> Any:
        return json.loads(self._inside(name, "python3", "-c", _ASK, method, path, body))

    def _inside(self, name: str, *command: str) -> str:
        return self._namespace("exec", name, "--container=postgres", "--", *command, seconds=20)


def _member(found: dict[str, Any]) -> Member:
    return Member(found["name"], found["role"], found["state"], found.get("timeline"))
