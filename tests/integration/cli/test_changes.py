import json
import random
import signal
import socket
from contextlib import ExitStack
from subprocess import Popen
from typing import Any

import pytest

from tests.integration.cli.conftest import DEADLINE, Folder


def next_change(tail: Popen[str]) -> dict[str, Any]:
    assert tail.stdout
    change: dict[str, Any] = json.loads(tail.stdout.readline())
    return change


def test_changes_come_as_they_are_made(served: Folder) -> None:
    with served.process("changes", "--since", "0", "--output", "json") as tail:
        first = next_change(tail)
        name = served.json("memory", "add", "a fact", "--layer", "company")["name"]
        seen = first
        while seen["resource"] != name:
            following = next_change(tail)
            assert int(following["number"]) == int(seen["number"]) + 1
            seen = following

    assert (first["number"], first["resource"]) == ("1", "tenants/acme")
    assert seen["operation"] == "OPERATION_CREATED"


def test_only_some_collections_are_shown(served: Folder) -> None:
    served.run("memory", "add", "a fact", "--layer", "company")
    with served.process(
        "changes", "--since", "0", "--collection", "memories", "--output", "json"
    ) as tail:
        assert next_change(tail)["resource"].startswith("memories/")


def test_ctrl_c_ends_it_with_130(served: Folder) -> None:
    with served.process("changes", "--since", "0") as tail:
        assert tail.stdout
        assert "tenants/acme" in tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        _, error = tail.communicate(timeout=DEADLINE)

    assert tail.returncode == 130
    assert "Traceback" not in error


def test_it_goes_on_without_a_gap_when_the_server_was_killed(folder: Folder) -> None:
    port = str(four_free_ports())
    with folder.serving("--port", port) as server:
        tail = folder.process("changes", "--since", "0", "--output", "json")
        with ExitStack() as stack:
            following = stack.enter_context(tail)
            assert next_change(following)["number"] == "1"
            server.kill()
            server.wait(DEADLINE)
            stack.enter_context(folder.serving("--port", port))
            folder.run("memory", "add", "after the restart", "--layer", "company")

            assert next_change(following)["number"] == "2"


def four_free_ports() -> int:
    """The first of four in a row that nobody listens on at the moment."""
    for first in random.sample(range(20_000, 30_000, 4), 100):
        with ExitStack() as stack:
            try:
                for port in range(first, first + 4):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    pytest.fail("no four free ports in a row")
