"""What the services of an installation say about themselves, each pod for itself."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from tests.e2e.cluster import Cluster

_LIVE = "--selector=aeterna.io/color"
_WAKEUPS = """
import json, sys, urllib.request
import grpc
from grpc_health.v1 import health_pb2 as pb, health_pb2_grpc
page = urllib.request.urlopen("http://localhost:9090/metrics", timeout=5).read().decode()
gauge = next(line for line in page.splitlines() if line.startswith("aeterna_wakeups_connected "))
with grpc.insecure_channel(f"localhost:{sys.argv[1]}") as channel:
    stub = health_pb2_grpc.HealthStub(channel)
    status = stub.Check(pb.HealthCheckRequest(service="wakeups"), timeout=5).status
print(json.dumps([float(gauge.split()[1]), pb.HealthCheckResponse.ServingStatus.Name(status)]))
"""


def wakeups(namespace: Cluster) -> set[tuple[float, str]]:
    """The different states in which the pods are: the gauge, and what health says."""
    with ThreadPoolExecutor() as pool:
        return set(pool.map(partial(_wakeups, namespace), _pods(namespace)))


def are_ready(namespace: Cluster) -> bool:
    """All of them, and none was restarted."""
    statuses = [each for pod in _pods(namespace) for each in pod["status"]["containerStatuses"]]
    return all(each["ready"] and not each["restartCount"] for each in statuses)


def _pods(namespace: Cluster) -> list[dict[str, Any]]:
    pods: list[dict[str, Any]] = namespace.get("pods", _LIVE)["items"]
    assert pods
    return pods


def _wakeups(namespace: Cluster, pod: dict[str, Any]) -> tuple[float, str]:
    (container,) = pod["spec"]["containers"]
    port = next(each["containerPort"] for each in container["ports"] if each["name"] == "grpc")
    command = ("exec", pod["metadata"]["name"], "--", "python3", "-c", _WAKEUPS, str(port))
    gauge, status = json.loads(namespace(*command))
    return gauge, status
