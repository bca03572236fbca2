"""Roles, agents, policies and checks from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import pytest

from tests.integration.cli.conftest import Folder

FORBID = """@advice("frozen until the audit is over")
forbid (principal == Aeterna::User::"{user}", action == Aeterna::Action::"CreateMemory", resource)
when {{ resource.layer == "company" }};
"""


@pytest.fixture
def user() -> str:
    return f"u{uuid4().hex[:8]}"


@pytest.fixture
def policy(tmp_path: Path, user: str) -> Path:
    path = tmp_path / "policy.cedar"
    path.write_text(FORBID.format(user=user))
    return path


def within_seconds(check: Callable[[], bool], seconds: float = 60) -> None:
    """What the services do in their own time."""
    end = monotonic() + seconds
    while not check():
        assert monotonic() < end
        sleep(0.1)


def test_a_role_is_assigned_listed_and_revoked(served: Folder, user: str) -> None:
    given = served.json("role", "assign", user, "tech_lead", "--team", "payments")

    assert given["role"] == "ROLE_TECH_LEAD"
    shown = served.run("role", "list", "--filter", f'user = "{user}"')
    assert "tech_lead" in shown.out
    assert "team=payments" in shown.out
    assert served.run("role", "revoke", given["name"]).out == "revoked\n"
    assert served.json("role", "list", "--filter", f'user = "{user}"') == []
    assert served.run("role", "revoke", given["name"]).code == 3
    assert served.run("role", "assign", user, "king").code == 2


def test_a_user_is_suspended_and_resumed(served: Folder, user: str) -> None:
    served.json("role", "suspend", user)
    assert user in served.run("role", "suspended").out
    assert served.run("role", "resume", user).out == "resumed\n"
    assert user not in served.run("role", "suspended").out


def test_an_agent_is_registered_changed_and_revoked(served: Folder) -> None:
    agent = f"a{uuid4().hex[:8]}"
    served.run(
        "agent", "register", agent, "--can", "memory:read", "--until", "2099-01-01T00:00:00Z"
    )

    changed = served.json(
        "agent", "update", agent, "--can", "org:read", "--depth", "1", "--until", "never"
    )

    assert changed["capabilities"] == ["org:read"]
    assert changed["maxDelegationDepth"] == 1
    assert "expireTime" not in changed
    assert served.json("agent", "suspend", agent)["state"] == "AGENT_STATE_SUSPENDED"
    assert served.json("agent", "resume", agent)["state"] == "AGENT_STATE_ACTIVE"
    assert served.json("agent", "revoke", agent)["state"] == "AGENT_STATE_REVOKED"
    assert served.json("agent", "get", agent)["owner"] == "ann"
    assert "revoked" in served.run("agent", "list", "--limit", "1000").out
    assert served.run("agent", "update", agent, "--can", "fly").code == 2


def test_a_policy_goes_from_draft_to_rollback(served: Folder, user: str, policy: Path) -> None:
    name = f"p{uuid4().hex[:8]}"
    created = served.json("policy", "create", name, str(policy), "--description", "asked for")
    assert created["state"] == "AUTHORIZATION_POLICY_STATE_DRAFT"
    assert served.json("policy", "activate", name)["activeVersion"] == 1
    policy.write_text(policy.read_text().replace("company", "team"))
    updated = served.json("policy", "update", name, str(policy))
    activated = served.json("policy", "activate", name, "--etag", updated["etag"])
    assert activated["activeVersion"] == 2
    assert served.run("policy", "activate", name, "--etag", "1").code == 5
    assert served.json("policy", "rollback", name)["activeVersion"] == 1
    assert [each["version"] for each in served.json("policy", "versions", name)] == [2, 1]
    assert name in served.run("policy", "list", "--limit", "1000").out
    assert 'resource.layer == "company"' in served.run("policy", "show", name).out
    assert "activeVersion" not in served.json("policy", "deactivate", name)
    assert served.run("policy", "delete", name).out == "deleted\n"
    assert served.run("policy", "show", name).code == 3


def test_a_statement_is_validated_line_by_line(served: Folder, policy: Path) -> None:
    assert served.run("policy", "validate", str(policy)).out == "valid\n"

    wrong = served.run("policy", "validate", "-", text=policy.read_text().replace("layer", "layr"))

    assert wrong.code == 2
    assert wrong.err.startswith("line 3: attribute `layr`")
    assert served.run("policy", "validate", "/no/such/file").code == 2


def test_a_policy_is_tried_before_it_holds(served: Folder, user: str, policy: Path) -> None:
    added = ("memory", "add", "A fox.", "--layer", "company", "--as", user)
    assert served.run(*added).code == 0
    name = f"p{uuid4().hex[:8]}"
    served.run("policy", "create", name, str(policy))
    simulate = ("policy", "simulate", name)

    within_seconds(lambda: served.json(*simulate) != [])

    (example,) = served.json(*simulate)
    assert (example["principal"], example["action"]) == (f"user:{user}", "CreateMemory")
    assert example["policiesThen"] == [f"authorizationPolicies/{name}"]
    told = served.run(*simulate)
    assert "1 would be denied, 0 would be allowed" in told.err
    assert served.json(*simulate, "--until", "2020-01-01T00:00:00Z") == []
    assert served.json(*simulate, "--inactive") == []
    assert served.json("policy", "simulate", "new", "--file", str(policy)) != []


def test_access_is_checked_and_explained(served: Folder, user: str, policy: Path) -> None:
    company = ("memories", "--layer", "company")
    allowed = served.run("check", user, "create", *company, "--role", "developer")
    assert allowed.out.startswith("allowed\naeterna:developer-memories")
    name = f"p{uuid4().hex[:8]}"
    served.run("policy", "create", name, str(policy))
    served.run("policy", "activate", name)

    denied = served.run("check", user, "create", *company, "--role", "developer")
    answer = served.json("check", user, "create", *company, "--role", "developer")

    first, second = denied.out.splitlines()[:2]
    assert first == "denied: forbidden"
    assert second == f"authorizationPolicies/{name} (advice: frozen until the audit is over)"
    assert answer["policies"][0]["text"].startswith("@advice")
    viewer = served.run("check", user, "write", *company, "--role", "viewer")
    assert viewer.out.splitlines()[-1] == "the role developer would be enough"


def test_what_there_is_is_checked_by_its_name(served: Folder, user: str) -> None:
    memory = served.json("memory", "add", "Mine.", "--layer", "user", "--user", user)["name"]
    item = served.json("knowledge", "create", "A title", "Some text.", "--kind", "adr")

    own = served.json("check", user, "read", memory, "--role", "developer")
    others = served.json("check", "somebody", "read", memory, "--role", "developer")
    of_item = served.json("check", user, "accept", item["name"], "--role", "developer")

    assert own["allowed"] is True
    assert "allowed" not in others
    assert of_item["sufficientRole"] == "tech_lead"
    assert served.json("check", "me", "AssignRole")["allowed"] is True
    assert served.run("check", user, "read", "tenants").code == 2
    assert json.loads(served.run("check", user, "ListTenants", "--output", "json").out) != {}
