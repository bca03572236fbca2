"""The console page is made of what the repository says, and asks nobody else for anything.

Reads files; the compiler itself is asked by `make console-check`.
"""

import re
import subprocess
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

CONSOLE = "services/sync/console"
SOURCES = "clients/typescript"


@pytest.fixture
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


def test_the_compiled_client_is_current(root: Path) -> None:
    """Else: `make console`."""
    lines = (root / CONSOLE / "client" / "checksums.txt").read_text().splitlines()
    remembered = {name: checksum for checksum, name in (line.split("  ") for line in lines)}
    sources = [*(root / SOURCES / "src").glob("*.ts"), *(root / CONSOLE / "client").glob("*.js")]
    settings = [root / SOURCES / name for name in ("tsconfig.json", "package-lock.json")]

    found = {
        path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in [*sources, *settings]
    }

    assert len(found) > len(settings)
    assert found == remembered


def test_the_page_is_shipped(root: Path) -> None:
    """Hatch leaves out of the wheel what git ignores."""
    files = [str(path) for path in (root / CONSOLE).rglob("*") if path.is_file()]
    git = ["git", "-c", f"safe.directory={root}", "-C", str(root), "check-ignore", *files]
    ignored = subprocess.run(git, check=False, capture_output=True, text=True)

    assert files
    assert (ignored.returncode, ignored.stdout) == (1, "")


def test_the_page_needs_no_exception_from_its_policy(root: Path) -> None:
    """No script, style or handler in the page itself, and no address of anybody else's."""
    seen = _Elements()
    seen.feed((root / CONSOLE / "index.html").read_text())

    assert len(seen.found) > 50
    for tag, attributes in seen.found:
        assert "style" not in attributes
        assert [name for name in attributes if name.startswith("on")] == []
        assert tag != "style"
        assert tag != "script" or "src" in attributes
        for name in ("src", "href", "action"):
            assert not re.match(r"\w+:|//", attributes.get(name) or ""), attributes


def test_the_page_asks_nobody_else(root: Path) -> None:
    files = [path for path in (root / CONSOLE).rglob("*") if path.suffix in (".css", ".js", ".svg")]
    texts = {path.name: path.read_text() for path in files}
    namespace = "http://www.w3.org/2000/svg"

    assert len(texts) > 10
    for name, text in texts.items():
        assert re.findall(r"https?://[\w.]+", text.replace(namespace, "")) == [], name
        assert re.findall(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|eval)\b", text) == [], name


def test_the_client_has_no_dependencies(root: Path) -> None:
    text = (root / SOURCES / "package.json").read_text()
    imports = [
        found
        for path in (root / SOURCES / "src").glob("*.ts")
        for found in re.findall(r"from '([^']+)'", path.read_text())
    ]

    assert '"dependencies"' not in text
    assert imports
    assert [name for name in imports if not name.startswith("./")] == []


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
