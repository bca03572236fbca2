"""The log as rooms read it, and the policies: adapters of the ports of live connections."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.auth import Identity
from libs.authorization.authority import Authority
from libs.authorization.engine import Asker
from libs.spine import read
from libs.spine.changes import COLUMNS, LoggedChange, changes_of, floor_of, from_row
from libs.tenancy import TenantId
from libs.tenancy.directory import Directory
from services.sync.errors import ChangesPruned
from services.sync.live.domain.rooms import Kind, Room, place_of
from services.sync.store.log import PostgresChangeLog

_LATEST = f"""
    SELECT {COLUMNS} FROM aeterna.change
    WHERE tenant_id = $1 AND resource = $2 ORDER BY number DESC LIMIT 1
"""
# Deletions are there so that the next page knows where to begin.
_EXISTING = f"""
    SELECT DISTINCT ON (resource) {COLUMNS} FROM aeterna.change
    WHERE tenant_id = $1 AND resource > $2 AND number <= $3 AND operation <> 'recorded' {{room}}
    ORDER BY resource, number DESC LIMIT $4
"""
# What a room is a filter by.
_ROOMS = {
    Kind.CHANGES: "AND $5 = 'changes'",
    Kind.COLLECTION: "AND resource >= $5 AND (resource = $5 OR starts_with(resource, $5 || '/'))",
    Kind.RESOURCE: "AND resource = $5",
}
_LAYER, _PLACE = "AND layer = $5", "AND details ->> $6 = $5"


@dataclass(frozen=True)
class PostgresLiveLog(PostgresChangeLog):
    """`LiveLog`."""

    async def of(
        self, tenant: TenantId, resource: str, number: int, upto: int, limit: int
    ) -> Sequence[LoggedChange]:
        route = await self.directory.route(tenant)
        rows = await changes_of(route, resource, number, limit)
        if (floor := await floor_of(route)) > number:  # what was pruned may have been of it
            raise ChangesPruned(number, floor, upto)
        return [row for row in rows if row.number <= upto]

    async def latest(self, tenant: TenantId, resource: str) -> LoggedChange | None:
        rows = await read(await self.directory.route(tenant), _LATEST, resource)
        return from_row(rows[0]) if rows else None

    async def existing(
        self, tenant: TenantId, room: Room, above: str, upto: int, limit: int
    ) -> Sequence[LoggedChange]:
        attribute, value = place_of(room)
        if room.kind is not Kind.PLACE:
            condition, values = _ROOMS[room.kind], [room.name]
        elif attribute == "layer":
            condition, values = _LAYER, [value]
        else:
            condition, values = _PLACE, [value, attribute]
        sql = _EXISTING.format(room=condition)
        rows = await read(await self.directory.route(tenant), sql, above, upto, limit, *values)
        return [from_row(row) for row in rows]

    async def floor(self, tenant: TenantId) -> int:
        return await floor_of(await self.directory.route(tenant))


@dataclass(frozen=True)
class PolicyRights:
    """`Rights` by the policies of this process."""

    directory: Directory
    authority: Authority

    async def rules(self, tenant: TenantId) -> object:
        return await self.authority.rules(await self.directory.route(tenant))

    async def asker(self, tenant: TenantId, identity: Identity) -> Asker:
        return await self.authority.asker(await self.directory.route(tenant), identity)
