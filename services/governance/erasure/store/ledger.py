"""The ledger of erasures in the control database, written by governance alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from libs.encryption.kms import Context, Kms
from libs.erasure import Erasure, Strategy
from libs.erasure.ledger import ErasureNotFound, Ledger
from libs.erasure.vault import Kept as Sealed
from libs.erasure.vault import keep, reopen
from libs.postgres import lend, store_errors
from libs.spine import read
from libs.tenancy import Route, TenantId
from services.governance.erasure.domain import Kept
from services.governance.erasure.errors import PseudonymNotFound

_COLUMNS = """id, strategy, reference, pseudonym, operation, report, certificate, lifted,
    created_at, completed_at"""
_ADD = """
    INSERT INTO control.erasure (tenant_id, id, strategy, reference, actor, pseudonym, kms_key_id,
        wrapped, request)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING true
"""
_DROP = "DELETE FROM control.erasure WHERE tenant_id = $1 AND id = $2 AND operation IS NULL"
_GET = f"SELECT {_COLUMNS} FROM control.erasure WHERE tenant_id = $1 AND id = $2"
_PAGE = f"""
    SELECT {_COLUMNS} FROM control.erasure
    WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""
_BEGUN = "UPDATE control.erasure SET operation = $3 WHERE tenant_id = $1 AND id = $2"
_RENAME = """
    UPDATE control.erasure SET pseudonym = $3 WHERE tenant_id = $1 AND id = $2 AND pseudonym = ''
"""
_KEYS = """
    UPDATE control.erasure SET key_ids = ARRAY(SELECT DISTINCT unnest(key_ids || $3::uuid[]))
    WHERE tenant_id = $1 AND id = $2 RETURNING key_ids
"""
_REPORT = "UPDATE control.erasure SET report = $3 WHERE tenant_id = $1 AND id = $2"
# The first certificate stays: a replay proves nothing new.
_COMPLETE = """
    UPDATE control.erasure SET completed_at = coalesce(completed_at, now()),
        certificate = CASE WHEN certificate = '' THEN $3 ELSE certificate END,
        pseudonym = CASE WHEN strategy = 'pseudonymize' THEN pseudonym ELSE '' END
    WHERE tenant_id = $1 AND id = $2
"""
_OPEN = """
    SELECT tenant_id, id, operation, completed_at IS NOT NULL AS complete FROM control.erasure
    WHERE wrapped IS NOT NULL
      AND (operation IS NOT NULL OR created_at < now() - interval '1 minute')
    ORDER BY created_at, id
"""
_FORGET = """
    UPDATE control.erasure SET wrapped = NULL, request = NULL
    WHERE completed_at < now() - $1::interval AND wrapped IS NOT NULL
"""
_LIFT = "UPDATE control.erasure SET lifted = true WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
_ADD_PSEUDONYM = """
    INSERT INTO control.pseudonym (tenant_id, pseudonym, kms_key_id, wrapped, sealed)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_PSEUDONYM = """
    SELECT kms_key_id, wrapped, sealed FROM control.pseudonym
    WHERE tenant_id = $1 AND pseudonym = $2
"""
_DROP_PSEUDONYM = """
    DELETE FROM control.pseudonym WHERE tenant_id = $1 AND pseudonym = $2 RETURNING true
