"""Settings of tenants in PostgreSQL, and those in use in memory."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from libs.changes import Asked, Change, Operation
from libs.spine import Write, read, writing
from libs.spine.requests import Answers
from libs.tenancy import Route
from libs.wakeups import Wakeups
from libs.wakeups.kept import Kept
from services.memory.tenant_settings.domain import NAME, TenantSettings, Versioned
from services.memory.tenant_settings.ports import IndexLength

_GET = """
    SELECT settings, version, number, updated_at
    FROM aeterna.memory_settings WHERE tenant_id = $1
"""
# Only what is new is written over: another release may know more settings.
_PUT = """
    INSERT INTO aeterna.memory_settings AS s (tenant_id, settings, version, number, updated_at)
    VALUES ($1, $2::jsonb, $3, $4, $5)
    ON CONFLICT (tenant_id) DO UPDATE SET settings = s.settings || excluded.settings,
        version = excluded.version, number = excluded.number, updated_at = excluded.updated_at
"""


class PostgresSettings:
    """`SettingsStore` in PostgreSQL."""

    def __init__(self, wakeups: Wakeups, now: Callable[[], datetime], index: IndexLength) -> None:
        self._wakeups, self._now, self._index = wakeups, now, index
        self._kept = Kept[Versioned](wakeups, Versioned)

    async def get(self, route: Route) -> Versioned:
        async def stored(_: Versioned) -> Versioned:
            return _parsed(await read(route, _GET))

        return await self._kept.get(route.tenant, stored)

    async def update(
        self, route: Route, asked: Asked, expected: int, values: dict[str, Any]
    ) -> Versioned:
        async with writing(route) as write:
            answers = await Answers.load(write, [asked.request])
            answer = answers.get(asked.request)
            if answer is not None:
                return Versioned.model_validate(answer)
            current = _parsed(await write.conn.fetch(_GET, route.tenant))
            changed = current.changed(expected, values, self._now())
            changed = await self._save(write, asked, changed, values)
            if "index_dimensions" in values:
                await self._index.follow(write, asked.origin, changed.values.index_dimensions)
            answers.add(asked.request, changed.model_dump(mode="json"))
            answers.save(write)
        self._wakeups.publish(route.tenant)
        return await self._kept.put(route.tenant, lambda known: _newer(known, changed))

    async def _save(
        self, write: Write, asked: Asked, changed: Versioned, values: dict[str, Any]
    ) -> Versioned:
        number = await write.append([Change(NAME, Operation.UPDATED, asked.origin)])
        text = changed.values.model_dump_json(include=set(values))
        write.add(_PUT, text, changed.version, number, changed.updated_at)
        return changed.model_copy(update={"number": number})


def _newer(known: Versioned, changed: Versioned) -> Versioned:
    """Another change may have been read already."""
    return max(known, changed, key=lambda each: each.version)


def _parsed(rows: list[Any]) -> Versioned:
    if not rows:
        return Versioned()
    (row,) = rows
    values = TenantSettings.model_validate(json.loads(row["settings"]))
    return Versioned(
        values=values,
        version=row["version"],
        number=row["number"],
        updated_at=row["updated_at"],
    )
