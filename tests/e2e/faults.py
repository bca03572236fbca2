"""Breaking pods from outside: signals to their processes, cuts in their network.

By a privileged pod that sees the processes of its node; so on every cluster that allows one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.cluster import Cluster
from tests.e2e.pods import SUITE

_NAMESPACE = "e2e-faults"
_SCRIPT = r'''
import os, re, subprocess, sys
from pathlib import Path

def processes(part, file="cgroup"):
    """Ids of the processes whose cgroup names the pod or container; or another of their files."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if part in (folder / file).read_text().replace("_", "-"):
                yield int(folder.name)
        except OSError:
            pass  # it has ended

def signal(number, part, pattern):
    for each in processes(part):
        command = Path(f"/proc/{each}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if re.search(pattern, command):
            os.kill(each, int(number))
            print(each, command[:80])

def route(action, part, *addresses):
    # `ip` is the node's, which the kubelet sees; process 1 may be out of reach.
    inside, node = next(processes(part)), next(processes("kubelet", "comm"))
    enter = ["nsenter", f"--mount=/proc/{node}/ns/mnt", f"--net=/proc/{inside}/ns/net"]
    for each in addresses:
        subprocess.run([*enter, "ip", "route", action, "blackhole", each], check=True)

{"signal": signal, "route": route}[sys.argv[1]](*sys.argv[2:])
'''


class Faults:
    """What can be done to the pods of one namespace."""

    def __init__(self, cluster: Cluster, namespace: Cluster) -> None:
        self._cluster, self._namespace = cluster, namespace

    def signal(self, pod: str, signal: int, pattern: str = "") -> str:
        """Sends it to those processes of the pod's containers whose command line matches.

        Returns a line for each; raises CalledProcessError if there is none.
        """
        containers = self._namespace.get("pod", pod)["status"]["containerStatuses"]
        ids = [each["containerID"].rpartition("/")[2] for each in containers]
        hit = "".join(self._run("signal", str(int(signal)), each, pattern) for each in ids)
        assert hit, f"no process of {pod} matches {pattern!r}"
        return hit

    @contextmanager
    def cut(self, pod: str, *others: str) -> Iterator[None]:
        """Nothing that the pod sends reaches the others, for the length of the block.

        Connections that are open freeze. A pod that is replaced meanwhile is not cut.
        """
        metadata = self._namespace.get("pod", pod)["metadata"]
        addresses = [self._namespace.get("pod", each)["status"]["podIP"] for each in others]
        self._run("route", "add", metadata["uid"], *addresses)
        try:
            yield
        finally:
            now = self._namespace.get("pods", f"--field-selector=metadata.name={pod}")["items"]
            if any(each["metadata"]["uid"] == metadata["uid"] for each in now):
                self._run("route", "del", metadata["uid"], *addresses)

    @contextmanager
    def no_new_pods(self) -> Iterator[None]:
        """Pods that are deleted stay away while the block lasts, as if their node were lost."""
        nodes = [each["metadata"]["name"] for each in self._cluster.get("nodes")["items"]]
        self._cluster("cordon", *nodes)
        try:
            yield
        finally:
            self._cluster("uncordon", *nodes)

    def destroy(self, pod: str) -> None:
        """SIGKILL to all of it at once; its object goes, too."""
        self.signal(pod, 9)
        self._namespace("delete", "pod", pod, "--force", "--grace-period=0")

    def _run(self, *arguments: str) -> str:
        execute = ("exec", "--namespace", _NAMESPACE, "faults", "--", "python3", "-c", _SCRIPT)
        return self._cluster(*execute, *arguments)


def start(cluster: Cluster) -> None:
    """Starts the privileged pod, if it is not there."""
    container = {
        "name": "main",
        "image": SUITE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "securityContext": {"privileged": True, "runAsUser": 0},
    }
    spec = {"hostPID": True, "containers": [container], "terminationGracePeriodSeconds": 0}
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    metadata = {"name": _NAMESPACE, "labels": labels}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "faults", "namespace": _NAMESPACE},
            "spec": spec,
        },
    )
    ready = ("wait", "--for=condition=Ready", "--timeout=60s", "pod/faults")
    cluster(*ready, "--namespace", _NAMESPACE)
