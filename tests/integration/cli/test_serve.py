import json
import signal
import socket
import urllib.request
from subprocess import Popen

import pytest

from tests.integration.cli.conftest import DEADLINE, SERVE, Folder


def end(server: Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    server.send_signal(number)
    return server.wait(DEADLINE)


def first_line(server: Popen[str]) -> str:
    assert server.stdout
    return server.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_asked_to_stop_ends_with_0(folder: Folder, number: signal.Signals) -> None:
    with folder.serving() as server:
        assert (folder.path / "endpoints.json").exists()

        assert end(server, number) == 0

    assert not (folder.path / "endpoints.json").exists()


def test_a_second_server_on_a_folder_says_so_and_ends_with_7(served: Folder) -> None:
    with served.process(*SERVE) as second:
        _, error = second.communicate(timeout=DEADLINE)

    assert second.returncode == 7
    assert error.startswith("error: DATA_FOLDER_IN_USE: ")
    assert str(served.path) in error
    assert served.run("tenant", "list").code == 0


def test_a_port_that_is_taken_is_named(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with folder.process(*SERVE, "--port", port) as server:
            _, error = server.communicate(timeout=DEADLINE)

    assert server.returncode == 5
    assert f"ADDRESS_IN_USE: Cannot listen on 127.0.0.1:{port}" in error


def test_metrics_are_served(folder: Folder) -> None:
    with folder.process(*SERVE, "--port", "0", "--log-level", "error") as server:
        address = first_line(server).rpartition("metrics ")[2].strip()

        with urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE) as answer:
            assert b"aeterna_requests" in answer.read()


def test_what_was_acknowledged_survives_kill_9(folder: Folder) -> None:
    with folder.serving() as server:
        names = [folder.json("memory", "add", f"fact {n}", "--user", "ann")["name"] for n in "12"]
        end(server, signal.SIGKILL)
    assert folder.run("memory", "list").code == 6

    with folder.serving() as server:
        found = folder.json("memory", "search", "fact 1", "--limit", "1")
        listed = folder.json("memory", "list")
        verdict = folder.json("audit", "verify")
        assert end(server) == 0

    assert [each["memory"]["name"] for each in found] == names[:1]
    assert [each["name"] for each in listed] == names[::-1]
    assert verdict["intact"] is True
    assert verdict["checked"] == "3"  # the tenant and two memories


@pytest.mark.parametrize(
    "moment",
    [
        {"event": "migration.applied", "component": "libs.tenancy"},
        {"event": "migration.applied", "component": "services.knowledge"},
        {"event": "service.started", "service": "knowledge"},
    ],
    ids=lambda moment: ".".join(moment.values()),
)
def test_a_first_start_that_is_killed_is_finished_by_the_next(
    fresh_folder: Folder, moment: dict[str, str]
) -> None:
    with fresh_folder.process(*SERVE, "--port", "0") as server:
        assert server.stderr
        records = (json.loads(line) for line in server.stderr)
        next(each for each in records if moment.items() <= each.items())
        end(server, signal.SIGKILL)

    with fresh_folder.serving():
        assert fresh_folder.run("tenant", "create", "acme").code == 0
        assert fresh_folder.run("memory", "add", "still works", "--layer", "company").code == 0


def test_a_server_that_is_stopped_while_it_starts_ends_with_0(fresh_folder: Folder) -> None:
    with fresh_folder.process(*SERVE, "--port", "0") as server:
        assert server.stderr
        next(line for line in server.stderr if "migration.applied" in line)

        assert end(server) == 0


def test_migrate_brings_a_folder_up_to_date_once(fresh_folder: Folder) -> None:
    first, second = fresh_folder.run("migrate"), fresh_folder.run("migrate")

    assert first.code == second.code == 0
    assert not first.out.startswith("0 ")
    assert second.out == "0 migrations ran; the database is up to date.\n"


def stores_of(folder: Folder, service: str) -> dict[str, str]:
    """Settings of a service on the stores of a running folder."""
    settings = {
        "PLATFORM__CONTROL__DSN": folder.dsn(),
        "PLATFORM__AUTH__LOCAL_ISSUER": str(folder.path),
        "PLATFORM__KMS__KEYRING": str(folder.path / "keyring.json"),
        "SERVER__METRICS_PORT": "0",
    }
    return {f"{service}_{name}": value for name, value in settings.items()}


def test_a_service_runs_by_itself_on_the_stores_of_its_settings(served: Folder) -> None:
    settings = stores_of(served, "SYNC")
    settings |= {"SYNC_SERVER__ADDRESS": "127.0.0.1:0", "SYNC_WEB__ADDRESS": "127.0.0.1:0"}
    with served.process("serve", "sync", **settings) as server:
        assert server.stderr
        records = (json.loads(line) for line in server.stderr)
        address = next(each["address"] for each in records if each["event"] == "service.started")
        others = json.loads((served.path / "endpoints.json").read_text()) | {"sync": address}
        named = ",".join(f"{name}={each}" for name, each in others.items())

        with served.process("changes", "--since", "0", "--server", named) as tail:
            assert "tenants/acme" in first_line(tail)
        assert end(server) == 0


def test_all_services_run_on_the_stores_of_their_settings(served: Folder) -> None:
    settings = stores_of(served, "MEMORY") | {"SYNC_WEB__ADDRESS": "127.0.0.1:0"}
    for service in ("MEMORY", "KNOWLEDGE", "GOVERNANCE", "SYNC"):
        settings[f"{service}_SERVER__ADDRESS"] = "127.0.0.1:0"
    name = served.json("memory", "add", "on the first replica", "--layer", "company")["name"]

    with served.process(*SERVE, **settings) as server:
        listed = first_line(server).partition("memory ")[2].split(", ")[:4]
        named = ",".join(each.replace(" ", "=") for each in ["memory " + listed[0], *listed[1:]])

        found = served.json("memory", "get", name, "--server", named)
        assert end(server) == 0

    assert found["content"] == "on the first replica"


def test_migrate_works_on_a_database_that_is_named(served: Folder) -> None:
    result = served.run("migrate", "--dsn", served.dsn())

    assert result.out == "0 migrations ran; the database is up to date.\n"


def test_missing_settings_are_named(fresh_folder: Folder) -> None:
    alone = fresh_folder.run("serve", "memory")
    together = fresh_folder.run("serve", "all", MEMORY_PLATFORM__CONTROL__DSN="postgresql:///x")

    assert (alone.code, together.code) == (2, 2)
    assert "MEMORY_PLATFORM: Field required" in alone.err
    assert "MEMORY_PLATFORM__KMS: Field required" in together.err


def test_without_a_server_commands_say_how_to_start_one(fresh_folder: Folder) -> None:
    result = fresh_folder.run("memory", "list")

    assert result.code == 6
    assert "aeterna serve all" in result.err
