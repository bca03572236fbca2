import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, for the socket's sake, and reachable by PostgreSQL's own account."""
    with tempfile.TemporaryDirectory(prefix="ints") as name:
        Path(name).chmod(0o711)
        yield Path(name) / "data"
