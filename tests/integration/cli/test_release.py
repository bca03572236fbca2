"""`aeterna release` against a small API server; its pods are a real gRPC server and real metrics.

What only a real cluster has, port forwarding above all, is for tests/e2e.
"""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from typer.testing import CliRunner, Result

from cli.main import app
from cli.release.cluster import Pod, Target
from tests.fakes.kubernetes_server import KubernetesServer, Running

_QUICK = ("--watch", "1s", "--drain", "1s")
_METRICS = """# TYPE aeterna_requests_total counter
aeterna_requests_total{{service="memory",method="M",code="OK"}} {ok}
aeterna_requests_total{{service="memory",method="M",code="INTERNAL"}} {faults}
"""
_GRPC, _METRICS_PORT = 50051, 9090  # of the pods


@dataclass
class Pods:
    """Every pod of the cluster is this one; what it says of itself may be changed."""

    health: Any = field(default_factory=health.HealthServicer)
    ok: int = 100
    faults: int = 0
    answered: Callable[[], None] = lambda: None  # called when metrics have been read

    def is_sick(self) -> None:
        self.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)


@pytest.fixture
def cluster() -> KubernetesServer:
    cluster = KubernetesServer()
    for service in ("memory", "knowledge", "governance", "sync"):
        cluster.add_service(service)
    return cluster


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pods]:
    pods = Pods()
    with _grpc_server(pods) as health_port, _metrics_server(pods) as metrics_port:
        ports = {_GRPC: health_port, _METRICS_PORT: metrics_port}

        @asynccontextmanager
        async def forward(_: Target, __: Pod, port: int) -> AsyncIterator[str]:
            yield f"127.0.0.1:{ports[port]}"

        monkeypatch.setattr(Target, "forward", forward)
        monkeypatch.setattr("cli.release.run._PAUSE", 0.05)
        yield pods


@contextmanager
def _grpc_server(pods: Pods) -> Iterator[int]:
    server: Any = grpc.server(ThreadPoolExecutor(4))
    health_pb2_grpc.add_HealthServicer_to_server(pods.health, server)
    pods.health.set("", health_pb2.HealthCheckResponse.SERVING)
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


