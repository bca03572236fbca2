"""The rules of a tenant in its shard: read by every service, written by governance alone."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from libs.auth import Role
from libs.authorization.rules import AgentGrant, AgentState, Binding, TenantRules, first_end
from libs.spine import read
from libs.tenancy import Route

# What lapses changes what is loaded, too, without a change of a row: it counts in the version.
_LOAD = """
    SELECT now() AS now,
        (SELECT number FROM aeterna.authorization_state WHERE tenant_id = $1) AS number,
        (SELECT count(*) FROM aeterna.role_binding
            WHERE tenant_id = $1 AND expires_at <= now()) AS lapsed,
        (SELECT jsonb_object_agg(p.id, v.text)
            FROM aeterna.authorization_policy AS p JOIN aeterna.authorization_policy_version AS v
                ON v.tenant_id = $1 AND v.policy_id = p.id AND v.version = p.active_version
            WHERE p.tenant_id = $1) AS policies,
        (SELECT jsonb_agg(jsonb_build_array(
                user_id, role, org_id, team_id, project_id, expires_at))
            FROM aeterna.role_binding
            WHERE tenant_id = $1 AND (expires_at IS NULL OR expires_at > now())) AS bindings,
        (SELECT jsonb_agg(jsonb_build_array(
                id, owner, to_jsonb(capabilities), max_depth, state, expires_at))
            FROM aeterna.agent WHERE tenant_id = $1) AS agents,
        (SELECT array_agg(user_id)
            FROM aeterna.suspended_user WHERE tenant_id = $1) AS suspended
"""
_LAPSES = 1 << 20  # more bindings than a tenant can have


async def load_rules(route: Route) -> TenantRules:
    """The rules as they hold now, in one round trip.

    Raises:
        StoreUnavailable: The shard cannot be reached.
    """
    (row,) = await read(route, _LOAD)
    bindings = _bindings(json.loads(row["bindings"] or "[]"))
    agents = {each[0]: _agent(each) for each in json.loads(row["agents"] or "[]")}
    ends = [each.expires_at for several in bindings.values() for each in several]
    ends += [agent.expires_at for agent in agents.values()]
    return TenantRules(
        version=(row["number"] or 0) * _LAPSES + row["lapsed"],
        policies=json.loads(row["policies"] or "{}"),
        bindings=bindings,
        agents=agents,
        suspended=frozenset(row["suspended"] or ()),
        lapses_at=first_end(ends, row["now"]),
    )


def _bindings(rows: Sequence[Sequence[Any]]) -> dict[str, tuple[Binding, ...]]:
    found: dict[str, list[Binding]] = defaultdict(list)
    for user, role, org, team, project, expires_at in rows:
        found[user].append(Binding(Role(role), org, team, project, _moment(expires_at)))
    return {user: tuple(several) for user, several in found.items()}


def _agent(row: Sequence[Any]) -> AgentGrant:
    _, owner, capabilities, max_depth, state, expires_at = row
    return AgentGrant(
        owner, frozenset(capabilities), max_depth, AgentState(state), _moment(expires_at)
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
