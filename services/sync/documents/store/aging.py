"""Which edits are old enough to be forgotten."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from libs.service.rounds import answering
from libs.spine import read
from libs.spine.requests import KEPT_FOR as ANSWERED_FOR
from libs.tenancy import Route, TenantId

_STEP = 2000  # edits that one write forgets
_DOCUMENTS = 50  # looked at once
_WHOM = "SELECT aeterna.tenants_with_old_edits(now() - $1::interval, now() - $2::interval, $3)"
_OLD = """
    SELECT a.id, a.bound, e.edited_at AS since FROM (
        SELECT d.id, d.oldest_version, least(d.oldest_version + $5::bigint, greatest(
            (SELECT max(o.version) FROM aeterna.shared_document_edit AS o
                WHERE o.tenant_id = $1 AND o.document_id = d.id
                    AND o.edited_at < now() - $2::interval),
            least(d.version - $4::bigint, (
                SELECT max(o.version) FROM aeterna.shared_document_edit AS o
                WHERE o.tenant_id = $1 AND o.document_id = d.id
                    AND o.edited_at < now() - $3::interval)))) AS bound
        FROM aeterna.shared_document AS d
        WHERE d.tenant_id = $1 AND d.edits_since < now() - $3::interval
            AND (d.edits_since < now() - $2::interval OR d.version - d.oldest_version > $4::bigint)
        ORDER BY d.edits_since LIMIT $6::int
    ) AS a LEFT JOIN aeterna.shared_document_edit AS e
        ON e.tenant_id = $1 AND e.document_id = a.id AND e.version = a.bound + 1
    WHERE a.bound > a.oldest_version
"""


@dataclass(frozen=True, slots=True)
class Aged:
    """A document whose edits up to a version are to be forgotten; the next one was made at
    `edits_since`, if there was one."""

    document: UUID
    version: int
    edits_since: datetime | None


@dataclass(frozen=True)
class OldEdits:
    """Those older than `kept_for`; and those more than `kept_versions` behind, unless somebody may
    still repeat the request that each came with."""

    kept_for: timedelta
    kept_versions: int

    @property
    def whom(self) -> Callable[[asyncpg.Pool], Awaitable[list[TenantId]]]:
        """The tenants of a shard that have some."""
        return answering(_WHOM, self.kept_for, self._young, self.kept_versions)

    async def find(self, route: Route) -> Sequence[Aged]:
        """Some of a tenant's; a few thousand edits of each document at most."""
        values = (self.kept_for, self._young, self.kept_versions, _STEP, _DOCUMENTS)
        rows = await read(route, _OLD, *values)
        return [Aged(row["id"], row["bound"], row["since"]) for row in rows]

    @property
    def _young(self) -> timedelta:
        return min(self.kept_for, ANSWERED_FOR)
