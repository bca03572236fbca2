"""Role bindings and suspended users in PostgreSQL."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.aip.filtering import Comparison, to_sql
from libs.auth import Role
from libs.changes import Asked, Operation
from libs.postgres import Connection
from libs.spine import Write, read
from libs.tenancy import Route
from services.governance.authorization.domain.roles import (
    COLLECTION,
    MOST,
    USERS,
    Person,
    Place,
    RoleBinding,
    SuspendedUser,
    check_grant,
    check_suspension,
)
from services.governance.authorization.errors import (
    RoleBindingNotFound,
    TooMany,
    UserNotSuspended,
)
from services.governance.authorization.store.changing import Changing, Nothing, log

_COLUMNS = "id, user_id, role, org_id, team_id, project_id, expires_at, actor, number, created_at"
_GET = f"SELECT {_COLUMNS} FROM aeterna.role_binding WHERE tenant_id = $1 AND id = $2"
_SAME = f"""
    SELECT {_COLUMNS} FROM aeterna.role_binding WHERE tenant_id = $1
        AND user_id = $2 AND role = $3 AND org_id = $4 AND team_id = $5 AND project_id = $6
"""
_HELD = """
    SELECT role, org_id, team_id, project_id FROM aeterna.role_binding
    WHERE tenant_id = $1 AND user_id = $2 AND (expires_at IS NULL OR expires_at > now())
