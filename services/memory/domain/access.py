"""Where memories are, as policies see it: what a decision about them depends on. Pure."""

from dataclasses import replace

from libs.authorization.things import MEMORY, OWNER, PERSONAL, Thing
from libs.scope import Scope

_OWNED = ", ".join(f"'{each}'" for each in sorted(PERSONAL))
# In rows of memories: SQL.
COLUMNS = {
    "layer": "layer",
    "org": "org_id",
    "team": "team_id",
    "project": "project_id",
    "session": "session_id",
    "user": "user_id",
    "agent": "agent_id",
    "status": "tier",
    OWNER: f"CASE WHEN layer IN ({_OWNED}) THEN user_id ELSE '' END",
}


def place(tenant: str, layer: str, scope: Scope, tier: str) -> Thing:
    """Of a memory, there or to be."""
    return Thing(
        MEMORY,
        tenant,
        layer,
        scope.org_id,
        scope.team_id,
        scope.project_id,
        scope.session_id,
        scope.user_id,
        scope.agent_id,
        tier,
    )


def moved(there: Thing, layer: str, scope: Scope) -> Thing:
    """Where a memory is once it is promoted: the scope adds ids that it lacks."""
    return replace(
        there,
        layer=str(layer),
        org=there.org or scope.org_id,
        team=there.team or scope.team_id,
        project=there.project or scope.project_id,
        session=there.session or scope.session_id,
        agent=there.agent or scope.agent_id,
    )
