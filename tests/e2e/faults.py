"""Breaking pods from outside: signals to their processes, cuts in their network.

By a privileged pod that sees the processes of its node; so on every cluster that allows one.
"""

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.cluster import Cluster, wait_until
from tests.e2e.pods import SUITE

_NAMESPACE = "e2e-faults"
_SCRIPT = r'''
import os, re, subprocess, sys
from contextlib import suppress
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
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended with another one
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

    def signal(self, pod: str, number: int, pattern: str = "") -> None:
        """Sends it to those processes of the pod whose command line matches."""
        uid = self._pods()[pod]["metadata"]["uid"]
        hit = self._run("signal", str(int(number)), uid, pattern)
        assert hit, f"no process of {pod} matches {pattern!r}"

    @contextmanager
    def frozen(self, pod: str, pattern: str = "") -> Iterator[None]:
        """Those processes do nothing for the length of the block, and then go on."""
        uid = self._pods()[pod]["metadata"]["uid"]
        self.signal(pod, signal.SIGSTOP, pattern)
        try:
            yield
        finally:
            self._run("signal", str(int(signal.SIGCONT)), uid, pattern)

    @contextmanager
    def cut(self, pod: str, *others: str) -> Iterator[None]:
        """Nothing that the pod sends reaches the others, for the length of the block.

        Connections that are open freeze. A pod that is replaced meanwhile is not cut.
        """
        pods = self._pods()
        uid = pods[pod]["metadata"]["uid"]
        addresses = [pods[each]["status"]["podIP"] for each in others]
        self._run("route", "add", uid, *addresses)
        try:
            yield
        finally:
            if uid in (each["metadata"]["uid"] for each in self._pods().values()):
                self._run("route", "del", uid, *addresses)

    @contextmanager
    def no_new_pods(self) -> Iterator[None]:
        """Pods that are deleted stay away while the block lasts, as if their node were lost."""
        self._namespace("create", "quota", "no-new-pods", "--hard=pods=0")
        wait_until(self._quota_holds, "the quota")
        try:
            yield
        finally:
            self._namespace("delete", "quota", "no-new-pods")
            wait_until(self._none_is_missing, "the pods that were away")

    def _quota_holds(self) -> bool:
        return "hard" in self._namespace.get("quota", "no-new-pods").get("status", {})

    def _none_is_missing(self) -> bool:
        """Wakes the controllers, which wait longer after every refusal, and looks."""
        kinds = "statefulsets,replicasets"
        self._namespace("annotate", kinds, "--all", "--overwrite", f"woken={time.time()}")
        sets = self._namespace.get(kinds)["items"]
        return all(each["status"].get("replicas", 0) == each["spec"]["replicas"] for each in sets)

    def set_ordinals(self, name: str, places: range) -> None:
        """Has the StatefulSet run these of its pods, and returns once no other is there."""
        spec = {"replicas": len(places), "ordinals": {"start": places.start}}
        self._namespace("patch", "statefulset", name, "--patch", json.dumps({"spec": spec}))
        names = {f"{name}-{place}" for place in places}
        ours = re.compile(rf"{name}-\d+")
        wait_until(
            lambda: names == set(filter(ours.fullmatch, self._pods())), f"only {sorted(names)}", 90
        )

    def _pods(self) -> dict[str, dict[str, Any]]:
        return {each["metadata"]["name"]: each for each in self._namespace.get("pods")["items"]}

    def destroy(self, pod: str) -> None:
        """SIGKILL to all of it at once; its object goes, too."""
        self.signal(pod, signal.SIGKILL)
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
