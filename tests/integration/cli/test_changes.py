import json
import signal
from contextlib import ExitStack
from subprocess import Popen
from typing import Any

from tests.integration.cli.conftest import DEADLINE, Folder
from tests.servers import free_ports


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
    port = str(free_ports(4)[0])
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
