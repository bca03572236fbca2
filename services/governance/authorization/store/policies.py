"""Tenants' own policies in PostgreSQL; descriptions are sealed, statements are not."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.changes import Asked, Operation
from libs.encryption.keyring import Keyring, Plain, Sealed
from libs.encryption.registry import AUTHORIZATION_POLICY_DESCRIPTION
from libs.spine import Write, read
from libs.tenancy import Route
from services.governance.authorization.domain.cedar import Grammar
from services.governance.authorization.domain.policies import (
    COLLECTION,
    MOST,
    MOST_TEXT,
    Policy,
    Version,
    before,
)
from services.governance.authorization.errors import (
    PolicyAlreadyExists,
    PolicyNotFound,
    PolicyNotValid,
    PolicyVersionNotFound,
    TooMany,
)
from services.governance.authorization.store.changing import Changing, Nothing, log

_COLUMNS = "id, latest_version, active_version, revision, number, created_at, updated_at"
_GET = f"SELECT {_COLUMNS} FROM aeterna.authorization_policy WHERE tenant_id = $1 AND id = $2"
_COUNT = "SELECT count(*) FROM aeterna.authorization_policy WHERE tenant_id = $1"
_PAGE = f"""
    SELECT {_COLUMNS} FROM aeterna.authorization_policy
    WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
_PUT = f"""
    INSERT INTO aeterna.authorization_policy (tenant_id, {_COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (tenant_id, id) DO UPDATE SET latest_version = excluded.latest_version,
        active_version = excluded.active_version, revision = excluded.revision,
        number = excluded.number, updated_at = excluded.updated_at
"""
_VERSION = "version, id, text, description, actor, created_at, activated_at"
_VERSIONS = f"""
    SELECT policy_id, {_VERSION} FROM aeterna.authorization_policy_version AS v
    JOIN unnest($2::text[], $3::int[]) AS w (policy_id, version) USING (policy_id, version)
    WHERE tenant_id = $1
"""
_HISTORY = f"""
    SELECT {_VERSION} FROM aeterna.authorization_policy_version
    WHERE tenant_id = $1 AND policy_id = $2 AND ($3 = 0 OR version < $3)
    ORDER BY version DESC LIMIT $4
"""
_ADD_VERSION = f"""
    INSERT INTO aeterna.authorization_policy_version (tenant_id, policy_id, {_VERSION}, number)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9)
"""
_TEXT = """
    SELECT text FROM aeterna.authorization_policy_version
    WHERE tenant_id = $1 AND policy_id = $2 AND version = $3
"""
_ACTIVATIONS = """
    SELECT version, activated_at FROM aeterna.authorization_policy_version
    WHERE tenant_id = $1 AND policy_id = $2 AND activated_at IS NOT NULL
"""
_ACTIVATED = """
    UPDATE aeterna.authorization_policy_version SET activated_at = clock_timestamp()
    WHERE tenant_id = $1 AND policy_id = $2 AND version = $3
"""
_ACTIVE_TEXT = """
    SELECT coalesce(sum(length(v.text)), 0)
    FROM aeterna.authorization_policy AS p JOIN aeterna.authorization_policy_version AS v
        ON v.tenant_id = $1 AND v.policy_id = p.id AND v.version = p.active_version
    WHERE p.tenant_id = $1 AND p.id <> $2
"""
_DELETE = "DELETE FROM aeterna.authorization_policy WHERE tenant_id = $1 AND id = $2"
_DELETE_VERSIONS = """
    DELETE FROM aeterna.authorization_policy_version WHERE tenant_id = $1 AND policy_id = $2
"""
Shown = tuple[Policy, Version]


