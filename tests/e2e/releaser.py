"""`aeterna release`, with the rights that docs/release.md gives and no others."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster import ROOT, Cluster

_ACCOUNT = "releaser"


@dataclass(frozen=True)
class Releaser:
    """Runs the command for one namespace."""

    kubeconfig: Path

    @classmethod
    def of(cls, namespace: Cluster, kubeconfig: Path) -> "Releaser":
        """One whose rights are those of a new service account in the namespace."""
        release = (ROOT / "docs" / "release.md").read_text()
        role = re.search(r"```yaml\n(.*?)```", release, re.DOTALL)
        assert role
        namespace("apply", "--filename=-", stdin=role[1])
        namespace("create", "serviceaccount", _ACCOUNT)
        subject = namespace.get("serviceaccount", _ACCOUNT)["metadata"]["namespace"]
        namespace(
            "create", "rolebinding", _ACCOUNT,
            "--role=aeterna-release", f"--serviceaccount={subject}:{_ACCOUNT}",
        )  # fmt: skip
        view = ("config", "view", "--raw", "--minify", "--flatten", "--output=json")
        config = json.loads(namespace(*view))
        config["users"][0]["user"] = {"token": namespace("create", "token", _ACCOUNT).strip()}
        config["contexts"][0]["context"]["namespace"] = subject
        kubeconfig.write_text(json.dumps(config))
        return cls(kubeconfig)

    @contextmanager
    def releasing(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The command in a process of its own."""
        command = [sys.executable, "-m", "cli.main", "release", *arguments]
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def release(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code and what was said."""
        with self.releasing(*arguments) as process:
            out, error = process.communicate(timeout=300)
            return process.returncode, out, error
