"""Loading the rules of a tenant in one round trip."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from libs.auth import Role
from libs.authorization.rules import AgentGrant, AgentState, Binding, TenantRules
from libs.authorization.store import load_rules
from libs.spine import writing
from libs.tenancy import Route

_STATE = """
    INSERT INTO aeterna.authorization_state VALUES ($1, $2)
    ON CONFLICT (tenant_id) DO UPDATE SET number = excluded.number
"""
_BIND = """
    INSERT INTO aeterna.role_binding VALUES ($1, $2, $3, $4, $5, '', '', $6, 'user:ann', 1, now())
"""
_AGENT = """
    INSERT INTO aeterna.agent
    VALUES ($1, 'planner', 'ann', '{memory:read,org:read}', 2, 'suspended', $2, 1, 1, now(), now())
"""
_POLICY = """
    INSERT INTO aeterna.authorization_policy VALUES ($1, $2, 2, $3, 1, 1, now(), now())
"""
_VERSION = """
    INSERT INTO aeterna.authorization_policy_version
    VALUES ($1, $2, $3, gen_random_uuid(), $4, '', 'user:ann', 1, now(), NULL)
"""
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


async def _execute(route: Route, sql: str, *values: object) -> None:
    async with writing(route) as write:
        await write.conn.execute(sql, route.tenant, *values)


async def test_a_tenant_that_said_nothing_has_no_rules(route: Route) -> None:
    assert await load_rules(route) == TenantRules()


async def test_all_rules_are_loaded(route: Route) -> None:
    await _execute(route, _STATE, 7)
    await _execute(route, _BIND, uuid4(), "bob", "tech_lead", "eu", SOON)
    await _execute(route, _BIND, uuid4(), "bob", "viewer", "", None)
    await _execute(route, _AGENT, None)
    await _execute(
        route, "INSERT INTO aeterna.suspended_user VALUES ($1, 'eve', 'user:ann', 1, now())"
    )
    for version, text in (1, "permit(principal, action, resource);"), (2, "a draft"):
        await _execute(route, _VERSION, "night", version, text)
    await _execute(route, _POLICY, "night", 1)
    await _execute(route, _POLICY, "unused", None)

    rules = await load_rules(route)

    assert set(rules.bindings["bob"]) == {
        Binding(Role.TECH_LEAD, "eu", expires_at=SOON),
        Binding(Role.VIEWER),
    }
    assert rules.agents == {
        "planner": AgentGrant(
            "ann", frozenset({"memory:read", "org:read"}), 2, AgentState.SUSPENDED
        )
    }
    assert rules.policies == {"night": "permit(principal, action, resource);"}
    assert rules.suspended == {"eve"}
    assert rules.lapses_at == SOON


async def test_what_lapses_is_gone_and_the_version_says_so(route: Route) -> None:
    await _execute(route, _STATE, 7)
    await _execute(route, _BIND, uuid4(), "bob", "admin", "", SOON)
    before = await load_rules(route)

    past = datetime.now(UTC) - timedelta(seconds=1)
    await _execute(
        route, "UPDATE aeterna.role_binding SET expires_at = $2 WHERE tenant_id = $1", past
    )

    after = await load_rules(route)
    assert (after.bindings, after.lapses_at) == ({}, None)
    assert after.version != before.version


async def test_what_is_known_is_not_loaded_again(route: Route) -> None:
    await _execute(route, _STATE, 7)
    await _execute(route, _BIND, uuid4(), "bob", "admin", "", SOON)
    known = await load_rules(route)

    assert await load_rules(route, known) is known

    past = datetime.now(UTC) - timedelta(seconds=1)
    await _execute(
        route, "UPDATE aeterna.role_binding SET expires_at = $2 WHERE tenant_id = $1", past
    )
    assert await load_rules(route, known) == TenantRules(version=7 * 2**20 + 1)


async def test_the_rules_of_others_are_not_seen(new_route: Callable[[str], Any]) -> None:
    ours, theirs = await new_route("acme"), await new_route("bolt")
    await _execute(theirs, _STATE, 7)
    await _execute(theirs, _BIND, uuid4(), "bob", "admin", "", None)

    assert await load_rules(ours) == TenantRules()


@pytest.mark.parametrize("role", ["platform_admin", "agent", "king"])
async def test_roles_that_nobody_may_be_bound_to_are_refused(route: Route, role: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="role_binding_role_check"):
        await _execute(route, _BIND, uuid4(), "bob", role, "", None)
