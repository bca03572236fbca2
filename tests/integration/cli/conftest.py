import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app

SERVE = ("serve", "all", "--metrics-port", "0", "--web-port", "0")
DEADLINE = 120  # seconds


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class Folder:
    """A data folder and the commands that work on it."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AETERNA_DATA": str(self.path),
            "AETERNA_TENANT": "acme",
            "AETERNA_AS": "ann",
            "COLUMNS": "200",  # whoever runs the tests may have set fewer
        }

    def dsn(self, database: str = "aeterna") -> str:
        """Of its running PostgreSQL, which lets any role in."""
        return f"postgresql:///{database}?host={self.path}/postgres/socket&port=5432"

    def run(self, *arguments: str, text: str = "", **environment: str) -> Result:
        """A command in this process."""
        settings: dict[str, str] = self.environment | environment
        result = CliRunner().invoke(app, arguments, input=text, env=settings)
        return Result(result.exit_code, result.stdout, result.stderr)

    def json(self, *arguments: str, **environment: str) -> Any:
        """What a command prints for programs; it has to succeed."""
        return self.run(*arguments, "--output", "json", **environment).json

    @contextmanager
    def process(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """A command in a process of its own, which is stopped at the end if it still runs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments],
            env={
                **os.environ,
                **self.environment,
                **environment,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.terminate()

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A server that is ready."""
        options: Sequence[str] = arguments or ("--port", "0")
        with self.process(*SERVE, "--log-level", "error", *options) as server:
            assert server.stdout
            assert server.stdout.readline().startswith("aeterna is ready: memory 127.0.0.1:")
            yield server


@contextmanager
def data_folder(like: Folder | None = None) -> Iterator[Folder]:
    """A folder for its first server to make, or a copy of one that is not in use.

    Open to the account of PostgreSQL, which `tmp_path` is not.
    """
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        folder = Folder(Path(name) / "data")
        if like:
            subprocess.run(["cp", "-a", like.path, folder.path], check=True)
        yield folder


@pytest.fixture
def fresh_folder() -> Iterator[Folder]:
    """One that does not exist yet."""
    with data_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def template() -> Iterator[Folder]:
    """One that a server has made; it has the tenants acme and harborline."""
    with data_folder() as folder:
        with folder.serving() as server:
            for label in ("acme", "harborline"):
                assert folder.run("tenant", "create", label).code == 0
            server.terminate()
            assert server.wait(DEADLINE) == 0
        yield folder


@pytest.fixture
def folder(template: Folder) -> Iterator[Folder]:
    """One with the tenant acme, for this test alone."""
    with data_folder(template) as folder:
        yield folder


@pytest.fixture(scope="module")
def served(template: Folder) -> Iterator[Folder]:
    """One with a running server and the tenant acme."""
    with data_folder(template) as folder, folder.serving():
        yield folder
