"""Items in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from libs.approvals import Approved, Kind
from libs.approvals.store import applied, gate
from libs.changes import Command, Operation, Origin, Step
from libs.constraints import Layer, Merge, Mode
from libs.constraints.store import PolicyTable
from libs.constraints.stored import Stored as Policy
from libs.spine import Write, read
from libs.spine.entities import Entities, Rules
from libs.spine.versioned import VersionedTable
from libs.tenancy import Route
from libs.vectors.projection import Projector
from libs.wakeups import Wakeups
from services.knowledge.domain.changes import Body, decide, targets
from services.knowledge.domain.item import Kind as ItemKind
from services.knowledge.domain.item import Stored, Written
from services.knowledge.domain.status import Status
from services.knowledge.operations import SERVICE
from services.knowledge.store.rows import COLLECTION, ITEMS, item_from

# The items asked for, with those that they supersede: accepting one changes the others too.
_LOAD = """
    WITH asked AS (
        SELECT w.id, ARRAY(
            SELECT r.target FROM aeterna.knowledge_relation AS r
            WHERE r.tenant_id = $1 AND r.source = w.id AND r.kind = 'supersedes'
        ) AS supersedes
        FROM unnest($2::uuid[]) AS w (id)
    )
    SELECT i.*, coalesce(a.supersedes, '{}') AS supersedes
    FROM aeterna.knowledge_item AS i LEFT JOIN asked AS a ON a.id = i.id
    WHERE i.tenant_id = $1
      AND i.id = ANY($2::uuid[] || ARRAY(SELECT unnest(b.supersedes) FROM asked AS b))
"""

_ALL_EARLIER = """
    SELECT * FROM aeterna.knowledge_version WHERE tenant_id = $1 AND id = ANY($2::uuid[])
"""


_ORIGIN = Origin(SERVICE)  # what follows from a change that somebody asked for
_ACCEPTABLE = (Status.DRAFT, Status.PROPOSED)  # a draft may be proposed before, in the same write
_ENDING = (Operation.DEPRECATED, Operation.SUPERSEDED)
_NOTHING = Written("", Mode.OPTIONAL, Merge.MERGE, 0, b"")


class PostgresItems(VersionedTable[Stored]):
    """`Items` in PostgreSQL; the index hears of each commit before the answers go out."""

    def __init__(self, projector: Projector, wakeups: Wakeups) -> None:
        super().__init__(ITEMS)
        self._policies = PolicyTable()
        self._entities = Entities(self, Rules[Stored, Body](decide, targets), wakeups, projector)

    async def close(self) -> None:
        """Finishes what was submitted."""
        await self._entities.close()

    async def submit(self, route: Route, command: Command[Body]) -> Sequence[Stored]:
        return await self._entities.submit(route, command)

    async def all_versions(self, route: Route, ids: Sequence[UUID]) -> list[Stored]:
        return [self.entity(row) for row in await read(route, _ALL_EARLIER, list(ids))]

    async def load(self, write: Write, ids: Sequence[UUID]) -> Mapping[UUID, Stored]:
        rows = await write.conn.fetch(_LOAD, write.route.tenant, ids)
        items = [item_from(row, frozenset(row["supersedes"])) for row in rows]
        return {item.id: item for item in await _gated(write, items)}

    async def save(self, write: Write, steps: Sequence[Step[Stored]]) -> None:
        await super().save(write, steps)
        await self._policies.save(write, _policy_steps(steps))
        for step in steps:
            if step.operation is Operation.ACCEPTED and (request := _used(step)):
                await applied(write, request.id, _ORIGIN)


async def _gated(write: Write, items: Sequence[Stored]) -> Sequence[Stored]:
    """The items with what is known of approvals, where one of them may be accepted."""
    if not any(item.status in _ACCEPTABLE for item in items):
        return items
    names = [f"{COLLECTION}/{item.id}" for item in items]
    known = await gate(write, Kind.KNOWLEDGE, names)
    return [
        replace(
            item,
            needs_approval=known.needs(item.scope),
            approved=known.find(name, item.version, item.scope),
        )
        for item, name in zip(items, names, strict=True)
    ]


def _used(step: Step[Stored]) -> Approved | None:
    """The approved request that let the item pass."""
    before = step.before
    assert before is not None  # what is accepted was proposed
    approved = before.approved
    return approved if approved and approved.version == before.version else None


def _policy_steps(steps: Sequence[Step[Stored]]) -> list[Step[Policy]]:
    """What accepting an item with constraints, and ending it, does to its policy."""
    found = []
    for step in steps:
        item = step.entity
        if item.kind is not ItemKind.POLICY:
            continue
        if step.operation is Operation.ACCEPTED and item.constraints:
            found.append(Step(Operation.CREATED, None, _policy(item, item.constraints)))
        elif step.operation in _ENDING:
            found.append(Step(Operation.DELETED, _policy(item, _NOTHING), None))
    return found


def _policy(item: Stored, written: Written) -> Policy:
    return Policy(
        id=item.id,
        key=written.key,
        layer=Layer(item.layer.value),
        scope=item.scope,
        mode=written.mode,
        merge=written.merge,
        source=item.id,
        rules=written.rules,
        author=item.author,
        version=item.version,
        number=item.number,
        document=written.document,
        created_at=item.updated_at,
        updated_at=item.updated_at,
    )
