"""`Keys` in the tenant's shard. What changes keys holds the tenant's lock and is in its log."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from libs.aip.filtering import Comparison, to_sql
from libs.changes import Asked, Change, Operation, Origin
from libs.encryption.keyring import MAC_SUBJECT
from libs.encryption.store import REVISE, StoredSubjectKey, StoredTenantKey
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.wakeups import Wakeups
from services.governance.keys.domain import SubjectKey, TenantKey
from services.governance.keys.ports import Succession

TENANT_KEYS, SUBJECT_KEYS = "tenantKeys", "subjectKeys"

_TENANT_KEYS = """
    SELECT t.version, t.kms_key_id, t.created_at,
        t.version = max(t.version) OVER () AS primary,
        (SELECT count(*) FROM aeterna.subject_key AS s
            WHERE s.tenant_id = $1 AND s.tenant_key_version = t.version) AS subject_keys
    FROM aeterna.tenant_key AS t WHERE t.tenant_id = $1 ORDER BY t.version DESC
"""
_NEWEST = """k.version = (
    SELECT max(version) FROM aeterna.subject_key WHERE tenant_id = $1 AND subject_id = k.subject_id)
"""
_SUBJECT_KEYS = f"""
    SELECT k.id, k.subject_id AS subject, k.version, k.tenant_key_version, k.uses, k.created_at,
        {_NEWEST} AS primary
    FROM aeterna.subject_key AS k
    WHERE k.tenant_id = $1 AND ($2::uuid IS NULL OR k.id < $2) AND k.subject_id <> $4{{where}}
    ORDER BY k.id DESC LIMIT $3
"""
_ADD_TENANT_KEY = """
    INSERT INTO aeterna.tenant_key (tenant_id, version, kms_key_id, wrapped)
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING version
"""
_ADD_SUBJECT_KEYS = """
    INSERT INTO aeterna.subject_key
        (tenant_id, subject_id, version, id, tenant_key_version, wrapped)
    SELECT $1, n.* FROM unnest($2::text[], $3::int[], $4::uuid[], $5::int[], $6::bytea[])
        AS n (subject_id, version, id, tenant_key_version, wrapped)
    WHERE EXISTS (
        SELECT FROM aeterna.tenant_key AS t
        WHERE t.tenant_id = $1 AND t.version = n.tenant_key_version)
    AND EXISTS (
        SELECT FROM aeterna.subject_key AS k
        WHERE k.tenant_id = $1 AND k.subject_id = n.subject_id)
    ON CONFLICT DO NOTHING RETURNING id, subject_id
"""
_AGED = f"""
    FROM aeterna.subject_key AS k
    WHERE k.tenant_id = $1 AND k.created_at < $2 AND k.subject_id <> $3 AND {_NEWEST}
"""
_COUNT_AGED = f"SELECT count(*) {_AGED}"
_NEXT_AGED = f"""
    SELECT k.subject_id, k.version {_AGED} AND ($4::text IS NULL OR k.subject_id > $4)
    ORDER BY k.subject_id LIMIT $5
"""
_WRAPPED_BEFORE = """
    SELECT subject_id AS subject, version, id, tenant_key_version, wrapped FROM aeterna.subject_key
    WHERE tenant_id = $1 AND tenant_key_version < $2 AND id > $3 ORDER BY id LIMIT $4
"""
_COUNT_WRAPPED_BEFORE = """
    SELECT count(*) FROM aeterna.subject_key WHERE tenant_id = $1 AND tenant_key_version < $2
"""
_REPLACE_TENANT_KEY = """
    UPDATE aeterna.tenant_key SET kms_key_id = $4, wrapped = $5
    WHERE tenant_id = $1 AND version = $2 AND wrapped = $3 RETURNING true
"""
_REPLACE_SUBJECT_KEYS = """
    UPDATE aeterna.subject_key AS k SET tenant_key_version = n.version, wrapped = n.wrapped
    FROM unnest($2::uuid[], $3::bytea[], $4::int[], $5::bytea[]) AS n (id, old, version, wrapped)
    WHERE k.tenant_id = $1 AND k.id = n.id AND k.wrapped = n.old AND EXISTS (
        SELECT FROM aeterna.tenant_key AS t WHERE t.tenant_id = $1 AND t.version = n.version)
    RETURNING k.id
