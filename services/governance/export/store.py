"""Deleting exports: on request, and when their time is over."""

from datetime import timedelta
from uuid import UUID

from libs.changes import Asked, Change
from libs.changes import Operation as Did
from libs.errors import AppError, Kind
from libs.service.rounds import TenantRounds, answering
from libs.spine import writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.tenancy.directory import Directory

_DELETE = "DELETE FROM aeterna.export_part WHERE tenant_id = $1 AND export_id = $2"
_DELETE_OLD = "DELETE FROM aeterna.export_part WHERE tenant_id = $1 AND expires_at < now()"
_WHOM = "SELECT * FROM aeterna.tenants_with_old_exports()"


class ExportNotFound(AppError):
    """There is no such export, it is not complete, or its time is over."""

    kind, reason = Kind.NOT_FOUND, "EXPORT_NOT_FOUND"

    def __init__(self, export: UUID) -> None:
        name = f"subjectExports/{export}"
        super().__init__(f"There is no {name}, or not any more.", export=name)


async def delete_export(route: Route, asked: Asked, export: UUID) -> None:
    """Deletes its files; a repeat of the request is harmless. Raises ExportNotFound."""
    async with writing(route) as write:
        answers = await Answers.load(write, [asked.request])
        if answers.get(asked.request) is not None:
            return
        if await write.conn.execute(_DELETE, route.tenant, export) == "DELETE 0":
            raise ExportNotFound(export)
        change = Change(f"subjectExports/{export}", Did.DELETED, asked.origin)
        await write.append([change])
        answers.add(asked.request, {})
        answers.save(write)


def deleting_old(directory: Directory, interval: timedelta) -> TenantRounds:
    """Deletes what is over, of every tenant."""
    return TenantRounds("exports.delete", directory, answering(_WHOM), _delete_old, interval)


async def _delete_old(route: Route) -> None:
    async with writing(route) as write:
        await write.conn.execute(_DELETE_OLD, route.tenant)
