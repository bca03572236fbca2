"""What erasure does in the shard beside texts: tombstones, keys, ids in tables, the change log.

Routes lead to pools of the role of governance. Every function may be repeated.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from libs.changes import Change, Operation, Origin
from libs.erasure import Erasure
from libs.signing import Signer
from libs.spine import Write, read, writing
from libs.spine.changes import COLUMNS, LoggedChange, from_row
from libs.tenancy import Route
from services.governance.erasure.domain import (
    actor_parts,
    renamed_actor,
    renamed_details,
    renamed_resource,
)
from services.governance.erasure.store.patterns import (
    json_pattern,
    resource_pattern,
    sql_pattern,
)

_ROWS = 2000  # of the log, amended in one write
_SALT = """
    INSERT INTO aeterna.erasure_salt (tenant_id, salt) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""
_BLOCK = """
    INSERT INTO aeterna.erased_subject (tenant_id, digest)
    SELECT $1, sha256(s.salt || convert_to(p.subject, 'UTF8'))
    FROM aeterna.erasure_salt AS s, unnest($2::text[]) AS p (subject) WHERE s.tenant_id = $1
    ON CONFLICT DO NOTHING
"""
_UNBLOCK = """
    DELETE FROM aeterna.erased_subject AS e
    USING aeterna.erasure_salt AS s, unnest($2::text[]) AS p (subject)
    WHERE e.tenant_id = $1 AND s.tenant_id = $1
      AND e.digest = sha256(s.salt || convert_to(p.subject, 'UTF8'))
    RETURNING true
"""
_KEYS = """
    SELECT id FROM aeterna.subject_key WHERE tenant_id = $1 AND subject_id = ANY($2::text[])
    UNION SELECT id FROM aeterna.retired_key WHERE tenant_id = $1 AND subject_id = ANY($2::text[])
"""
_LOG = f"""
    SELECT {COLUMNS} FROM aeterna.change
    WHERE tenant_id = $1 AND number > $2 AND (
        subject = ANY($3::text[]) OR resource = ANY($3::text[]) OR resource ~ $8
        OR string_to_array(actor, ' for ') && $4::text[]
        OR ($5 <> '' AND (resource ~ $5 OR details::text ~ $5)) OR details::text ~ $6
    ) ORDER BY number LIMIT $7
"""
_AMEND = "SELECT aeterna.amend_changes($1, $2, $3, $4, $5::jsonb[], $6)"
_HEAD = "SELECT seq FROM aeterna.tenant_state WHERE tenant_id = $1"
_WAITING = """
    SELECT EXISTS (
        SELECT FROM aeterna.projection_queue WHERE tenant_id = $1 AND number <= $2
    ) AS waiting
"""
_DONE = """
    INSERT INTO aeterna.erasure (tenant_id, id) VALUES ($1, $2) ON CONFLICT DO NOTHING
    RETURNING true
"""


async def block(route: Route, erasure: Erasure) -> None:
    """From the commit on nobody writes about the person or in that person's name."""
    async with writing(route) as write:
        await write.conn.execute(_SALT, route.tenant, os.urandom(16))
        await write.conn.execute(_BLOCK, route.tenant, list(erasure.names))


async def unblock(write: Write, names: Sequence[str]) -> bool:
    """Lets writes about these people pass again; whether any was blocked."""
    rows = await write.conn.fetch(_UNBLOCK, write.route.tenant, list(names))
    return bool(rows)


async def key_ids(route: Route, erasure: Erasure) -> list[UUID]:
    """The person's keys, those too that were retired: old backups hold what they sealed."""
    return [row["id"] for row in await read(route, _KEYS, list(erasure.names))]


async def amend_log(route: Route, erasure: Erasure, since: int, signer: Signer) -> tuple[int, int]:
    """Amends rows after the number `since`; how many, and the last number, 0 at the end."""
    names, parts = list(erasure.names), actor_parts(erasure)
    found = sql_pattern(erasure.identifiers), json_pattern(names)
    rows = await read(route, _LOG, since, names, parts, *found, _ROWS, resource_pattern(names))
    if not rows:
        return 0, 0
    found_rows = list(map(from_row, rows))
    amended = [_amended(each, erasure) for each in found_rows]
    changes = [new for new, old in zip(amended, found_rows, strict=True) if new != old]
    async with writing(route) as write:
        await write.conn.execute(
            _AMEND,
            [each.number for each in changes],
            [each.actor for each in changes],
            [each.subject for each in changes],
            [each.resource for each in changes],
            [json.dumps(dict(each.details)) if each.details else None for each in changes],
            [_signature(route, each, signer) for each in changes],
        )
    return len(changes), found_rows[-1].number


async def head(route: Route) -> int:
    """The newest change."""
    return int((await read(route, _HEAD))[0]["seq"])


async def waiting(route: Route, number: int) -> bool:
    """Whether a vector index has still to hear of changes up to this one."""
    return bool((await read(route, _WAITING, number))[0]["waiting"])


async def finish(route: Route, erasure: UUID, origin: Origin, event: str) -> None:
    """The shard knows from now on that the erasure is complete."""
    async with writing(route) as write:
        if await write.conn.fetchval(_DONE, route.tenant, erasure):
            change = Change(f"erasures/{erasure}", Operation.RECORDED, origin, event=event)
            await write.append([change])


def _amended(change: LoggedChange, erasure: Erasure) -> LoggedChange:
    """The row of the log with a pseudonym in the person's place."""
    return replace(
        change,
        actor=renamed_actor(change.actor, erasure),
        subject=erasure.pseudonym if change.subject in erasure.names else change.subject,
        resource=renamed_resource(change.resource, erasure),
        details=renamed_details(change.details, erasure),
    )


def _signature(route: Route, change: LoggedChange, signer: Signer) -> bytes:
    return signer.private.sign(change.amended_form(route.tenant))
