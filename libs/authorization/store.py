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
# Subqueries are run when they are needed: not for what is known already.
_LOAD = f"""
    WITH state AS MATERIALIZED (
        SELECT coalesce((SELECT number FROM aeterna.authorization_state WHERE tenant_id = $1), 0)
            * {1 << 20} + (SELECT count(*) FROM aeterna.role_binding
                WHERE tenant_id = $1 AND expires_at <= now())
            + (SELECT count(*) FROM aeterna.agent
                WHERE tenant_id = $1 AND expires_at <= now()) AS version)
    SELECT now() AS now, state.version,
        CASE WHEN state.version <> $2 THEN (SELECT json_object_agg(p.id, v.text)
            FROM aeterna.authorization_policy AS p JOIN aeterna.authorization_policy_version AS v
                ON v.tenant_id = $1 AND v.policy_id = p.id AND v.version = p.active_version
            WHERE p.tenant_id = $1) END AS policies,
        CASE WHEN state.version <> $2 THEN (SELECT json_agg(json_build_array(
                user_id, role, org_id, team_id, project_id, expires_at))
            FROM aeterna.role_binding
            WHERE tenant_id = $1 AND (expires_at IS NULL OR expires_at > now())) END AS bindings,
        CASE WHEN state.version <> $2 THEN (SELECT json_agg(json_build_array(
                id, owner, to_json(capabilities), max_depth, state, expires_at))
            FROM aeterna.agent WHERE tenant_id = $1) END AS agents,
        CASE WHEN state.version <> $2 THEN (SELECT array_agg(user_id)
            FROM aeterna.suspended_user WHERE tenant_id = $1) END AS suspended
    FROM state
"""
_NONE = -1  # no version


async def load_rules(route: Route, known: TenantRules | None = None) -> TenantRules:
    """The rules as they hold now, in one round trip; `known` itself while it holds.

    Raises:
        StoreUnavailable: The shard cannot be reached.
    """
    (row,) = await read(route, _LOAD, known.version if known else _NONE)
    if known and row["version"] == known.version:
        return known
    bindings = _bindings(json.loads(row["bindings"] or "[]"))
    agents = {each[0]: _agent(each) for each in json.loads(row["agents"] or "[]")}
    ends = [each.expires_at for several in bindings.values() for each in several]
    ends += [agent.expires_at for agent in agents.values()]
    return TenantRules(
        version=row["version"],
        policies=json.loads(row["policies"] or "{}"),
        bindings=bindings,
        agents=agents,
        suspended=frozenset(row["suspended"] or ()),
        lapses_at=first_end(ends, row["now"]),
    )


def _bindings(rows: Sequence[Sequence[Any]]) -> dict[str, tuple[Binding, ...]]:
    found: dict[str, list[Binding]] = defaultdict(list)
    same: dict[tuple[Any, ...], Binding] = {}  # many have what others have
    for user, *values in rows:
        key = tuple(values)
        if key not in same:
            role, org, team, project, expires_at = values
            same[key] = Binding(Role(role), org, team, project, _moment(expires_at))
        found[user].append(same[key])
    return {user: tuple(several) for user, several in found.items()}


def _agent(row: Sequence[Any]) -> AgentGrant:
    _, owner, capabilities, max_depth, state, expires_at = row
    return AgentGrant(
        owner, frozenset(capabilities), max_depth, AgentState(state), _moment(expires_at)
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