class PostgresPolicies:
    """`Policies` in PostgreSQL."""

    def __init__(
        self,
        changing: Changing,
        keyring: Keyring,
        grammar: Grammar,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self._change, self._keyring, self._grammar = changing, keyring, grammar
        self._now, self._new_id = now, new_id

    async def create(
        self, route: Route, asked: Asked, policy: str, text: str, description: str
    ) -> Shown:
        sealed = await self._seal(route, description)

        async def make(write: Write) -> Policy:
            if await write.conn.fetchrow(_GET, route.tenant, policy):
                raise PolicyAlreadyExists(policy)
            if await write.conn.fetchval(_COUNT, route.tenant) >= MOST:
                raise TooMany(COLLECTION, MOST)
            now = self._now()
            created = Policy(id=policy, created_at=now, updated_at=now)
            created = await _save(write, asked, created, Operation.CREATED)
            _add_version(write, asked, created, text, sealed)
            return created

        return await self._shown(route, await self._change(route, asked, Policy, make))

    async def update(
        self, route: Route, asked: Asked, policy: str, expected: str, text: str, description: str
    ) -> Shown:
        sealed = await self._seal(route, description)

        async def make(write: Write) -> Policy:
            current = await _expected(write, policy, expected)
            changed = current.extended(self._now())
            changed = await _save(write, asked, changed, Operation.UPDATED)
            _add_version(write, asked, changed, text, sealed)
            return changed

        return await self._shown(route, await self._change(route, asked, Policy, make))

    async def activate(
        self, route: Route, asked: Asked, policy: str, expected: str, version: int
    ) -> Shown:
        async def make(write: Write) -> Policy:
            current = await _expected(write, policy, expected)
            chosen = version or current.latest_version
            changed = current.activated(chosen, self._now())
            await self._check_text(write, policy, chosen)
            write.add(_ACTIVATED, policy, chosen)
            return await _save(write, asked, changed, Operation.UPDATED, "policy.activated")

        return await self._shown(route, await self._change(route, asked, Policy, make))

    async def roll_back(self, route: Route, asked: Asked, policy: str, expected: str) -> Shown:
        async def make(write: Write) -> Policy:
            current = await _expected(write, policy, expected)
            rows = await write.conn.fetch(_ACTIVATIONS, route.tenant, policy)
            chosen = before(current, [(row["version"], row["activated_at"]) for row in rows])
            await self._check_text(write, policy, chosen)
            changed = current.activated(chosen, self._now())
            return await _save(write, asked, changed, Operation.UPDATED, "policy.rolled_back")

        return await self._shown(route, await self._change(route, asked, Policy, make))

    async def deactivate(self, route: Route, asked: Asked, policy: str, expected: str) -> Shown:
        async def make(write: Write) -> Policy:
            current = await _expected(write, policy, expected)
            if current.active_version is None:
                return current
            changed = current.activated(None, self._now())
            return await _save(write, asked, changed, Operation.UPDATED, "policy.deactivated")

        return await self._shown(route, await self._change(route, asked, Policy, make))

    async def delete(self, route: Route, asked: Asked, policy: str, expected: str) -> None:
        async def make(write: Write) -> Nothing:
            await _expected(write, policy, expected)
            await log(write, asked, f"{COLLECTION}/{policy}", Operation.DELETED)
            write.add(_DELETE, policy)
            write.add(_DELETE_VERSIONS, policy)
            return Nothing()

        await self._change(route, asked, Nothing, make)

    async def get(self, route: Route, policy: str) -> Shown:
        rows = await read(route, _GET, policy)
        if not rows:
            raise PolicyNotFound(policy)
        return await self._shown(route, _policy(rows[0]))

    async def page(self, route: Route, after: str, limit: int) -> Sequence[Shown]:
        policies = [_policy(row) for row in await read(route, _PAGE, after, limit)]
        versions = await self._versions(route, policies)
        return [(each, versions[each.id]) for each in policies if each.id in versions]

    async def history(
        self, route: Route, policy: str, below: int, limit: int
    ) -> tuple[Policy, Sequence[Version]]:
        current, _ = await self.get(route, policy)
        return current, await self._open(route, await read(route, _HISTORY, policy, below, limit))

    async def text(self, route: Route, policy: str, version: int) -> str:
        if not version:
            version = (await self.get(route, policy))[0].latest_version
        rows = await read(route, _TEXT, policy, version)
        if not rows:
            raise PolicyVersionNotFound(policy, version)
        text: str = rows[0]["text"]
        return text

    async def _shown(self, route: Route, policy: Policy) -> Shown:
        found = await self._versions(route, [policy])
        if policy.id not in found:
            raise PolicyNotFound(policy.id)  # deleted since
        return policy, found[policy.id]

    async def _versions(self, route: Route, policies: Sequence[Policy]) -> dict[str, Version]:
        ids = [each.id for each in policies]
        rows = await read(route, _VERSIONS, ids, [each.shown_version for each in policies])
        opened = await self._open(route, rows)
        return {row["policy_id"]: each for row, each in zip(rows, opened, strict=True)}

    async def _check_text(self, write: Write, policy: str, version: int) -> None:
        """Raises PolicyNotValid, and TooMany if there would be too much that is active."""
        tenant = write.route.tenant
        text = await write.conn.fetchval(_TEXT, tenant, policy, version)
        if self._grammar.examine(text, tenant):
            raise PolicyNotValid(policy, version)
        if await write.conn.fetchval(_ACTIVE_TEXT, tenant, policy) + len(text) > MOST_TEXT:
            raise TooMany("characters of active policies", MOST_TEXT)

    async def _seal(self, route: Route, description: str) -> tuple[UUID, bytes]:
        identity = self._new_id()
        plain = Plain("", AUTHORIZATION_POLICY_DESCRIPTION, identity, description.encode())
        (blob,) = await self._keyring.seal(route, [plain])
        return identity, blob

    async def _open(self, route: Route, rows: Sequence[asyncpg.Record]) -> list[Version]:
        sealed = [
            Sealed(AUTHORIZATION_POLICY_DESCRIPTION, row["id"], row["description"]) for row in rows
        ]
        opened = await self._keyring.open(route, sealed)
        return [_version(row, each.decode()) for row, each in zip(rows, opened, strict=True)]


async def _expected(write: Write, policy: str, etag: str) -> Policy:
    row = await write.conn.fetchrow(_GET, write.route.tenant, policy)
    if row is None:
        raise PolicyNotFound(policy)
    current = _policy(row)
    current.check(etag)
    return current


async def _save(
    write: Write, asked: Asked, policy: Policy, operation: Operation, event: str = ""
) -> Policy:
    number = await log(write, asked, f"{COLLECTION}/{policy.id}", operation, event=event)
    policy = policy.model_copy(update={"number": number})
    write.add(
        _PUT,
        policy.id,
        policy.latest_version,
        policy.active_version,
        policy.revision,
        policy.number,
        policy.created_at,
        policy.updated_at,
    )
    return policy


def _add_version(
    write: Write, asked: Asked, policy: Policy, text: str, sealed: tuple[UUID, bytes]
) -> None:
    """The newest version of a policy that was just saved."""
    actor, number = asked.origin.actor, policy.number
    values = (policy.latest_version, sealed[0], text, sealed[1], actor, policy.updated_at, number)
    write.add(_ADD_VERSION, policy.id, *values)


def _policy(row: asyncpg.Record) -> Policy:
    return Policy.model_validate(dict(row))


def _version(row: asyncpg.Record, description: str) -> Version:
    return Version(
        number=row["version"],
        text=row["text"],
        description=description,
        actor=row["actor"],
        created_at=row["created_at"],
        activated_at=row["activated_at"],
    )
