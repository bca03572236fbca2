"""What the change log tells of what a request is about: who wrote it, and where it is."""

import json

from libs.approvals import Kind
from libs.auth.identity import subject_of
from libs.errors import invalid
from libs.spine import Write
from services.governance.approvals.domain import Asking
from services.governance.approvals.errors import TargetNotFound

# A person who wrote a version of the target, or proposed it, does not decide on it.
_WRITERS = """
    SELECT DISTINCT actor FROM aeterna.change WHERE tenant_id = $1 AND resource = $2
    AND operation IN ('created', 'updated', 'proposed')
"""
_PLACE = """
    SELECT details FROM aeterna.change WHERE tenant_id = $1 AND resource = $2
    AND details IS NOT NULL ORDER BY number DESC LIMIT 1
"""


async def writers(write: Write, asking: Asking) -> list[str]:
    """Who wrote the target.

    Raises:
        TargetNotFound: It is knowledge that nobody wrote.
        InvalidRequest: It is knowledge of another scope: those who decide there have to.
    """
    rows = await write.conn.fetch(_WRITERS, write.route.tenant, asking.target)
    if asking.kind is Kind.KNOWLEDGE:
        if not rows:
            raise TargetNotFound(asking.target)
        await _check_scope(write, asking)
    return [subject_of(row["actor"]) for row in rows]


async def _check_scope(write: Write, asking: Asking) -> None:
    details = await write.conn.fetchval(_PLACE, write.route.tenant, asking.target)
    there, here = json.loads(details) if details else {}, asking.scope.place()
    if any(there.get(name, here[name]) != here[name] for name in here):
        raise invalid("approval_request.scope", "must be that of the target")
