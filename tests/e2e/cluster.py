"""The cluster that end-to-end tests run on, as kubectl shows it.

Knows nothing of what is installed there.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_NODE = ROOT / "tests" / "e2e" / "node"
_PROGRAMS = Path(os.environ.get("AETERNA_CLUSTER", "/opt/aeterna-cluster"))
_STATE = Path(os.environ.get("AETERNA_CLUSTER_STATE", "/var/lib/aeterna-cluster"))


@dataclass(frozen=True)
class Cluster:
    """`command` is kubectl with the options that choose the cluster and the namespace."""

    command: tuple[str, ...]

    def __call__(self, *arguments: str, stdin: str = "", seconds: float = 120) -> str:
        """What kubectl prints; raises CalledProcessError, with what it says, when it fails."""
        command = [*self.command, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds)
        if done.returncode:
            error = subprocess.CalledProcessError(done.returncode, command, done.stdout)
            error.add_note(done.stderr)
            raise error
        return done.stdout

    @property
    def helm_options(self) -> list[str]:
        """The same choice of a cluster and a namespace, for Helm."""
        options = self.command[1:]
        return [each.replace("--context=", "--kube-context=") for each in options]

    def succeeds(self, *arguments: str) -> bool:
        return subprocess.run([*self.command, *arguments], capture_output=True).returncode == 0

    def get(self, *arguments: str) -> Any:
        """What `kubectl get` gives, as JSON."""
        return json.loads(self("get", *arguments, "--output=json"))

    def apply(self, *manifests: dict[str, Any]) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--filename=-", stdin=json.dumps(document))

    @contextmanager
    def namespace(self, name: str) -> Iterator["Cluster"]:
        """A namespace under restricted Pod Security, which goes with all that is in it.

        What a run that was killed left under the same name goes first.
        """
        self("delete", "namespace", name, "--ignore-not-found", seconds=300)
        prefix = "pod-security.kubernetes.io"
        labels = {f"{prefix}/enforce": "restricted", f"{prefix}/warn": "restricted"}
        metadata = {"name": name, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        try:
            yield Cluster((*self.command, f"--namespace={name}"))
        finally:
            self("delete", "namespace", name, "--wait=false")

    def save_logs(self, folder: Path) -> None:
        """Events, objects, and the logs of every container, of the namespace's pods."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "objects.yaml").write_text(self("get", "all,events", "--output=yaml"))
        for pod in self.get("pods")["items"]:
            name = pod["metadata"]["name"]
            for file, which in ((f"{name}.log", []), (f"{name}.previous.log", ["--previous"])):
                command = [*self.command, "logs", name, "--all-containers", "--prefix", *which]
                (folder / file).write_bytes(subprocess.run(command, capture_output=True).stdout)


def given_cluster() -> Cluster | None:
    """The one that `AETERNA_E2E_CONTEXT` or `KUBECONFIG` name."""
    context = os.environ.get("AETERNA_E2E_CONTEXT")
    if context:
        return Cluster(("kubectl", f"--context={context}"))
    return Cluster(("kubectl",)) if os.environ.get("KUBECONFIG") else None


def own_cluster() -> Cluster:
    """The node of `make cluster-up`, brought up if it is not; it stays up for the next run."""
    subprocess.run([_NODE / "up"], check=True)
    subprocess.run([ROOT / "scripts" / "images"], check=True)
    kubectl, kubeconfig = _PROGRAMS / "bin" / "kubectl", _STATE / "kubeconfig"
    return Cluster((str(kubectl), f"--kubeconfig={kubeconfig}"))


def wait_until(check: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Returns once `check` holds; raises TimeoutError if it does not in time."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.5)  # a look with kubectl costs a fifth of a second of a processor
