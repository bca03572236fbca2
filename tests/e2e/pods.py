"""Pods of the tests' own."""

import tomllib
from typing import Any

from tests.e2e.cluster import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SUITE = f"aeterna:{VERSION}"
SUITE_TWIN = f"docker.io/library/{SUITE}"  # the same image by another name


def pod(name: str, command: list[str], image: str = SUITE, **spec: Any) -> dict[str, Any]:
    """A pod that may run where Pod Security is restricted; it can write to /data alone.

    `spec` replaces parts of its spec; the container's port 8080 is called http.
    """
    rights = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "ports": [{"name": "http", "containerPort": 8080}],
        "securityContext": {**rights, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    user = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
    defaults = {
        "containers": [container],
        "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**defaults, **spec}}


def is_leaving(pod: dict[str, Any]) -> bool:
    """Whether it has been told to end."""
    return "deletionTimestamp" in pod["metadata"]


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether it is ready, and there to stay."""
    conditions = pod["status"].get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not is_leaving(pod)
