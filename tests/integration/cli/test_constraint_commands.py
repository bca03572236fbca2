"""`aeterna constraint` and `aeterna approval` against a real server."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.cli.conftest import Folder

RULES = """
key = "{key}"
{mode}
[[rule]]
id = "no-requests"
operator = "must_not_use"
target = "import"
pattern = "requests"
severity = "{severity}"
message = "Use httpx."
"""


@pytest.fixture
def team() -> tuple[str, str]:
    """A team of the test's own."""
    return "--team", uuid4().hex


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Files of a project, one of which nobody would judge."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("import os\nimport requests\n")
    (tmp_path / "picture").write_bytes(b"\x00\xff")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "bad.py").write_text("import requests\n")
    return tmp_path


def write(folder: Path, *, key: str = "http", mode: str = "", severity: str = "block") -> str:
    path = folder / "rules.toml"
    path.write_text(RULES.format(key=key, mode=mode, severity=severity))
    return str(path)


def create(served: Folder, folder: Path, team: tuple[str, str], **values: str) -> str:
    options = ("--layer", "team", *team, "--title", "HTTP")
    name: str = served.json("constraint", "create", write(folder, **values), *options)["name"]
    return name


def test_a_check_ends_with_one_when_a_violation_blocks(
    served: Folder, project: Path, tmp_path_factory: pytest.TempPathFactory, team: tuple[str, str]
) -> None:
    rules = tmp_path_factory.mktemp("rules")
    name = create(served, rules, team)
    check = ("constraint", "check", str(project), "--root", str(project), *team)

    refused = served.run(*check)
    as_json = served.run(*check, "--output", "json")
    warned = served.run("constraint", "update", name, write(rules, severity="warn"))
    passed = served.json(*check)

    assert refused.code == 1
    assert "src/app.py:2" in refused.out
    assert "requests is not allowed: Use httpx." in refused.out
    assert as_json.code == 1
    assert '"path": "src/app.py"' in as_json.out
    assert "node_modules" not in as_json.out
    assert warned.code == 0
    assert passed["valid"] is True
    assert len(passed["violations"]) == 1


def test_policies_are_listed_shown_resolved_and_deleted(
    served: Folder, tmp_path: Path, team: tuple[str, str]
) -> None:
    name = create(served, tmp_path, team)

    listed = served.run("constraint", "list", "--filter", f'team_id = "{team[1]}"')
    shown = served.json("constraint", "show", name.partition("/")[2])
    resolved = served.run("constraint", "resolve", *team)
    conflicts = served.json("constraint", "conflicts", *team)

    assert name in listed.out
    assert shown["rules"][0]["pattern"] == "requests"
    assert "http/no-requests (team)" in resolved.out
    assert conflicts == []
    assert served.run("constraint", "delete", name).out == f"{name} is deleted.\n"
    assert served.run("constraint", "show", name).code == 3


def test_a_file_that_is_none_is_refused_with_the_field(
    served: Folder, tmp_path: Path, team: tuple[str, str]
) -> None:
    (tmp_path / "bad.toml").write_text("key = ")
    options = (*team, "--layer", "team")

    unread = served.run("constraint", "create", str(tmp_path / "bad.toml"), *options)
    wrong = served.run("constraint", "create", write(tmp_path, key="A"), *options)
    outside = served.run("constraint", "check", "/", "--root", str(tmp_path))

    assert (unread.code, wrong.code, outside.code) == (2, 2, 2)
    assert unread.err.startswith("error: INVALID_REQUEST: rules: ")
    assert wrong.err.startswith("error: INVALID_REQUEST: constraint_policy.key: ")


def test_drift_is_reported_and_suppressed(
    served: Folder, project: Path, tmp_path_factory: pytest.TempPathFactory, team: tuple[str, str]
) -> None:
    name = create(served, tmp_path_factory.mktemp("rules"), team)
    drift = ("constraint", "drift", str(project), "--root", str(project), *team)

    first = served.json(*drift, "--adopted", f"{name}=1")
    suppressed = served.json("constraint", "suppressions", "create", "30d", "Old", "--policy", name)
    second = served.json(*drift)

    assert (first["score"], len(first["newFindings"])) == (1, 1)
    assert second.get("score", 0) == 0
    assert (second["suppressed"], second["previous"]) == (1, first["name"])
    assert len(second["resolvedFindings"]) == 1
    listed = served.run("constraint", "suppressions", "list")
    assert suppressed["name"] in listed.out
    assert served.run("constraint", "suppressions", "delete", suppressed["name"]).code == 0
    reports = served.run("constraint", "reports", "--filter", f'team_id = "{team[1]}"')
    assert second["name"] in reports.out


def test_a_request_is_approved_rejected_and_withdrawn(
    served: Folder, team: tuple[str, str]
) -> None:
    served.json("approval", "config", "set", "--mode", "single", *team)

    def ask() -> str:
        options = ("--kind", "config", "--description", "-", *team)
        asked = served.run(
            "approval",
            "request",
            "Please",
            f"t/{uuid4()}",
            *options,
            "--output",
            "json",
            text="Why",
        ).json
        assert asked["description"] == "Why"
        assert asked["number"].startswith("REQ-")
        name: str = asked["name"]
        return name

    name = ask()
    own = served.run("approval", "approve", name)
    approved = served.json("approval", "approve", name, "--comment", "Good.", "--as", "bob")
    rejected = served.json("approval", "reject", ask(), "No.", "--as", "bob")
    withdrawn = served.json("approval", "withdraw", ask())
    applied = served.json("approval", "apply", name)
    listed = served.run("approval", "list", "--filter", f'team_id = "{team[1]}"')

    assert own.code == 4
    assert own.err.startswith("error: SELF_APPROVAL: ")
    assert approved["state"] == "APPROVAL_STATE_APPROVED"
    assert rejected["state"] == "APPROVAL_STATE_REJECTED"
    assert withdrawn["state"] == "APPROVAL_STATE_WITHDRAWN"
    assert applied["state"] == "APPROVAL_STATE_APPLIED"
    assert name in listed.out
    assert served.json("approval", "show", name) == applied


def test_a_right_is_passed_on_and_taken_back(served: Folder, team: tuple[str, str]) -> None:
    delegation = served.json("approval", "delegate", "eve", "14d", *team, "--kind", "config")

    assert delegation["holder"] == "ann"
    assert delegation["name"] in served.run("approval", "delegations").out
    assert served.run("approval", "undelegate", delegation["name"]).code == 0
    assert delegation["name"] not in served.run("approval", "delegations").out


def test_how_requests_are_decided_is_set_and_shown(served: Folder, team: tuple[str, str]) -> None:
    times = ("--expire-after", "10h", "--escalate-after", "5h")
    options = ("--preset", "strict", "--require", "policy", "--quorum", "4", *times)
    made = served.json("approval", "config", "set", *options, *team)

    assert served.json("approval", "config", "get", *team) == made
    assert (made["quorum"], made["timeout"], made["escalateAfter"]) == (4, "36000s", "18000s")
    assert team[1] in served.run("approval", "config", "list").out
    assert served.run("approval", "config", "delete", *team).code == 0
    assert served.json("approval", "config", "get", *team).get("etag", "") != made["etag"]