"""
_COUNT = "SELECT count(*) FROM aeterna.role_binding WHERE tenant_id = $1"
_PAGE = f"""
    SELECT {_COLUMNS} FROM aeterna.role_binding
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2){{where}} ORDER BY id DESC LIMIT $3
"""
_PUT = f"""
    INSERT INTO aeterna.role_binding (tenant_id, {_COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (tenant_id, id) DO UPDATE SET expires_at = excluded.expires_at,
        actor = excluded.actor, number = excluded.number, created_at = excluded.created_at
"""
_DELETE = "DELETE FROM aeterna.role_binding WHERE tenant_id = $1 AND id = $2"
_FORGET = """
    DELETE FROM aeterna.role_binding
    WHERE tenant_id = $1 AND expires_at < now() - interval '30 days' AND id <> $2
"""
_SUSPENDED = "user_id, actor, number, suspended_at"
_GET_SUSPENDED = f"""
    SELECT {_SUSPENDED} FROM aeterna.suspended_user WHERE tenant_id = $1 AND user_id = $2
"""
_PAGE_SUSPENDED = f"""
    SELECT {_SUSPENDED} FROM aeterna.suspended_user
    WHERE tenant_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3
"""
_SUSPEND = f"""
    INSERT INTO aeterna.suspended_user (tenant_id, {_SUSPENDED}) VALUES ($1, $2, $3, $4, $5)
"""
_RESUME = "DELETE FROM aeterna.suspended_user WHERE tenant_id = $1 AND user_id = $2"
_EVERYWHERE = Place()


async def held_by(conn: Connection, route: Route, user: str) -> list[tuple[Role, Place]]:
    """The roles that a user has now, and where."""
    rows = await conn.fetch(_HELD, route.tenant, user)
    return [(Role(row["role"]), _place(row)) for row in rows]


async def roles_in(write: Write, person: Person, place: Place = _EVERYWHERE) -> frozenset[Role]:
    """All roles that a person has in a place."""
    return person.roles_in(place, await held_by(write.conn, write.route, person.user))


class PostgresRoles:
    """`Roles` in PostgreSQL."""

    def __init__(
        self, changing: Changing, now: Callable[[], datetime], new_id: Callable[[], UUID]
    ) -> None:
        self._change, self._now, self._new_id = changing, now, new_id

    async def assign(
        self,
        route: Route,
        asked: Asked,
        person: Person,
        user: str,
        role: Role,
        place: Place,
        expires_at: datetime | None,
    ) -> RoleBinding:
        async def make(write: Write) -> RoleBinding:
            check_grant(role, await roles_in(write, person, place))
            same = await write.conn.fetchrow(_SAME, route.tenant, user, role, *place.ids())
            if not same and await write.conn.fetchval(_COUNT, route.tenant) >= MOST:
                raise TooMany(COLLECTION, MOST)
            identity = same["id"] if same else self._new_id()
            done = Operation.UPDATED if same else Operation.CREATED
            number = await log(write, asked, f"{COLLECTION}/{identity}", done, subject=user)
            binding = RoleBinding(
                id=identity,
                user=user,
                role=role,
                place=place,
                expires_at=expires_at,
                actor=asked.origin.actor,
                number=number,
                created_at=self._now(),
            )
            await write.conn.execute(_FORGET, route.tenant, identity)
            write.add(_PUT, *_row(binding))
            return binding

        return await self._change(route, asked, RoleBinding, make)

    async def revoke(self, route: Route, asked: Asked, person: Person, binding: UUID) -> None:
        async def make(write: Write) -> Nothing:
            row = await write.conn.fetchrow(_GET, route.tenant, binding)
            if row is None:
                raise RoleBindingNotFound(binding)
            check_grant(Role(row["role"]), await roles_in(write, person, _place(row)))
            resource = f"{COLLECTION}/{binding}"
            await log(write, asked, resource, Operation.DELETED, subject=row["user_id"])
            write.add(_DELETE, binding)
            return Nothing()

        await self._change(route, asked, Nothing, make)

    async def get(self, route: Route, binding: UUID) -> RoleBinding:
        rows = await read(route, _GET, binding)
        if not rows:
            raise RoleBindingNotFound(binding)
        return _binding(rows[0])

    async def page(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> Sequence[RoleBinding]:
        conditions, values = to_sql(where, 4)
        rows = await read(route, _PAGE.format(where=conditions), before, limit, *values)
        return [_binding(row) for row in rows]

    async def suspend(self, route: Route, asked: Asked, person: Person, user: str) -> SuspendedUser:
        async def make(write: Write) -> SuspendedUser:
            theirs = [role for role, _ in await held_by(write.conn, route, user)]
            check_suspension(person, await roles_in(write, person), user, theirs)
            before = await write.conn.fetchrow(_GET_SUSPENDED, route.tenant, user)
            if before:
                return _suspended(before)
            resource = f"{USERS}/{user}"
            number = await log(write, asked, resource, Operation.SUSPENDED, subject=user)
            suspended = SuspendedUser(
                user=user,
                actor=asked.origin.actor,
                number=number,
                suspended_at=self._now(),
            )
            write.add(_SUSPEND, user, suspended.actor, number, suspended.suspended_at)
            return suspended

        return await self._change(route, asked, SuspendedUser, make)

    async def resume(self, route: Route, asked: Asked, person: Person, user: str) -> None:
        async def make(write: Write) -> Nothing:
            theirs = [role for role, _ in await held_by(write.conn, route, user)]
            check_suspension(person, await roles_in(write, person), user, theirs)
            if not await write.conn.fetchrow(_GET_SUSPENDED, route.tenant, user):
                raise UserNotSuspended
            await log(write, asked, f"{USERS}/{user}", Operation.RESUMED, subject=user)
            write.add(_RESUME, user)
            return Nothing()

        await self._change(route, asked, Nothing, make)

    async def suspended(self, route: Route, after: str, limit: int) -> Sequence[SuspendedUser]:
        rows = await read(route, _PAGE_SUSPENDED, after, limit)
        return [_suspended(row) for row in rows]


def _place(row: asyncpg.Record) -> Place:
    return Place(org_id=row["org_id"], team_id=row["team_id"], project_id=row["project_id"])


def _binding(row: asyncpg.Record) -> RoleBinding:
    return RoleBinding(
        id=row["id"],
        user=row["user_id"],
        role=Role(row["role"]),
        place=_place(row),
        expires_at=row["expires_at"],
        actor=row["actor"],
        number=row["number"],
        created_at=row["created_at"],
    )


def _row(binding: RoleBinding) -> tuple[object, ...]:
    return (
        binding.id,
        binding.user,
        binding.role,
        *binding.place.ids(),
        binding.expires_at,
        binding.actor,
        binding.number,
        binding.created_at,
    )


def _suspended(row: asyncpg.Record) -> SuspendedUser:
    return SuspendedUser(
        user=row["user_id"],
        actor=row["actor"],
        number=row["number"],
        suspended_at=row["suspended_at"],
    )