"""
_DESTROY = "DELETE FROM control.key_share WHERE tenant_id = $1 AND key_id = ANY($2::uuid[])"
# Of these erasures, those that the shard has not completed; and the operations that it knows.
_UNKNOWN = """
    SELECT w.id, EXISTS (
        SELECT FROM aeterna.operation AS o WHERE o.tenant_id = $1 AND o.id = w.operation
    ) AS under_way
    FROM unnest($2::uuid[], $3::uuid[]) AS w (id, operation)
    WHERE NOT EXISTS (SELECT FROM aeterna.erasure AS e WHERE e.tenant_id = $1 AND e.id = w.id)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An erasure that can be done again."""

    tenant: TenantId
    id: UUID
    operation: UUID | None  # None: it did not get so far
    complete: bool


@dataclass(frozen=True)
class WrittenLedger:
    """`Ledger`, with what governance does to it. Every method raises StoreUnavailable when the
    control database cannot be reached."""

    control: asyncpg.Pool
    kms: Kms

    @property
    def read(self) -> Ledger:
        """What services have of it."""
        return Ledger(self.control, self.kms)

    async def add(self, tenant: TenantId, erasure: Erasure, reference: str, actor: str) -> bool:
        """Notes what is to be erased; False: it was noted before."""
        kept = await self.read.sealed(tenant, erasure)
        strategy = erasure.strategy.value
        values = (erasure.id, strategy, reference, actor, erasure.pseudonym, *kept)
        return bool(await self._fetch(_ADD, tenant, *values))

    async def drop(self, tenant: TenantId, erasure: UUID) -> None:
        """Forgets one that did not begin."""
        await self._fetch(_DROP, tenant, erasure)

    async def begun(self, tenant: TenantId, erasure: UUID, operation: UUID) -> None:
        """Notes which operation does it."""
        await self._fetch(_BEGUN, tenant, erasure, operation)

    async def rename(self, tenant: TenantId, erasure: UUID, pseudonym: str) -> None:
        """Gives one that is to be done again a pseudonym, unless it has one."""
        await self._fetch(_RENAME, tenant, erasure, pseudonym)

    async def get(self, tenant: TenantId, erasure: UUID) -> Kept:
        """One erasure; raises ErasureNotFound."""
        rows = await self._fetch(_GET, tenant, erasure)
        if not rows:
            raise ErasureNotFound(erasure)
        return _kept(rows[0])

    async def page(self, tenant: TenantId, before: UUID | None, limit: int) -> list[Kept]:
        """Newest first, those older than `before`, at most `limit`."""
        return [_kept(row) for row in await self._fetch(_PAGE, tenant, before, limit)]

    async def add_keys(
        self, tenant: TenantId, erasure: UUID, keys: Sequence[UUID]
    ) -> Sequence[UUID]:
        """Notes keys that are to be destroyed; all that were noted."""
        (row,) = await self._fetch(_KEYS, tenant, erasure, list(keys))
        ids: Sequence[UUID] = row["key_ids"]
        return ids

    async def destroy_shares(self, tenant: TenantId, keys: Sequence[UUID]) -> None:
        """Without its share a key opens nothing, in no backup of the shard."""
        await self._fetch(_DESTROY, tenant, list(keys))

    async def save_report(
        self, tenant: TenantId, erasure: UUID, report: Sequence[Mapping[str, Any]]
    ) -> None:
        """Keeps what became of each store."""
        await self._fetch(_REPORT, tenant, erasure, json.dumps(list(report)))

    async def complete(self, tenant: TenantId, erasure: UUID, certificate: str) -> None:
        """It is done; the pseudonym is forgotten, unless it may be resolved."""
        await self._fetch(_COMPLETE, tenant, erasure, certificate)

    async def lift(self, tenant: TenantId, erasures: Sequence[UUID]) -> None:
        """Whoever was erased may be written about again, also after a replay."""
        await self._fetch(_LIFT, tenant, list(erasures))

    async def entries(self) -> list[Entry]:
        """Of all tenants, those that can be done again, oldest first."""
        rows = await self._fetch(_OPEN)
        return [
            Entry(TenantId(row["tenant_id"]), row["id"], row["operation"], row["complete"])
            for row in rows
        ]

    async def forget(self, kept_for: timedelta) -> None:
        """Who it was is not kept for longer than backups are."""
        await self._fetch(_FORGET, kept_for)

    async def keep_pseudonym(self, tenant: TenantId, erasure: Erasure) -> None:
        """Seals who it stands for, once."""
        context = _context(tenant, erasure.pseudonym)
        kept = await keep(self.kms, context, erasure.subject.encode())
        await self._fetch(_ADD_PSEUDONYM, tenant, erasure.pseudonym, *kept)

    async def reveal(self, tenant: TenantId, pseudonym: str) -> str:
        """Who it stands for; raises PseudonymNotFound."""
        rows = await self._fetch(_PSEUDONYM, tenant, pseudonym)
        if not rows:
            raise PseudonymNotFound
        sealed = Sealed(*rows[0])
        return (await reopen(self.kms, _context(tenant, pseudonym), sealed)).decode()

    async def destroy_pseudonym(self, tenant: TenantId, pseudonym: str) -> None:
        """Nobody can say who it stands for any more; raises PseudonymNotFound."""
        if not await self._fetch(_DROP_PSEUDONYM, tenant, pseudonym):
            raise PseudonymNotFound

    async def _fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        with store_errors():
            async with lend(self.control) as conn:
                rows: list[asyncpg.Record] = await conn.fetch(sql, *values)
        return rows


async def to_replay(route: Route, entries: Sequence[Entry]) -> list[Entry]:
    """Of the tenant's entries, those that its shard neither completed nor works on."""
    if not entries:
        return []
    ids, operations = [each.id for each in entries], [each.operation for each in entries]
    rows = await read(route, _UNKNOWN, ids, operations)
    missing = {row["id"] for row in rows if not row["under_way"]}
    return [each for each in entries if each.id in missing]


def _context(tenant: TenantId, pseudonym: str) -> Context:
    return {"purpose": "pseudonym", "tenant": tenant, "pseudonym": pseudonym}


def _kept(row: asyncpg.Record) -> Kept:
    values: dict[str, Any] = dict(row)
    values["strategy"] = Strategy(values["strategy"])
    values["report"] = json.loads(values["report"]) if values["report"] else []
    return Kept(**values)
