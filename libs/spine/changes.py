"""Reading the change log: by number, without gaps."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg

from libs.spine import read, reading
from libs.tenancy import Route

_AMENDMENT = b"aeterna.amendment.v1\0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A moment that Python cannot express is nobody's commit: brought into its calendar, the row can be
# read and its hash shows that it was altered.
COLUMNS = """number, resource, operation, actor, subject, layer, trace_id, request_id, event,
    greatest('0001-01-02Z', least('9999-12-30Z', committed_at)) AS committed_at, hash, details,
    amendment"""
_SINCE = f"""
    SELECT {COLUMNS} FROM aeterna.change
    WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""
_OF = f"""
    SELECT {COLUMNS} FROM aeterna.change
    WHERE tenant_id = $1 AND resource = $2 AND number > $3 ORDER BY number LIMIT $4
"""
_FLOOR = "SELECT number FROM aeterna.change_floor WHERE tenant_id = $1"
_HEAD = "SELECT seq FROM aeterna.tenant_state WHERE tenant_id = $1"


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """One row of the change log as it was read: a later release, or somebody who should not, may
    have written an operation that `Operation` does not know.

    `amendment`: the signature of the platform, where erasing a person has changed the row.
    """

    number: int
    resource: str
    operation: str
    actor: str
    subject: str
    layer: str
    trace_id: str
    request_id: str
    event: str
    committed_at: datetime
    hash: bytes
    details: Mapping[str, str] = field(default_factory=dict)
    amendment: bytes | None = None

    def amended_form(self, tenant: str) -> bytes:
        """What the platform signs for a row whose people became pseudonyms: the row as it is, in
        the place of the one that the hash is of."""
        return _AMENDMENT + tenant.encode() + b"\0" + self.hash + self._canonical()

    def follows(self, previous: bytes) -> bool:
        """Whether the hash covers this row and `previous`, the hash of the row before it; that of
        an amended row does not."""
        expected = hashlib.sha256(previous + self._canonical()).digest()
        return self.amendment is None and self.hash == expected

    def _canonical(self) -> bytes:
        """The text that the database hashed: see aeterna.chain in the spine's third migration."""
        microseconds = (self.committed_at - _EPOCH) // timedelta(microseconds=1)
        row: list[object] = [
            self.number,
            self.resource,
            self.operation,
            self.actor,
            self.subject,
            self.layer,
        ]
        row += [self.trace_id, self.request_id, self.event, microseconds]
        if self.details:
            row.append(dict(sorted(self.details.items(), key=_canonical_order)))
        return json.dumps(row, ensure_ascii=False).encode()


def genesis(route: Route) -> bytes:
    """What the first change of a tenant is chained to."""
    return hashlib.sha256(route.tenant.encode()).digest()


def from_row(row: asyncpg.Record) -> LoggedChange:
    """A row of `aeterna.change`."""
    details = row["details"]
    return LoggedChange(**{**row, "details": _texts(details) if details else {}})


def _canonical_order(item: tuple[str, str]) -> tuple[int, bytes]:
    """Where a key stands in the text of jsonb."""
    key = item[0].encode()
    return len(key), key


def _texts(details: str) -> Mapping[str, str]:
    """What jsonb holds. What we wrote is an object of texts; of anything else, which somebody put
    there, something is made that can be shown, and whose hash is another."""
    try:
        parsed = json.loads(details, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return {"": details}
    if not isinstance(parsed, dict) or not parsed:
        return {"": details}
    return {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in parsed.items()
    }


async def changes_since(route: Route, since: int, limit: int) -> tuple[list[LoggedChange], int]:
    """The changes numbered `since` + 1 and on, at most `limit`; and the newest number there is."""
    async with reading(route) as conn:
        head: int = await conn.fetchval(_HEAD, route.tenant) or 0
        rows = await conn.fetch(_SINCE, route.tenant, since, limit) if head > since else []
    return [from_row(row) for row in rows], head


async def changes_of(route: Route, resource: str, since: int, limit: int) -> list[LoggedChange]:
    """The changes of one resource above the number `since`, at most `limit`."""
    rows = await read(route, _OF, resource, since, limit)
    return [from_row(row) for row in rows]


async def floor_of(route: Route) -> int:
    """The changes up to this number were pruned; 0 for none."""
    rows = await read(route, _FLOOR)
    return int(rows[0]["number"]) if rows else 0
