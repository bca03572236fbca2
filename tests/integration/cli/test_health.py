"""What `aeterna health` says, and the code that it ends with."""

import json

from tests.integration.cli.conftest import Folder

_ALL = ["memory", "knowledge", "governance", "sync"]


def addresses(folder: Folder) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder.path / "endpoints.json").read_text())
    return found


def test_all_services_serve(served: Folder) -> None:
    asked = served.run("health")
    as_json = served.json("health")

    assert asked.code == 0
    assert [line.split()[0] for line in asked.out.splitlines()] == _ALL
    assert {(each["service"], each["status"]) for each in as_json} == {
        (name, "SERVING") for name in _ALL
    }


def test_services_are_asked_by_name_or_by_address(served: Folder) -> None:
    sync = addresses(served)["sync"]

    asked = served.json("health", "memory", sync)

    assert [each["address"] for each in asked] == [addresses(served)["memory"], sync]


def test_one_that_does_not_answer_ends_with_6_and_the_others_are_shown(served: Folder) -> None:
    asked = served.run("health", "memory", "127.0.0.1:1")

    assert asked.code == 6
    assert [line.split()[-1] for line in asked.out.splitlines()] == ["SERVING", "UNREACHABLE"]


def test_an_unknown_name_is_refused(served: Folder) -> None:
    asked = served.run("health", "nonsense")

    assert asked.code == 2
    assert "must be one of memory" in asked.err
