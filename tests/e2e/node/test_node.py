"""The node is a real cluster: it does what the charts rely on, and the images start on it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.cluster import Cluster, wait_until
from tests.e2e.pods import SUITE, VERSION, pod

pytestmark = pytest.mark.essential

PORT = 8080
SERVE = ["python3", "-m", "http.server", str(PORT), "--directory", "/data"]
IDLE = ["sleep", "infinity"]


def service(name: str) -> dict[str, Any]:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def policy(name: str, **spec: Any) -> dict[str, Any]:
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


def wait_ready(namespace: Cluster, *pods: str) -> None:
    names = [f"pod/{name}" for name in pods]
    namespace("wait", "--for=condition=Ready", "--timeout=90s", *names)


@pytest.mark.parametrize(
    ("image", "command", "shown"),
    [
        ("aeterna", ["aeterna", "--help"], "serve"),
        ("aeterna-postgres-ha", ["patroni", "--version"], "patroni 4."),
        ("aeterna-postgres-ha", ["postgres", "--version"], "PostgreSQL) 17."),
        ("aeterna-postgres-ha", ["pgbackrest", "version"], "pgBackRest 2."),
        ("aeterna-redis", ["redis-server", "--version"], "v=8."),
        ("aeterna-etcd", ["etcd", "--version"], "etcd Version: 3."),
    ],
)
def test_an_image_starts_where_pod_security_is_restricted(
    namespace: Cluster, image: str, command: list[str], shown: str
) -> None:
    namespace.apply(pod("once", command, f"{image}:{VERSION}", restartPolicy="Never"))

    namespace("wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s", "pod/once")
    assert shown in namespace("logs", "once")


def test_a_pod_with_more_rights_is_refused(namespace: Cluster) -> None:
    assert not namespace.succeeds("run", "root", f"--image={SUITE}")


def test_a_volume_outlives_its_pod(namespace: Cluster) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "kept"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "16Mi"}},
        },
    }
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}
    writer = pod("writer", IDLE, volumes=[volume])
    namespace.apply(claim, writer)
    wait_ready(namespace, "writer")
    namespace("exec", "writer", "--", "sh", "-c", "echo kept >/data/file")

    namespace("delete", "pod", "writer")
    namespace.apply(writer)
    wait_ready(namespace, "writer")

    assert namespace("exec", "writer", "--", "cat", "/data/file") == "kept\n"


def reaches(namespace: Cluster, source: str, url: str) -> bool:
    fetch = f"import urllib.request as u; u.urlopen('{url}', timeout=2).read()"
    return namespace.succeeds("exec", source, "--", "python3", "-c", fetch)


@pytest.fixture
def three(namespace: Cluster) -> Cluster:
    """A server with a service, a friend and a stranger: without policies, both reach it."""
    pods = [pod("server", SERVE), pod("friend", IDLE), pod("stranger", IDLE)]
    namespace.apply(*pods, service("server"))
    wait_ready(namespace, "server", "friend", "stranger")
    wait_until(lambda: reaches(namespace, "friend", "http://server/"), "the service")
    assert reaches(namespace, "stranger", "http://server/")
    return namespace


def settle(check: Callable[[], bool]) -> None:
    wait_until(check, "the policy", 20)


def test_a_policy_admits_whom_it_names_and_nobody_else(three: Cluster) -> None:
    three.apply(policy("closed", podSelector={}, policyTypes=["Ingress"]))
    settle(lambda: not reaches(three, "stranger", "http://server/"))
    assert not reaches(three, "friend", "http://server/")

    friends = [{"podSelector": {"matchLabels": {"app": "friend"}}}]
    three.apply(
        policy(
            "friends",
            podSelector={"matchLabels": {"app": "server"}},
            ingress=[{"from": friends, "ports": [{"port": "http"}]}],
        )
    )

    settle(lambda: reaches(three, "friend", "http://server/"))
    assert not reaches(three, "stranger", "http://server/")


def test_a_policy_for_another_port_admits_nobody(three: Cluster) -> None:
    rule = {"ports": [{"port": PORT + 1}]}
    three.apply(policy("other-port", podSelector={}, ingress=[rule]))

    settle(lambda: not reaches(three, "friend", "http://server/"))


def test_a_pod_reaches_only_what_its_egress_names(three: Cluster) -> None:
    anywhere: dict[str, Any] = {"namespaceSelector": {}}
    names = {"to": [anywhere], "ports": [{"port": 53, "protocol": "UDP"}]}
    friend = {"matchLabels": {"app": "friend"}}
    three.apply(policy("names", podSelector=friend, policyTypes=["Egress"], egress=[names]))

    settle(lambda: not reaches(three, "friend", "http://server/"))
    lookup = "import socket; socket.gethostbyname('server')"
    assert three.succeeds("exec", "friend", "--", "python3", "-c", lookup)
    assert reaches(three, "stranger", "http://server/")

    server = {"to": [{"podSelector": {"matchLabels": {"app": "server"}}}]}
    three.apply(policy("server", podSelector=friend, policyTypes=["Egress"], egress=[server]))
    settle(lambda: reaches(three, "friend", "http://server/"))
