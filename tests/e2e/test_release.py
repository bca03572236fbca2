"""`aeterna release` on a real cluster, with the rights that docs/release.md gives and no others.

The pods are stand-ins with real health and metrics: what is tested is the way a release goes.
"""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import ROOT, Cluster, wait_until
from tests.e2e.pods import SUITE, SUITE_TWIN
from tests.e2e.releaser import Releaser

pytestmark = pytest.mark.essential

_OLD, _NEW = SUITE, SUITE_TWIN
_MISSING = "aeterna:no-such-tag"
_INSTANCE = {"app.kubernetes.io/part-of": "aeterna", "app.kubernetes.io/component": "memory"}
_ROLLBACK_SECONDS = 10


def labels(color: str) -> dict[str, str]:
    return {**_INSTANCE, "aeterna.io/color": color}


def service(name: str, color: str, **more: Any) -> dict[str, Any]:
    spec = {"selector": labels(color), "ports": [{"name": "grpc", "port": 50051}], **more}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": _INSTANCE},
        "spec": spec,
    }


def deployment(color: str, replicas: int) -> dict[str, Any]:
    container = {
        "name": "memory",
        "image": _OLD,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", (ROOT / "tests" / "e2e" / "standin.py").read_text()],
        "ports": [
            {"name": "grpc", "containerPort": 50051},
            {"name": "metrics", "containerPort": 9090},
        ],
        "readinessProbe": {"grpc": {"port": 50051}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 5,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"memory-{color}", "labels": labels(color)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels(color)},
            "template": {"metadata": {"labels": labels(color)}, "spec": pod},
        },
    }


class Memory:
    """The service in its namespace, and the command that releases it."""

    def __init__(self, namespace: Cluster, releaser: Releaser) -> None:
        self._namespace = namespace
        self.release, self.releasing = releaser.release, releaser.releasing

    def color_of(self, name: str) -> str:
        return str(self._namespace.get("service", name)["spec"]["selector"]["aeterna.io/color"])

    def is_stable(self, live: str, image: str) -> bool:
        """The colour is live and alone, and every Service follows."""
        idle = {"blue": "green", "green": "blue"}[live]
        colors = {name: self.color_of(f"memory{name}") for name in ("", "-headless")}
        previews = {self.color_of(f"memory-preview{name}") for name in ("", "-headless")}
        up = self._namespace.get("deployment", f"memory-{live}")
        down = self._namespace.get("deployment", f"memory-{idle}")
        running = up["spec"]["template"]["spec"]["containers"][0]["image"]
        return (
            (set(colors.values()), previews) == ({live}, {idle})
            and (up["status"].get("readyReplicas"), down["spec"]["replicas"]) == (2, 0)
            and running == image
        )

    def make_sick(self, color: str) -> None:
        """One of its pods fails calls from now on."""
        query = ",".join(f"{name}={value}" for name, value in labels(color).items())
        pod = self._namespace.get("pods", f"--selector={query}")["items"][0]["metadata"]["name"]
        self._namespace("exec", pod, "--", "touch", "/tmp/sick")


@pytest.fixture
def memory(namespace: Cluster, tmp_path: Path) -> Memory:
    """Two blue pods are live, green rests."""
    namespace.apply(
        service("memory", "blue"),
        service("memory-headless", "blue", clusterIP="None"),
        service("memory-preview", "green"),
        service("memory-preview-headless", "green", clusterIP="None"),
        deployment("blue", 2),
        deployment("green", 0),
    )
    memory = Memory(namespace, Releaser.of(namespace, tmp_path / "kubeconfig"))
    wait_until(lambda: memory.is_stable("blue", _OLD), "two blue pods", 120)
    return memory


def test_a_release_moves_the_traffic_and_ends_the_old_pods(memory: Memory) -> None:
    code, out, error = memory.release("memory", "--image", _NEW, "--watch", "5s", "--drain", "8s")

    assert code == 0, error
    assert "traffic moves to green" in out
    wait_until(lambda: memory.is_stable("green", _NEW), "green alone")


def test_pods_that_never_get_ready_leave_everything_as_it_was(memory: Memory) -> None:
    code, out, error = memory.release("memory", "--image", _MISSING, "--deadline", "10s")

    assert code == 5
    assert "0 of 2 pods became ready in time; blue is live" in error
    assert "traffic" not in out
    wait_until(lambda: memory.is_stable("blue", _OLD), "blue alone")


def test_errors_after_the_switch_move_the_traffic_back_in_time(memory: Memory) -> None:
    with memory.releasing("memory", "--image", _NEW, "--watch", "90s") as process:
        wait_until(lambda: memory.color_of("memory") == "green", "the switch")
        memory.make_sick("green")
        begun = time.monotonic()
        wait_until(lambda: memory.color_of("memory") == "blue", "the way back")
        seconds = time.monotonic() - begun
        _, error = process.communicate(timeout=60)

    assert seconds <= _ROLLBACK_SECONDS
    assert process.returncode == 5
    assert "calls failed; blue is live" in error
    wait_until(lambda: memory.is_stable("blue", _OLD), "blue alone")


def test_a_rollback_during_the_watch_takes_effect_in_time(memory: Memory) -> None:
    with memory.releasing("memory", "--image", _NEW, "--watch", "90s") as process:
        wait_until(lambda: memory.color_of("memory") == "green", "the switch")
        begun = time.monotonic()
        with memory.releasing("rollback", "memory", "--drain", "1s") as rollback:
            wait_until(lambda: memory.color_of("memory") == "blue", "the way back")
            seconds = time.monotonic() - begun
            assert rollback.wait(60) == 0
        assert process.wait(60) == 5

    assert seconds <= _ROLLBACK_SECONDS
    wait_until(lambda: memory.is_stable("blue", _OLD), "blue alone")


def test_a_release_that_is_killed_is_finished_by_the_next(memory: Memory) -> None:
    with memory.releasing("memory", "--image", _NEW, "--watch", "90s") as process:
        wait_until(lambda: memory.color_of("memory") == "green", "the switch")
        process.kill()
    code, out, _ = memory.release("status")
    assert code == 0
    assert "has not ended" in out

    code, _, error = memory.release("memory", "--image", _NEW, "--watch", "1s", "--drain", "1s")

    assert code == 0, error
    wait_until(lambda: memory.is_stable("green", _NEW), "green alone")
