"""A server on 127.0.0.1 that answers the few calls of the Kubernetes API that releases make.

It holds Services, Deployments and Pods of one namespace: lists by label equality, merge and
strategic merge patches with the precondition of `resourceVersion`. Its controller gives a
Deployment its pods at once, ready unless it is told otherwise.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Manifest = dict[str, Any]
_LABELS = {"app.kubernetes.io/part-of": "aeterna"}
_COMPONENT, _COLOR = "app.kubernetes.io/component", "aeterna.io/color"
_NAMESPACE = "test"


@dataclass
class KubernetesServer:
    """The objects by kind and name, and every patch of them, in order."""

    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    patches: list[tuple[str, Manifest]] = field(default_factory=list)
    broken_images: set[str] = field(default_factory=set)  # whose pods never get ready
    outages: int = 0  # how many of the next calls are answered with 503
    overtake: str = ""  # a Service that somebody else changes just before the next patch of it
    _version: int = 0
    _lock: RLock = field(default_factory=RLock)

    def add_service(self, name: str, replicas: int = 2, image: str = "aeterna:1") -> None:
        """As the chart makes it: blue is live, green rests."""
        for suffix, color in (("", "blue"), ("-preview", "green")):
            for headless in ("", "-headless"):
                self._put("services", name + suffix + headless, name, {"selector": {_COLOR: color}})
        for color, wanted in (("blue", replicas), ("green", 0)):
            pod = {
                "initContainers": [{"name": "migrated", "image": image}],
                "containers": [
                    {"name": "sidecar", "image": "proxy:1"},
                    {
                        "name": name,
                        "image": image,
                        "ports": [
                            {"name": "grpc", "containerPort": 50051},
                            {"name": "metrics", "containerPort": 9090},
                        ],
                    },
                ],
            }
            spec = {"replicas": wanted, "template": {"spec": pod}}
            self._put("deployments", f"{name}-{color}", name, spec, color)

    def color_of(self, service: str) -> str:
        """What a Service selects."""
        return str(self.objects["services", service]["spec"]["selector"][_COLOR])

    def replicas(self, deployment: str) -> int:
        return int(self.objects["deployments", deployment]["spec"]["replicas"])

    def images(self, deployment: str) -> set[str]:
        """Of all containers."""
        pod = self.objects["deployments", deployment]["spec"]["template"]["spec"]
        return {each["image"] for each in pod["containers"] + pod["initContainers"]}

    def move_traffic(self, service: str, color: str) -> None:
        """As somebody else."""
        with self._lock:
            found = self.objects["services", service]
            found["spec"]["selector"][_COLOR] = color
            self._touch(found)

    def labelled(self, kind: str, labels: Iterable[str]) -> list[Manifest]:
        wanted = dict(each.split("=", 1) for each in labels)
        with self._lock:
            found = self._pods() if kind == "pods" else self._of_kind(kind)
            return [each for each in found if wanted.items() <= each["metadata"]["labels"].items()]

    def patch(self, kind: str, name: str, patch: Manifest) -> Manifest | None:
        """None when the object has another version."""
        with self._lock:
            found = self.objects[kind, name]
            if name == self.overtake:
                self.overtake = ""
                self._touch(found)
            expected = patch["metadata"].pop("resourceVersion")
            if expected != found["metadata"]["resourceVersion"]:
                return None
            self.patches.append((f"{kind}/{name}", patch))
            _merge(found, patch)
            self._touch(found)
            return found

    def _put(self, kind: str, name: str, service: str, spec: Manifest, color: str = "") -> None:
        labels = {**_LABELS, _COMPONENT: service} | ({_COLOR: color} if color else {})
        metadata = {"name": name, "labels": labels, "generation": 0}
        self.objects[kind, name] = {"metadata": metadata, "spec": spec}
        self._touch(self.objects[kind, name])

    def _touch(self, found: Manifest) -> None:
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)
        found["metadata"]["generation"] += 1

    def _of_kind(self, kind: str) -> list[Manifest]:
        return [self._with_status(each) for (own, _), each in self.objects.items() if own == kind]

    def _with_status(self, found: Manifest) -> Manifest:
        if "replicas" not in found["spec"]:
            return found
        wanted = found["spec"]["replicas"]
        ready = 0 if self._is_broken(found) else wanted
        status = {
            "observedGeneration": found["metadata"]["generation"],
            "updatedReplicas": wanted,
            "availableReplicas": ready,
        }
        return {**found, "status": status}

    def _is_broken(self, deployment: Manifest) -> bool:
        containers = deployment["spec"]["template"]["spec"]["containers"]
        return bool({each["image"] for each in containers} & self.broken_images)

    def _pods(self) -> list[Manifest]:
        return [
            {
                "metadata": {**each["metadata"], "name": f"{each['metadata']['name']}-{number}"},
                "spec": each["spec"]["template"]["spec"],
                "status": {
                    "conditions": [{"type": "Ready", "status": str(not self._is_broken(each))}],
                    "containerStatuses": [{"restartCount": 0}],
                },
            }
            for each in self._of_kind("deployments")
            for number in range(each["spec"]["replicas"])
        ]


def _merge(found: Manifest, patch: Manifest) -> None:
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict):
            _merge(found.setdefault(key, {}), value)
        elif isinstance(value, list):  # containers, by their names
            own = {each["name"]: each for each in found[key]}
            for each in value:
                own[each["name"]].update(each)
        else:
            found[key] = value


class _Handler(BaseHTTPRequestHandler):
    server: "_Listener"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/version"):
            return self._answer({"major": "1", "minor": "34", "gitVersion": "v1.34.4"})
        kind = parts.path.rpartition("/")[2]
        labels = parse_qs(parts.query).get("labelSelector", [""])[0].split(",")
        return self._answer({"items": self.server.cluster.labelled(kind, labels)})

    def do_PATCH(self) -> None:
        kind, name = urlsplit(self.path).path.split("/")[-2:]
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        patched = self.server.cluster.patch(kind, name, patch)
        if patched is None:
            self._answer({"message": "the object has been modified"}, HTTPStatus.CONFLICT)
        else:
            self._answer(patched)

    def _answer(self, body: Manifest, status: HTTPStatus = HTTPStatus.OK) -> None:
        cluster = self.server.cluster
        if cluster.outages:
            cluster.outages -= 1
            status = HTTPStatus.SERVICE_UNAVAILABLE
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""


class _Listener(ThreadingHTTPServer):
    def __init__(self, cluster: KubernetesServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cluster = cluster


class Running:
    """The server as a context manager that gives the path of a kubeconfig."""

    def __init__(self, cluster: KubernetesServer, folder: Path) -> None:
        self._listener = _Listener(cluster)
        self._path = folder / "kubeconfig"

    def __enter__(self) -> Path:
        Thread(target=self._listener.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{self._listener.server_port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": url}}],
            "users": [{"name": "test", "user": {"token": "token"}}],
            "contexts": [
                {
                    "name": "test",
                    "context": {"cluster": "test", "user": "test", "namespace": _NAMESPACE},
                }
            ],
        }
        self._path.write_text(json.dumps(config))
        return self._path

    def __exit__(self, *_: Any) -> None:
        self._listener.shutdown()
        self._listener.server_close()