@contextmanager
def _metrics_server(pods: Pods) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(_METRICS.format(ok=pods.ok, faults=pods.faults).encode())
            pods.answered()

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def release(cluster: KubernetesServer, pods: Pods, tmp_path: Path) -> Iterator[Any]:
    """Runs the command against the cluster."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["release", *arguments], env={"KUBECONFIG": str(config)})

    with Running(cluster, tmp_path) as config:
        yield run


def is_stable(cluster: KubernetesServer, color: str, service: str = "memory") -> bool:
    """The colour is live and alone, everywhere, and nothing is left of a release."""
    other = {"blue": "green", "green": "blue"}[color]
    annotations = cluster.objects["services", service]["metadata"].get("annotations", {})
    return (
        {cluster.color_of(service), cluster.color_of(f"{service}-headless")} == {color}
        and cluster.color_of(f"{service}-preview") == other
        and cluster.color_of(f"{service}-preview-headless") == other
        and cluster.replicas(f"{service}-{color}") == 2
        and cluster.replicas(f"{service}-{other}") == 0
        and not annotations
    )


def test_a_release_moves_the_traffic_to_the_new_image(
    cluster: KubernetesServer, release: Any
) -> None:
    result = release("memory", "--image", "2", *_QUICK)

    assert result.exit_code == 0, result.output
    assert is_stable(cluster, "green")
    assert cluster.images("memory-green") == {"aeterna:2", "proxy:1"}
    assert [line.partition(": ")[2] for line in result.stdout.splitlines()] == [
        "green gets 2 pods of aeterna:2",
        "looking at health and errors of green",
        "traffic moves to green",
        "looking at health and errors of green",
        "blue ends",
        "done",
    ]
    assert is_stable(cluster, "blue", "sync")


def test_all_services_are_released_with_what_helm_gave_the_idle_colour(
    cluster: KubernetesServer, release: Any
) -> None:
    result = release("--all", "--watch", "0s", "--drain", "0s")

    assert result.exit_code == 0, result.output
    assert all(is_stable(cluster, "green", each) for each in ("memory", "sync", "governance"))


def test_pods_that_do_not_get_ready_are_never_switched_to(
    cluster: KubernetesServer, release: Any
) -> None:
    cluster.broken_images.add("aeterna:2")

    result = release("memory", "--image", "2", "--deadline", "1s")

    assert result.exit_code == 5
    assert (
        "RELEASE_FAILED: memory: 0 of 2 pods became ready in time; blue is live." in result.stderr
    )
    assert is_stable(cluster, "blue")
    assert not any(name == "services/memory" for name, _ in cluster.patches)


def test_a_preview_that_does_not_serve_is_never_switched_to(
    cluster: KubernetesServer, pods: Pods, release: Any
) -> None:
    pods.is_sick()

    result = release("memory", "--image", "2")

    assert result.exit_code == 5
    assert "memory-green-0 is NOT_SERVING" in result.stderr
    assert is_stable(cluster, "blue")
    assert not any(name == "services/memory" for name, _ in cluster.patches)


def test_errors_after_the_switch_move_the_traffic_back(
    cluster: KubernetesServer, pods: Pods, release: Any
) -> None:
    def fail_once_live() -> None:
        if cluster.color_of("memory") == "green":
            pods.faults += 10

    pods.answered = fail_once_live

    result = release("memory", "--image", "2", "--watch", "60s", "--drain", "60s")

    assert result.exit_code == 5
    assert "calls failed; blue is live" in result.stderr
    assert is_stable(cluster, "blue")
    assert cluster.images("memory-blue") == {"aeterna:1", "proxy:1"}


def test_an_interrupted_release_is_finished_by_the_next(
    cluster: KubernetesServer, pods: Pods, release: Any
) -> None:
    def interrupt_once_live() -> None:
        if cluster.color_of("memory") == "green":
            cluster.outages = 1000

    pods.answered = interrupt_once_live
    assert release("memory", "--image", "2", "--watch", "60s", "--drain", "60s").exit_code == 6
    cluster.outages = 0
    assert cluster.replicas("memory-blue") == 2
    assert "has not ended" in release("status").stdout
    pods.answered = lambda: None

    result = release("memory", "--image", "2", *_QUICK)

    assert result.exit_code == 0, result.output
    assert is_stable(cluster, "green")


def test_a_rollback_during_the_watch_needs_no_new_pods_and_ends_the_release(
    cluster: KubernetesServer, pods: Pods, release: Any, tmp_path: Path
) -> None:
    rolled_back: list[subprocess.Popen[str]] = []
    command = [sys.executable, "-m", "cli.main", "release", "rollback", "memory", "--drain", "0s"]
    environment = {"KUBECONFIG": str(tmp_path / "kubeconfig"), "PYTHONPATH": ":".join(sys.path)}

    def roll_back_once_live() -> None:
        if cluster.color_of("memory") == "green":
            pods.answered = lambda: None
            pipe = subprocess.PIPE
            started = subprocess.Popen(
                command, env=environment, stdout=pipe, stderr=pipe, text=True
            )
            rolled_back.append(started)

    pods.answered = roll_back_once_live

    result = release("memory", "--image", "2", "--watch", "60s", "--drain", "60s")

    out, error = rolled_back[0].communicate(timeout=60)
    assert rolled_back[0].returncode == 0, error
    assert "pods of" not in out
    assert result.exit_code == 5
    assert "somebody else moved the traffic back" in result.stderr
    assert is_stable(cluster, "blue")


def test_a_rollback_is_respected_by_the_run_that_finishes_a_release(
    cluster: KubernetesServer, pods: Pods, release: Any
) -> None:
    def interrupt_once_live() -> None:
        if cluster.color_of("memory") == "green":
            cluster.outages = 1000

    pods.answered = interrupt_once_live
    release("memory", "--image", "2", "--watch", "60s")
    cluster.outages = 0
    pods.answered = lambda: cluster.move_traffic("memory", "blue")

    result = release("memory", "--watch", "60s", "--drain", "60s")

    assert result.exit_code == 5
    assert "somebody else moved the traffic back" in result.stderr
    assert cluster.color_of("memory") == "blue"
    assert cluster.replicas("memory-blue") == 2


def test_a_rollback_starts_the_old_pods_again(cluster: KubernetesServer, release: Any) -> None:
    release("memory", "--image", "2", *_QUICK)

    result = release("rollback", "memory", "--drain", "0s")

    assert result.exit_code == 0, result.output
    assert "blue gets 2 pods of aeterna:1" in result.stdout
    assert is_stable(cluster, "blue")


def test_a_change_by_somebody_else_is_looked_at_before_the_next_attempt(
    cluster: KubernetesServer, release: Any
) -> None:
    cluster.overtake = "memory"

    result = release("memory", "--image", "2", *_QUICK)

    assert result.exit_code == 0, result.output
    assert is_stable(cluster, "green")


def test_status_shows_the_colours(release: Any) -> None:
    shown = release("status").stdout.splitlines()

    assert shown[0].split() == ["memory", "blue", "live", "2/2", "aeterna:1"]
    assert shown[1].split() == ["memory", "green", "idle", "0/0", "aeterna:1"]
    assert len(shown) == 8


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("memory", "--all"), ("memory", "--watch", "soon")]
)
def test_wrong_usage_ends_with_2(release: Any, arguments: tuple[str, ...]) -> None:
    assert release("deploy", *arguments).exit_code == 2


def test_without_the_objects_nothing_is_done(cluster: KubernetesServer, release: Any) -> None:
    cluster.objects.clear()

    shown, result = release("status"), release("memory")

    assert shown.stdout.splitlines()[0].split(maxsplit=1) == ["memory", "not installed here"]
    assert result.exit_code == 5
    assert "NOT_RELEASABLE: test has no active Service" in result.stderr


def test_without_an_api_server_it_is_unavailable(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["release", "status"], env={"KUBECONFIG": str(tmp_path / "missing")}
    )

    assert result.exit_code == 6