"""
_SUCCESSION = f"""
    SELECT k.id, k.subject_id, {_NEWEST} AS newest FROM aeterna.subject_key AS k
    WHERE k.tenant_id = $1 AND k.id = ANY ($2::uuid[])
"""
_MARK = f"""
    WITH marked AS (
        UPDATE aeterna.subject_key AS k SET retiring = $2
        WHERE k.tenant_id = $1 AND k.subject_id <> $3 AND NOT {_NEWEST} RETURNING 1)
    SELECT count(*) FROM marked
"""
_UNMARK = """
    UPDATE aeterna.subject_key SET retiring = NULL
    WHERE tenant_id = $1 AND id = ANY ($2::uuid[]) AND retiring IS NOT NULL
"""
_UNMARK_ALL = """
    UPDATE aeterna.subject_key SET retiring = NULL WHERE tenant_id = $1 AND retiring = $2
"""
_COUNT_MARKED = """
    SELECT count(*) FROM aeterna.subject_key WHERE tenant_id = $1 AND retiring = $2
"""
_DESTROY_MARKED = """
    WITH destroyed AS (
        DELETE FROM aeterna.subject_key WHERE tenant_id = $1 AND id IN (
            SELECT id FROM aeterna.subject_key WHERE tenant_id = $1 AND retiring = $2 LIMIT $3)
        RETURNING id, subject_id
    ), remembered AS (
        INSERT INTO aeterna.retired_key (tenant_id, id, subject_id)
        SELECT $1, id, subject_id FROM destroyed WHERE subject_id <> ''
    )
    SELECT id FROM destroyed
"""
_DESTROY_UNUSED = """
    DELETE FROM aeterna.tenant_key AS t
    WHERE t.tenant_id = $1
        AND t.version < (SELECT max(version) FROM aeterna.tenant_key WHERE tenant_id = $1)
        AND NOT EXISTS (
            SELECT FROM aeterna.subject_key AS k
            WHERE k.tenant_id = $1 AND k.tenant_key_version = t.version)
    RETURNING t.version
