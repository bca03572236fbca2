"""An installation of postgres-ha that archives and takes backups, and what its repository holds."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Cluster, wait_until
from tests.e2e.helm import Release, Values
from tests.e2e.pods import is_ready, pod

ARCHIVE_TIMEOUT = 20  # seconds
_NOTHING = {
    "requests": {"cpu": "1m", "memory": "16Mi"}
}  # on a small node it stands beside the rest
_SMALL: Values = {
    "members": 2,
    "patroni": {"replication": "sync"},
    "resources": _NOTHING,
    "etcd": {"resources": _NOTHING},
    "parameters": {"shared_buffers": "64MB"},
    "serviceMonitor": {"enabled": False},
}
_PSQL = "exec psql --no-psqlrc --tuples-only --no-align --quiet --set ON_ERROR_STOP=1"
_OWNER = f"""
PGPASSWORD=$OWNER_PASSWORD {_PSQL} --command "$2" \
  "host=$1 user=aeterna_owner dbname=aeterna connect_timeout=3 target_session_attrs=read-write"
"""
_SUPERUSER = f'PGPASSWORD=$SUPERUSER_PASSWORD {_PSQL} --username postgres --command "$1"'
_DIGEST = 'cd "$1" && find . -type f -exec sha256sum {} + | sort | sha256sum'
_TIMELINE = "SELECT substring(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"


@dataclass(frozen=True)
class Database:
    """The release's objects, claim and folder in the repository have its name."""

    release: Release

    @property
    def name(self) -> str:
        return self.release.name

    @property
    def namespace(self) -> Cluster:
        return self.release.namespace

    def sql(self, statement: str) -> list[str]:
        """The lines that it gives, by the role that owns the database, wherever writes go."""
        members = self._members()
        hosts = ",".join(f"{member}.{self.name}-members" for member in members)
        return self._shell(members[0], _OWNER, hosts, statement).splitlines()

    def insert(self, numbers: range) -> None:
        """Rows, each once though it is tried until it works."""
        series = f"generate_series({numbers.start}, {numbers.stop - 1})"
        statement = f"INSERT INTO numbers SELECT {series} ON CONFLICT DO NOTHING"
        wait_until(lambda: self._works(statement), "rows are taken", 60)

    def numbers(self) -> set[int]:
        return {int(line) for line in self.sql("SELECT n FROM numbers")}

    def archive_all(self) -> None:
        """Returns once everything that was written is in the archive."""
        switch = "SELECT pg_walfile_name(pg_switch_wal())"
        primary = self._primary()
        (file,) = self._shell(primary, _SUPERUSER, switch).splitlines()
        wait_until(lambda: self.has_archived(file), f"{file} is archived", 60)

    def has_archived(self, file: str) -> bool:
        """Whether the archive has that WAL file, whole."""
        return any(each.startswith(f"{file}-") for each in self.archive())

    def archive(self) -> list[str]:
        """Names of the files in the archive of WAL."""
        said = self._shell(self._members()[0], "pgbackrest repo-ls --recurse archive/main")
        return [line.rpartition("/")[2] for line in said.splitlines()]

    def info(self) -> Any:
        """`pgbackrest info` of the one stanza."""
        said = self._shell(self._members()[0], "pgbackrest --stanza=main info --output=json")
        return json.loads(said)[0]

    def verify(self) -> str:
        """`pgbackrest verify`: every file that backups and archive should have, by its checksum."""
        command = "pgbackrest --stanza=main --output=text --verbose verify"
        return self._shell(self._members()[0], command)

    def back_up(self, kind: str) -> float:
        """Runs the CronJob's job now; seconds until it has succeeded."""
        job, begun = f"{self.name}-{kind}-{time.time_ns()}", time.monotonic()
        cron = f"--from=cronjob/{self.name}-backup-{kind}"
        self.namespace("create", "job", cron, job)
        self.namespace("wait", "--for=condition=Complete", "--timeout=110s", f"job/{job}")
        return time.monotonic() - begun

    def fail_over(self) -> float:
        """Deletes the primary's pod; seconds until another timeline takes writes."""
        (before,) = self.sql(_TIMELINE)
        begun = time.monotonic()
        self.namespace("delete", "pod", self._primary(), "--wait=false")
        wait_until(lambda: self._is_after(before), f"a timeline after {before}", 60)
        return time.monotonic() - begun

    @contextmanager
    def stopped(self) -> Iterator[Callable[[], str]]:
        """All members are gone while the block lasts; gives a digest of what they left."""
        size = self.namespace.get("statefulset", self.name)["spec"]["replicas"]
        self._scale(0)
        self.namespace("wait", "--for=delete", "--timeout=110s", "pod", self._selected)
        try:
            with self._mounted() as repository:
                execute = ("exec", repository, "--", "sh", "-c", _DIGEST, "sh")
                yield lambda: self.namespace(*execute, f"/data/{self.name}")
        finally:
            self._scale(size)
            self.namespace("rollout", "status", "statefulset", self.name, "--timeout=110s")

    def _scale(self, members: int) -> None:
        self.namespace("scale", "statefulset", self.name, f"--replicas={members}")

    @contextmanager
    def _mounted(self) -> Iterator[str]:
        """A pod that sees the volume of the repository."""
        claim = {"claimName": f"{self.name}-backup", "readOnly": True}
        volume = {"name": "data", "persistentVolumeClaim": claim}
        name = f"{self.name}-repository"
        self.namespace.apply(pod(name, ["sleep", "infinity"], volumes=[volume]))
        self.namespace("wait", "--for=condition=Ready", "--timeout=60s", f"pod/{name}")
        try:
            yield name
        finally:
            self.namespace("delete", "pod", name, "--now")

    @property
    def _selected(self) -> str:
        component = "app.kubernetes.io/component=postgres"
        return f"--selector=app.kubernetes.io/instance={self.name},{component}"

    def _members(self) -> list[str]:
        """Those that are ready and shall stay; raises LookupError when there is none."""
        pods = self.namespace.get("pods", self._selected)["items"]
        names = [pod["metadata"]["name"] for pod in pods if is_ready(pod)]
        if not names:
            raise LookupError(f"no member of {self.name} is ready")
        return names

    def _primary(self) -> str:
        selected = f"{self._selected},aeterna.io/role=primary"
        (primary,) = self.namespace.get("pods", selected)["items"]
        return str(primary["metadata"]["name"])

    def _works(self, statement: str) -> bool:
        try:
            self.sql(statement)
        except (subprocess.CalledProcessError, LookupError):
            return False
        return True

    def _is_after(self, timeline: str) -> bool:
        try:
            return self.sql(_TIMELINE) > [timeline]
        except (subprocess.CalledProcessError, LookupError):
            return False

    def _shell(self, member: str, script: str, *arguments: str) -> str:
        execute = ("exec", member, "--container=postgres", "--", "sh", "-c", script, "sh")
        return self.namespace(*execute, *arguments)


@contextmanager
def database(namespace: Cluster, name: str, *values: Path | Values) -> Iterator[Database]:
    """One as the profile ha has it, but of two members.

    Its members end with the block; the rest goes with the namespace.
    """
    own = {
        "fullnameOverride": name,
        "backup": {
            "path": f"/{name}",
            "archiveTimeout": ARCHIVE_TIMEOUT,
            "volume": {"accessMode": "ReadWriteOnce", "size": "1Gi"},
        },
    }
    release = Release(
        namespace, "postgres-ha", [Path("ci/ha-values.yaml"), _SMALL, own, *values], name
    )
    release.install()
    try:
        yield Database(release)
    finally:
        selector = f"--selector=app.kubernetes.io/instance={name}"
        namespace("delete", "statefulset", selector, "--wait=false")
