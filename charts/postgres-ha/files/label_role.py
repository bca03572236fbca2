"""Patroni's callback with etcd: keeps the label by which the Services find primary and replicas.

Patroni calls it with an action, a role and the cluster's name, and ends the previous call when a
newer one begins; so trying until it works is safe. A new primary also takes the label from whoever
had it: a member that died or froze cannot do that by itself.
"""

import json
import os
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LABEL = "aeterna.io/role"
_RETRY = 1  # seconds


def _call(method: str, path: str, body: object = None) -> Any:
    namespace, token = ((_ACCOUNT / name).read_text() for name in ("namespace", "token"))
    request = urllib.request.Request(
        f"https://kubernetes.default.svc/api/v1/namespaces/{namespace}/pods{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/merge-patch+json",
        },
    )
    trusted = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=5, context=trusted) as response:
        return json.load(response)


def _label(pod: str, role: str) -> None:
    _call("PATCH", f"/{pod}", {"metadata": {"labels": {_LABEL: role}}})


def _others(cluster: str, own: str) -> list[str]:
    found = _call("GET", f"?labelSelector=aeterna.io/cluster%3D{cluster},{_LABEL}%3Dprimary")
    return [pod["metadata"]["name"] for pod in found["items"] if pod["metadata"]["name"] != own]


def _apply(role: str, cluster: str) -> None:
    own = os.environ["POD_NAME"]
    for pod in _others(cluster, own) if role == "primary" else []:
        _label(pod, "replica")
    _label(own, role)


def main(role: str, cluster: str) -> None:
    while True:
        try:
            return _apply(role, cluster)
        except OSError as error:
            print(f"label_role: {error}; again in {_RETRY} s", file=sys.stderr)
            time.sleep(_RETRY)


if __name__ == "__main__":
    main("primary" if sys.argv[2] in ("primary", "master", "promoted") else "replica", sys.argv[3])
