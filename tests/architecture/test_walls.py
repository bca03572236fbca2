"""The import walls of pyproject.toml stop what they are meant to stop.

Each case builds a small tree of two services, adds one import and runs the real contracts on it.
`make walls` runs the same contracts on the real tree.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ONE_WAY = "Inside a service, imports point one way"
INDEPENDENT = "Services do not know each other"
LIBRARIES = "Libraries are below services, services below the command line"
DOMAIN = "Domains do no I/O"
EDGES = "Contracts are known at the edges only"

SKELETON = ("api", "domain/__init__", "errors", "operations", "ports", "store/__init__", "wiring")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for service in ("memory", "sync"):
        for module in ("__init__", *SKELETON, "costs/__init__", "costs/domain"):
            write(tmp_path, f"services/{service}/{module}.py")
    for module in ("services/__init__", "libs/__init__", "libs/postgres", "cli/__init__"):
        write(tmp_path, f"{module}.py")
    for module in ("__init__", "memory/__init__", "memory/v1/__init__", "memory/v1/memory_pb2"):
        write(tmp_path, f"aeterna/{module}.py")
    return tmp_path


def write(tree: Path, name: str, code: str = "") -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)


def check(tree: Path, config: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on `tree`; the environment is empty so that no other tree is found."""
    linter = Path(sys.executable).with_name("lint-imports")
    command = [str(linter), "--no-cache", "--config", str(config / "pyproject.toml")]
    return subprocess.run(command, cwd=tree, env={}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("services/memory/api.py", "from aeterna.memory.v1 import memory_pb2"),
        ("services/memory/store/__init__.py", "import asyncpg, libs.postgres"),
        ("services/memory/wiring.py", "from services.memory import api, operations, store"),
        ("services/memory/operations.py", "from services.memory import domain, errors, ports"),
        ("cli/__init__.py", "import services.memory.wiring"),
    ],
)
def test_imports_that_point_inwards_pass(
    tree: Path, pytestconfig: pytest.Config, module: str, code: str
) -> None:
    write(tree, module, code)

    result = check(tree, pytestconfig.rootpath)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "code", "broken"),
    [
        ("services/memory/operations.py", "from services.memory import store", ONE_WAY),
        ("services/memory/store/__init__.py", "from services.memory import api", ONE_WAY),
        ("services/memory/domain/__init__.py", "from services.memory import ports", ONE_WAY),
        ("services/memory/wiring.py", "from services.sync import errors", INDEPENDENT),
        ("libs/__init__.py", "import services.memory", LIBRARIES),
        ("services/memory/wiring.py", "import cli", LIBRARIES),
        ("services/memory/domain/__init__.py", "import asyncpg", DOMAIN),
        ("services/memory/domain/__init__.py", "import libs.postgres", DOMAIN),
        ("services/memory/costs/domain.py", "import httpx", DOMAIN),
        ("services/memory/operations.py", "import aeterna.memory.v1.memory_pb2", EDGES),
    ],
)
def test_an_import_through_a_wall_is_refused(
    tree: Path, pytestconfig: pytest.Config, module: str, code: str, broken: str
) -> None:
    write(tree, "libs/postgres.py", "import asyncpg")
    write(tree, module, code)

    result = check(tree, pytestconfig.rootpath)

    assert result.returncode == 1
    assert f"{broken} BROKEN" in result.stdout


def test_a_service_has_every_file_of_the_skeleton(tree: Path, pytestconfig: pytest.Config) -> None:
    (tree / "services/sync/ports.py").unlink()

    result = check(tree, pytestconfig.rootpath)

    assert result.returncode == 1
    assert "services.sync.ports" in result.stdout + result.stderr
