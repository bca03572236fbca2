"""A server of S3 in a pod, built from its sources here; it keeps one bucket in memory."""

import base64
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.cluster import ROOT, Cluster
from tests.e2e.helm import Values
from tests.e2e.pods import pod

_RUN = "until [ -x /data/server ]; do sleep 0.2; done; exec /data/server"
_RECEIVE = "base64 -d > /data/new && chmod +x /data/new && mv /data/new /data/server"
_SECRET = "repository"
_KEYS = "[global]\nrepo1-s3-key=any\nrepo1-s3-key-secret=any\nrepo1-cipher-pass=a pass phrase\n"
BACKUP: Values = {
    "repository": "s3",
    "s3": {"bucket": "backups", "endpoint": "s3:8080", "uriStyle": "path", "verifyTls": False},
    "encrypted": True,
    "existingSecret": _SECRET,
}


def start(namespace: Cluster) -> None:
    """The pod `s3`, its Service, and the Secret that pgBackRest needs for it; needs Go."""
    namespace("create", "secret", "generic", _SECRET, f"--from-literal=pgbackrest.conf={_KEYS}")
    namespace.apply(pod("s3", ["sh", "-c", _RUN]))
    namespace("expose", "pod", "s3", "--port=8080")
    namespace("wait", "--for=condition=Ready", "--timeout=60s", "pod/s3")
    program = base64.b64encode(_build()).decode()
    namespace("exec", "--stdin", "s3", "--", "sh", "-c", _RECEIVE, stdin=program)


def _build() -> bytes:
    """The program."""
    sources, environment = ROOT / "tests" / "e2e" / "s3server", {**os.environ, "CGO_ENABLED": "0"}
    with TemporaryDirectory() as folder:
        program = Path(folder) / "server"
        build = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(program), "."]
        subprocess.run(build, cwd=sources, env=environment, check=True)
        return program.read_bytes()
