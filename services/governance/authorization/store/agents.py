"""Registered agents in PostgreSQL."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from libs.authorization.rules import AgentState
from libs.changes import Asked, Operation
from libs.spine import Write, read
from libs.tenancy import Route
from services.governance.authorization.domain.agents import (
    COLLECTION,
    MOST,
    Agent,
    check_gift,
)
from services.governance.authorization.domain.roles import Person
from services.governance.authorization.errors import (
    AgentAlreadyExists,
    AgentNotFound,
    TooMany,
)
from services.governance.authorization.store.changing import Changing, log
from services.governance.authorization.store.roles import roles_in

_COLUMNS = """
    id, owner, capabilities, max_depth, state, expires_at, version, number, created_at, updated_at
"""
_GET = f"SELECT {_COLUMNS} FROM aeterna.agent WHERE tenant_id = $1 AND id = $2"
_COUNT = "SELECT count(*) FROM aeterna.agent WHERE tenant_id = $1"
_PAGE = f"""
    SELECT {_COLUMNS} FROM aeterna.agent WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
_FIRST_END = "SELECT min(expires_at) FROM aeterna.agent WHERE tenant_id = $1 AND id = ANY($2)"
_PUT = f"""
    INSERT INTO aeterna.agent (tenant_id, {_COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (tenant_id, id) DO UPDATE SET owner = excluded.owner,
        capabilities = excluded.capabilities, max_depth = excluded.max_depth,
        state = excluded.state, expires_at = excluded.expires_at, version = excluded.version,
        number = excluded.number, updated_at = excluded.updated_at
"""
_STATES = {
    AgentState.ACTIVE: Operation.RESUMED,
    AgentState.SUSPENDED: Operation.SUSPENDED,
    AgentState.REVOKED: Operation.UPDATED,
}


class PostgresAgents:
    """`Agents` in PostgreSQL."""

    def __init__(self, changing: Changing, now: Callable[[], datetime]) -> None:
        self._change, self._now = changing, now

    async def register(
        self, route: Route, asked: Asked, person: Person, agent: str, values: dict[str, Any]
    ) -> Agent:
        async def make(write: Write) -> Agent:
            now = self._now()
            given = {"owner": person.user, **values}
            draft = Agent(id=agent, created_at=now, updated_at=now, **given)
            draft.check_change(person, await roles_in(write, person))
            check_gift(person, None, draft, await self._end(write, person))
            if await write.conn.fetchrow(_GET, route.tenant, agent):
                raise AgentAlreadyExists(agent)
            if await write.conn.fetchval(_COUNT, route.tenant) >= MOST:
                raise TooMany(COLLECTION, MOST)
            return await self._save(write, asked, draft, Operation.CREATED)

        return await self._change(route, asked, Agent, make)

    async def update(
        self,
        route: Route,
        asked: Asked,
        person: Person,
        agent: str,
        expected: str,
        values: dict[str, Any],
    ) -> Agent:
        async def make(write: Write) -> Agent:
            current = await self._own(write, person, agent)
            if "owner" in values:
                current.model_copy(update={"owner": values["owner"]}).check_change(
                    person, await roles_in(write, person)
                )
            changed = current.changed(expected, values, self._now())
            check_gift(person, current, changed, await self._end(write, person))
            return await self._save(write, asked, changed, Operation.UPDATED)

        return await self._change(route, asked, Agent, make)

    async def turn(
        self, route: Route, asked: Asked, person: Person, agent: str, state: AgentState
    ) -> Agent:
        async def make(write: Write) -> Agent:
            current = await self._own(write, person, agent)
            if current.state is state:
                return current
            changed = current.changed("", {"state": state}, self._now())
            check_gift(person, current, changed, None)
            event = "agent.revoked" if state is AgentState.REVOKED else ""
            return await self._save(write, asked, changed, _STATES[state], event)

        return await self._change(route, asked, Agent, make)

    async def get(self, route: Route, agent: str) -> Agent:
        rows = await read(route, _GET, agent)
        if not rows:
            raise AgentNotFound(agent)
        return _agent(rows[0])

    async def page(self, route: Route, after: str, limit: int) -> Sequence[Agent]:
        return [_agent(row) for row in await read(route, _PAGE, after, limit)]

    async def _own(self, write: Write, person: Person, agent: str) -> Agent:
        """The agent, which the person may change."""
        row = await write.conn.fetchrow(_GET, write.route.tenant, agent)
        if row is None:
            raise AgentNotFound(agent)
        current = _agent(row)
        current.check_change(person, await roles_in(write, person))
        return current

    async def _end(self, write: Write, person: Person) -> datetime | None:
        """When the first of the agents that act ends."""
        if not person.agents:
            return None
        end: datetime | None = await write.conn.fetchval(
            _FIRST_END, write.route.tenant, person.agents
        )
        return end

    async def _save(
        self, write: Write, asked: Asked, agent: Agent, operation: Operation, event: str = ""
    ) -> Agent:
        resource = f"{COLLECTION}/{agent.id}"
        number = await log(write, asked, resource, operation, event=event)
        agent = agent.model_copy(update={"number": number})
        write.add(_PUT, *_row(agent))
        return agent


def _agent(row: asyncpg.Record) -> Agent:
    return Agent.model_validate(dict(row))


def _row(agent: Agent) -> tuple[object, ...]:
    return (
        agent.id,
        agent.owner,
        list(agent.capabilities),
        agent.max_depth,
        agent.state,
        agent.expires_at,
        agent.version,
        agent.number,
        agent.created_at,
        agent.updated_at,
    )