"""


class PostgresKeys:
    """See `Keys`."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups

    async def tenant_keys(self, route: Route, before: int, limit: int) -> Sequence[TenantKey]:
        rows = await read(route, _TENANT_KEYS)
        found = [TenantKey(**row) for row in rows if not before or row["version"] < before]
        return found[:limit]

    async def subject_keys(
        self, route: Route, where: Sequence[Comparison], before: UUID | None, limit: int
    ) -> Sequence[SubjectKey]:
        conditions, values = to_sql(where, 5)
        sql = _SUBJECT_KEYS.format(where=conditions)
        rows = await read(route, sql, before, limit, MAC_SUBJECT, *values)
        return [SubjectKey(**row) for row in rows]

    async def add_tenant_key(self, route: Route, asked: Asked, key: StoredTenantKey) -> int | None:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            if answer := answers.get(asked.request):
                return int(answer["version"])
            values = (key.version, key.kms_key_id, key.wrapped)
            if await write.conn.fetchval(_ADD_TENANT_KEY, route.tenant, *values) is None:
                return None
            resource = f"{TENANT_KEYS}/{key.version}"
            await write.append([Change(resource, Operation.CREATED, asked.origin)])
            answers.add(asked.request, {"version": key.version})
            answers.save(write)
            write.add(REVISE)
        self._wakeups.publish(route.tenant)
        return key.version

    async def add_subject_key(
        self, route: Route, asked: Asked, key: StoredSubjectKey
    ) -> UUID | None:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            if answer := answers.get(asked.request):
                return UUID(answer["id"])
            if not await _add(write, asked.origin, [key]):
                return None
            answers.add(asked.request, {"id": str(key.id)})
            answers.save(write)
        self._wakeups.publish(route.tenant)
        return key.id

    async def aged(
        self, route: Route, created_before: datetime, after: str | None, limit: int
    ) -> Sequence[tuple[str, int]]:
        rows = await read(route, _NEXT_AGED, created_before, MAC_SUBJECT, after, limit)
        return [(row["subject_id"], row["version"]) for row in rows]

    async def count_aged(self, route: Route, created_before: datetime) -> int:
        (row,) = await read(route, _COUNT_AGED, created_before, MAC_SUBJECT)
        return int(row[0])

    async def add_subject_keys(
        self, route: Route, origin: Origin, keys: Sequence[StoredSubjectKey]
    ) -> int:
        async with writing(route) as write:
            added = await _add(write, origin, keys)
        self._wakeups.publish(route.tenant)
        return added

    async def wrapped_before(
        self, route: Route, tenant_key_version: int, after: UUID, limit: int
    ) -> Sequence[StoredSubjectKey]:
        rows = await read(route, _WRAPPED_BEFORE, tenant_key_version, after, limit)
        return [StoredSubjectKey(**row) for row in rows]

    async def count_wrapped_before(self, route: Route, tenant_key_version: int) -> int:
        (row,) = await read(route, _COUNT_WRAPPED_BEFORE, tenant_key_version)
        return int(row[0])

    async def replace_tenant_key(
        self, route: Route, old: StoredTenantKey, new: StoredTenantKey
    ) -> bool:
        values = (old.version, old.wrapped, new.kms_key_id, new.wrapped)
        async with writing(route) as write:
            return bool(await write.conn.fetchval(_REPLACE_TENANT_KEY, route.tenant, *values))

    async def replace_subject_keys(
        self, route: Route, changed: Sequence[tuple[StoredSubjectKey, StoredSubjectKey]]
    ) -> int:
        columns = (
            [old.id for old, _ in changed],
            [old.wrapped for old, _ in changed],
            [new.tenant_key_version for _, new in changed],
            [new.wrapped for _, new in changed],
        )
        async with writing(route) as write:
            return len(await write.conn.fetch(_REPLACE_SUBJECT_KEYS, route.tenant, *columns))

    async def succession(self, route: Route, ids: Collection[UUID]) -> Succession:
        rows = await read(route, _SUCCESSION, list(ids)) if ids else []
        return {row["id"]: (row["subject_id"], row["newest"]) for row in rows}

    async def mark(self, route: Route, mark: UUID) -> int:
        async with writing(route) as write:
            return int(await write.conn.fetchval(_MARK, route.tenant, mark, MAC_SUBJECT))

    async def unmark(self, route: Route, ids: Collection[UUID]) -> None:
        async with writing(route) as write:
            write.add(_UNMARK, list(ids))

    async def count_marked(self, route: Route, mark: UUID) -> int:
        (row,) = await read(route, _COUNT_MARKED, mark)
        return int(row[0])

    async def unmark_all(self, route: Route, mark: UUID) -> None:
        async with writing(route) as write:
            write.add(_UNMARK_ALL, mark)

    async def destroy_marked(self, route: Route, origin: Origin, mark: UUID, limit: int) -> int:
        async with writing(route) as write:
            rows = await write.conn.fetch(_DESTROY_MARKED, route.tenant, mark, limit)
            if rows:
                # Without the person: nothing may be logged about one who is being erased.
                changes = [_change(row["id"], Operation.DELETED, origin, "") for row in rows]
                await write.append(changes)
                write.add(REVISE)
        self._wakeups.publish(route.tenant)
        return len(rows)

    async def destroy_unused(self, route: Route, origin: Origin) -> int:
        async with writing(route) as write:
            rows = await write.conn.fetch(_DESTROY_UNUSED, route.tenant)
            if rows:
                names = [f"{TENANT_KEYS}/{row['version']}" for row in rows]
                await write.append([Change(name, Operation.DELETED, origin) for name in names])
                write.add(REVISE)
        self._wakeups.publish(route.tenant)
        return len(rows)


async def _add(write: Write, origin: Origin, keys: Sequence[StoredSubjectKey]) -> int:
    columns = (
        [key.subject for key in keys],
        [key.version for key in keys],
        [key.id for key in keys],
        [key.tenant_key_version for key in keys],
        [key.wrapped for key in keys],
    )
    rows = await write.conn.fetch(_ADD_SUBJECT_KEYS, write.route.tenant, *columns)
    if rows:
        changes = [_change(row["id"], Operation.CREATED, origin, row[1]) for row in rows]
        await write.append(changes)
        write.add(REVISE)
    return len(rows)


def _change(key: UUID, did: Operation, origin: Origin, subject: str) -> Change:
    return Change(f"{SUBJECT_KEYS}/{key}", did, origin, subject)
