"""The job's script against a server that answers as Qdrant's REST interface does."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

_SCRIPT = Path(__file__).parents[3] / "charts/qdrant-ha/files/snapshots.py"


class Node(ThreadingHTTPServer):
    """One node: its collections and their snapshots, oldest first."""

    def __init__(self, collections: dict[str, list[str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.collections = collections
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Node

    def _answer(self, result: Any) -> None:
        self.send_response(200 if result is not None else 500)
        self.end_headers()
        self.wfile.write(json.dumps({"result": result}).encode())

    def _snapshots(self) -> list[str]:
        return self.server.collections[unquote(urlsplit(self.path).path.split("/")[2])]

    def do_GET(self) -> None:
        assert self.headers["api-key"] == "secret"
        if self.path == "/collections":
            self._answer({"collections": [{"name": name} for name in self.server.collections]})
        else:
            self._answer([{"name": n, "creation_time": n} for n in self._snapshots()])

    def do_POST(self) -> None:
        if "broken" in self.path:
            return self._answer(None)
        made = f"2026-{len(self._snapshots()):02}"
        self._snapshots().append(made)
        self._answer({"name": made, "size": 1})

    def do_DELETE(self) -> None:
        self._snapshots().remove(unquote(urlsplit(self.path).path.split("/")[-1]))
        self._answer(True)

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output stays readable."""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("API_KEY", "secret")
    spec = importlib.util.spec_from_file_location("snapshots", _SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    made = [Node({"memories 1": ["2026-00", "2026-01"]}), Node({"memories 1": [], "notes": []})]
    yield made
    for node in made:
        node.shutdown()
        node.server_close()


def test_every_collection_of_every_node_is_saved_and_the_oldest_go(
    script: Any, nodes: list[Node]
) -> None:
    assert script.main([node.url for node in nodes], keep=2) == 0
    assert nodes[0].collections == {"memories 1": ["2026-01", "2026-02"]}
    assert nodes[1].collections == {"memories 1": ["2026-00"], "notes": ["2026-00"]}


def test_what_fails_is_counted_and_the_rest_is_saved(script: Any, nodes: list[Node]) -> None:
    nodes[0].collections = {"broken": [], "notes": []}
    urls = ["http://127.0.0.1:1", *(node.url for node in nodes)]
    assert script.main(urls, keep=2) == 2
    assert nodes[0].collections["notes"] == ["2026-00"]
    assert nodes[1].collections["notes"] == ["2026-00"]
