"""Installations of this repository's charts."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from tests.e2e.cluster import ROOT, Cluster

Values = dict[str, Any]
_TOOLS = Path(os.environ.get("AETERNA_TOOLS", Path.home() / ".cache" / "aeterna" / "tools"))


@cache
def _work() -> TemporaryDirectory[str]:
    """Goes with the process."""
    return TemporaryDirectory(prefix="aeterna-helm-")


@cache
def charts() -> Path:
    """A copy of charts/ whose umbrella has its neighbours packed in."""
    subprocess.run([ROOT / "scripts" / "tools", "helm"], check=True)
    folder = Path(_work().name) / "charts"
    shutil.copytree(ROOT / "charts", folder)
    update = ["dependency", "update", "--skip-refresh", str(folder / "aeterna-stack")]
    subprocess.run([_TOOLS / "helm", *update], check=True, capture_output=True)
    return folder


@dataclass(frozen=True)
class Release:
    """A chart with its values under one name in a namespace; later values win."""

    namespace: Cluster
    chart: str
    values: list[Path | Values] = field(default_factory=list)
    name: str = "aeterna"

    def install(self, *more: Path | Values, seconds: float = 300) -> str:
        """Installs or upgrades it and waits until all of it is ready; what helm says."""
        arguments = ["upgrade", "--install", self.name, str(charts() / self.chart), "--wait"]
        files = [self._file(each) for each in (*self.values, *more)]
        options = [f"--values={file}" for file in files]
        return self._helm(*arguments, f"--timeout={seconds:.0f}s", *options)

    def test(self) -> str:
        """`helm test`, with the logs of its pods."""
        return self._helm("test", self.name, "--logs", "--timeout=120s")

    def uninstall(self) -> None:
        self._helm("uninstall", self.name, "--wait", "--timeout=180s")

    def _file(self, values: Path | Values) -> Path:
        if isinstance(values, Path):
            return charts() / self.chart / values
        file = Path(_work().name) / f"{uuid4()}.json"
        file.write_text(json.dumps(values))
        return file

    def _helm(self, *arguments: str) -> str:
        done = _helm(self.namespace, *arguments)
        return done.stdout + done.stderr


def rendered(namespace: Cluster, chart: str, values: Path) -> list[str]:
    """The documents that the chart makes of the values, for this cluster."""
    arguments = ("template", "aeterna", str(charts() / chart), f"--values={values}")
    return _helm(namespace, *arguments, "--dry-run=server").stdout.split("\n---\n")


def _helm(namespace: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Raises CalledProcessError, with what helm says, when it fails."""
    command = [str(_TOOLS / "helm"), *arguments, *namespace.helm_options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        error = subprocess.CalledProcessError(done.returncode, command, done.stdout)
        error.add_note(done.stdout + done.stderr)
        raise error
    return done
